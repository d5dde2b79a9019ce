// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"
#include "sys/mount_fd.h"

namespace dhow::snapshot {

// A mount as containerd's API has it: what mount(8) would be told, but for where.
struct Mount {
  std::string type;
  std::string source;
  std::vector<std::string> options;
  bool operator==(const Mount&) const = default;
};

// A folder of a layer, or an image file of one.
struct LayerSource {
  enum class Kind { kFolder, kErofs } kind = Kind::kFolder;
  std::string path;         // absolute
  std::string mount_point;  // of kErofs: an empty folder beside it, for kernels that need one
  bool operator==(const LayerSource&) const = default;
};

// What the root file system of a snapshot is made of. All paths are below one folder of the
// snapshotter, and have none of the characters that mount options would have to escape.
struct MountPlan {
  std::vector<LayerSource> lower;  // the topmost first
  std::string upper;               // "": can't be written
  std::string work;                // overlayfs's own folder, beside `upper`; "" where upper is all
  bool userxattr = false;          // attributes of overlayfs are user.overlay.*
  bool operator==(const MountPlan&) const = default;
};

struct MountOptions {
  // Maps the owners of all files, of all layers: a user namespace. Needs Linux 5.19.
  FdRef userns = FdRef(-1);
  // Ways to mount, newest first; the later ones are taken by themselves where the kernel has not
  // those before.
  enum class Way {
    kByDescriptor,  // lowerdir+ and detached layers: Linux 6.15
    kByPath,     // lowerdir+: Linux 6.5; layers that are mounts are attached in a private namespace
    kOneString,  // mount(2) in a private namespace
  } first = Way::kByDescriptor;
};

// The plan for those who mount by themselves. kUnimplemented when mount(8) has no words for it:
// with several layers that are images.
Result<std::vector<Mount>> to_mounts(const MountPlan& plan);

// The same tree to be read, also beside one who has it mounted and writes: what is written into is
// the topmost layer of it.
MountPlan for_reading(MountPlan plan);

// Mounts the plan, detached: attach it where it is wanted, or drop it. Blocks on the disk, and
// starts a thread for a moment where the kernel needs a private mount namespace. The kernel takes
// at most 500 layers.
Result<MountFd> mount(const MountPlan& plan, const MountOptions& options = {});

}  // namespace dhow::snapshot
