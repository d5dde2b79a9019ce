// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/result.h"
#include "sys/dir_fd.h"
#include "unpack/tar_reader.h"

namespace dhow::unpack {

// How a folder that layers are written into shows what a layer removes.
enum class Whiteouts {
  kOverlay,      // one layer of overlayfs: a device 0:0, and trusted.overlay.opaque on a folder
  kUserOverlay,  // as kOverlay, with user.overlay.opaque: for mounts with "userxattr"
  kRemove,       // the whole tree: the files below are there, and are removed
  kNone,         // no layer: ".wh." begins a name as anything else does
};

// What is asked for beyond what is in the archive.
struct WriteRules {
  // Of layers: refuses what images that people use have, and what is written where it says
  // otherwise (docs/adr/0005-hostile-layers.md): a leading '/' of a path or of a hard link's
  // target, either through a symbolic link, and a name that the archive has twice.
  bool strict = false;
  // The others are of `docker cp`.
  // A folder in place of something else, or the other way round, is kInvalidArgument.
  bool keep_kinds = false;
  // Whose everything is, whatever the archive says.
  struct Owner {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
  };
  std::optional<Owner> owner;
};

struct WriteLimits {
  std::int64_t bytes = std::int64_t{1} << 40;  // of all files together
  std::int64_t entries = 16'000'000;
};

// What a layer came to.
struct Written {
  std::int64_t bytes = 0;  // of regular files
  std::int64_t entries = 0;
};

// Writes the members of a layer's archive below a folder (image-spec, layer.md). The archive is not
// trusted: every path is resolved below the folder by openat2(2), nothing is ever followed in its
// last component, and faults are kInvalidArgument with the member's name. Paths are relative to the
// folder also when they begin with '/', but for strict rules; ".." is refused, and so is a member
// that makes another kind of thing of one before it. What an archive may not bring: attributes of
// overlayfs. Nobody else may change the folder meanwhile; one thread at a time.
class LayerWriter {
 public:
  LayerWriter(DirFd root, Whiteouts whiteouts, WriteLimits limits = {}, WriteRules rules = {});

  // Reads the archive to its end. A failure leaves what was written so far: the caller drops the
  // folder. kFailedPrecondition ("needs what is below"): in a layer of overlayfs, a member stands
  // on something that only the layers below have, so the layer has to be written into the whole
  // tree.
  Result<Written> write(TarReader& archive);

 private:
  // A folder that members are in, opened.
  struct Parent {
    std::string path;
    Fd fd;
  };
  Status write_entry(TarReader& archive, const Entry& entry);
  Status check_strictly(const std::string& path, const Entry& entry);
  Status check_links(const std::string& folder, std::string_view what, const Entry& entry) const;
  Result<FdRef> open_parent(const std::string& path, const Entry& entry);
  Result<Fd> make_parent(const std::string& path, const Entry& entry);
  Status whiteout(FdRef parent, const std::string& folder, std::string_view name,
                  const Entry& entry);
  Status make_opaque(FdRef parent, const std::string& folder, const Entry& entry);
  // Whether what has that name came with this layer.
  bool is_own(const std::string& path, const struct stat& info) const;
  Status make_room(FdRef parent, const std::string& name, const std::string& path,
                   const Entry& entry);
  Status write_folder(FdRef parent, const std::string& name, const std::string& path,
                      const Entry& entry);
  Status write_file(FdRef parent, const std::string& name, TarReader& archive, const Entry& entry);
  Status write_hardlink(FdRef parent, const std::string& name, const Entry& entry);
  Status write_other(FdRef parent, const std::string& name, const Entry& entry);
  Status set_attributes(FdRef parent, const std::string& name, FdRef file, const Entry& entry);
  Status set_xattrs(FdRef parent, const std::string& name, FdRef file, const Entry& entry);
  Status finish_folders();
  bool is_overlay() const {
    return whiteouts_ == Whiteouts::kOverlay || whiteouts_ == Whiteouts::kUserOverlay;
  }

  DirFd root_;
  Whiteouts whiteouts_;
  WriteLimits limits_;
  WriteRules rules_;
  Written written_;
  std::optional<Parent> parent_;  // of the member before: the next one's as a rule
  // Folders get their times in the end, when nothing is put into them any more.
  std::map<std::string, struct timespec, std::less<>> folder_times_;
  // Hashes of the members' paths, where what is there may be of the layers below.
  std::unordered_set<std::size_t> own_;
  // The same of all members, where none may come twice.
  std::unordered_set<std::size_t> seen_;
};

}  // namespace dhow::unpack
