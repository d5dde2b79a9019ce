// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::unpack {

// What an archive keeps of a file beside its content.
struct FileFacts {
  struct stat info{};
  std::string target;  // of a symbolic link
  // Without those of overlayfs, and without what the security module of this machine says.
  std::map<std::string, std::string> xattrs;
  // A folder of a layer of overlayfs that does not show what is below: opaque, or moved here.
  bool hides_below = false;
};

// The file `name` of an open folder, not followed when it is a link; none when there is none.
// "." is the folder itself. `path` is for messages. Blocks on the disk.
Result<std::optional<FileFacts>> file_facts(FdRef folder, const std::string& name,
                                            const std::string& path);

// Whether two files are the same but for their content: kind, permissions, owner, device, link and
// attributes.
bool same_facts(const FileFacts& one, const FileFacts& other);

// Whether the content of two regular files is the same, by size and time, and where the time may
// have been cut (no nanoseconds, as archives have it) byte by byte. Other files are the same when
// their times are. `path` is for messages.
Result<bool> same_content(FdRef one_folder, const FileFacts& one, FdRef other_folder,
                          const FileFacts& other, const std::string& name, const std::string& path);

}  // namespace dhow::unpack
