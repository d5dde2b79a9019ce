// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/rootfs/mountinfo.h"
#include "sys/fd.h"

namespace dhow::runtime {

// The standard streams of a container across checkpoint and restore: what they were is kept in
// descriptors.json in the image (runc's and crun's file: an array of three names), and what stands
// for the outside there is replaced by the streams of whoever restores.
//
// A stream is named by the target of its link in /proc/<pid>/fd ("pipe:[123]"), or, when it is a
// file that none of the container's mounts holds, as criu calls such a file: "file[1f:2a3]" with
// the mount and the inode in hexadecimal.
Result<std::vector<std::string>> name_standard_streams(
    pid_t pid, const std::vector<rootfs::MountInfo>& mounts);

// True for names that stand for something outside of the container.
bool is_outside_stream(std::string_view name);
// True for those among them that criu must be told about before a dump.
bool is_outside_file(std::string_view name);

Status save_streams(FdRef image, const std::vector<std::string>& names);
// An image without the file has no names. kDataLoss for anything but an array of texts.
Result<std::vector<std::string>> load_streams(FdRef image);

}  // namespace dhow::runtime
