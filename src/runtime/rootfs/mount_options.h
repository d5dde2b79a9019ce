// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "sys/mount_fd.h"

namespace dhow::rootfs {

// MOUNT_ATTR_* to set and to clear, as mount_setattr(2) takes them. The access time setting is one
// value of several bits: whoever sets it clears all of MOUNT_ATTR__ATIME first.
struct AttributeChange {
  std::uint64_t set = 0;
  std::uint64_t clear = 0;
  bool empty() const { return set == 0 && clear == 0; }
  bool operator==(const AttributeChange&) const = default;
};

enum class IdmapMode { kNone, kSingle, kRecursive };

// One mapping of an inline "idmap=uids=…;gids=…" option. `relative`: the container id is one of
// the container's user namespace and is translated to the host's by linux.uidMappings first.
struct InlineMapping {
  std::uint32_t container_id = 0;
  std::uint32_t host_id = 0;
  std::uint32_t size = 0;
  bool relative = false;
  bool operator==(const InlineMapping&) const = default;
};

// The options of one mount, taken apart. See the table of runtime-spec config-linux.md, "Linux
// mount options", and mount(8).
struct MountOptions {
  AttributeChange attributes;
  AttributeChange recursive_attributes;
  // MS_PRIVATE, MS_SLAVE, … each with or without MS_REC, in the order given.
  std::vector<std::uint64_t> propagation;
  // Settings of the whole file system that fsconfig(2) knows by name ("sync", "lazytime", …).
  std::vector<std::string> superblock;
  // Everything not known here: options of the file system, each one as given, commas included.
  std::vector<FsOption> data;

  bool bind = false;
  bool recursive_bind = false;
  bool remount = false;
  bool copy_up = false;       // tmpcopyup: the tmpfs starts with what it covers
  bool copy_symlink = false;  // a source that is a symbolic link is made anew, not mounted
  bool source_nofollow = false;
  // Of a bind: what of the source is mounted. It is the root of the path, so that no link, and
  // nobody who renames meanwhile, leads out of it (CVE-2021-30465).
  std::string source_subpath;
  bool destination_nofollow = false;
  IdmapMode idmap = IdmapMode::kNone;
  std::vector<InlineMapping> inline_uids;
  std::vector<InlineMapping> inline_gids;

  bool read_only() const { return ((attributes.set | recursive_attributes.set) & kReadOnly) != 0; }
  static constexpr std::uint64_t kReadOnly = 1;  // MOUNT_ATTR_RDONLY
};

// An option of dhow's own: "dhow.subpath=PATH" is MountOptions::source_subpath.
inline constexpr std::string_view kSubpathOption = "dhow.subpath";

// Takes the options apart. Later options win over earlier ones. kInvalidArgument for an option with
// a NUL byte or a malformed id mapping, naming it.
Result<MountOptions> parse_mount_options(const std::vector<std::string>& options);

}  // namespace dhow::rootfs
