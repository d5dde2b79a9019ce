// SPDX-License-Identifier: Apache-2.0
#include "runtime/rootfs/mount_options.h"

#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/strings.h"
#include "runtime/rootfs/rootfs.h"

namespace dhow::rootfs {
namespace {

enum class Kind : std::uint8_t {
  kAttribute,
  kRecursiveAttribute,
  kPropagation,
  kSuperblock,  // passed to fsconfig(2) under its own name
  kIgnored,     // has no effect on a mount made by descriptor, or is the default
  kBind,
  kRecursiveBind,
  kRemount,
  kCopyUp,
  kCopySymlink,
  kSourceNofollow,
  kDestinationNofollow,
  kIdmap,
  kRecursiveIdmap,
};

struct Entry {
  std::string_view name;
  Kind kind;
  std::uint64_t set = 0;
  std::uint64_t clear = 0;
};

constexpr Entry attribute(std::string_view name, std::uint64_t set, std::uint64_t clear) {
  return {name, Kind::kAttribute, set, clear};
}
constexpr Entry recursive(std::string_view name, std::uint64_t set, std::uint64_t clear) {
  return {name, Kind::kRecursiveAttribute, set, clear};
}
constexpr Entry propagation(std::string_view name, std::uint64_t flags) {
  return {name, Kind::kPropagation, flags, 0};
}

constexpr std::uint64_t kAtime = MOUNT_ATTR__ATIME;

// Sorted by name, for the search. "relatime" is the kernel's default and 0 within the access time
// bits, so whatever turns another setting off goes back to it.
constexpr std::array kTable = {
    Entry{"async", Kind::kSuperblock},
    attribute("atime", 0, kAtime),
    Entry{"bind", Kind::kBind},
    Entry{"copy-symlink", Kind::kCopySymlink},
    Entry{"defaults", Kind::kIgnored},
    Entry{"dest-nofollow", Kind::kDestinationNofollow},
    attribute("dev", 0, MOUNT_ATTR_NODEV),
    attribute("diratime", 0, MOUNT_ATTR_NODIRATIME),
    Entry{"dirsync", Kind::kSuperblock},
    attribute("exec", 0, MOUNT_ATTR_NOEXEC),
    Entry{"idmap", Kind::kIdmap},
    Entry{"iversion", Kind::kIgnored},  // file systems that count versions always do
    Entry{"lazytime", Kind::kSuperblock},
    Entry{"loud", Kind::kIgnored},
    Entry{"mand", Kind::kSuperblock},
    attribute("noatime", MOUNT_ATTR_NOATIME, kAtime),
    attribute("nodev", MOUNT_ATTR_NODEV, 0),
    attribute("nodiratime", MOUNT_ATTR_NODIRATIME, 0),
    attribute("noexec", MOUNT_ATTR_NOEXEC, 0),
    Entry{"noiversion", Kind::kIgnored},
    Entry{"nolazytime", Kind::kSuperblock},
    Entry{"nomand", Kind::kSuperblock},
    Entry{"norelatime", Kind::kIgnored},
    attribute("nostrictatime", 0, kAtime),
    attribute("nosuid", MOUNT_ATTR_NOSUID, 0),
    attribute("nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0),
    propagation("private", MS_PRIVATE),
    recursive("ratime", 0, kAtime),
    Entry{"rbind", Kind::kRecursiveBind},
    recursive("rdev", 0, MOUNT_ATTR_NODEV),
    recursive("rdiratime", 0, MOUNT_ATTR_NODIRATIME),
    attribute("relatime", MOUNT_ATTR_RELATIME, kAtime),
    Entry{"remount", Kind::kRemount},
    recursive("rexec", 0, MOUNT_ATTR_NOEXEC),
    Entry{"ridmap", Kind::kRecursiveIdmap},
    recursive("rnoatime", MOUNT_ATTR_NOATIME, kAtime),
    recursive("rnodev", MOUNT_ATTR_NODEV, 0),
    recursive("rnodiratime", MOUNT_ATTR_NODIRATIME, 0),
    recursive("rnoexec", MOUNT_ATTR_NOEXEC, 0),
    Entry{"rnorelatime", Kind::kIgnored},
    recursive("rnostrictatime", 0, kAtime),
    recursive("rnosuid", MOUNT_ATTR_NOSUID, 0),
    recursive("rnosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0),
    attribute("ro", MOUNT_ATTR_RDONLY, 0),
    propagation("rprivate", MS_PRIVATE | MS_REC),
    recursive("rrelatime", MOUNT_ATTR_RELATIME, kAtime),
    recursive("rro", MOUNT_ATTR_RDONLY, 0),
    recursive("rrw", 0, MOUNT_ATTR_RDONLY),
    propagation("rshared", MS_SHARED | MS_REC),
    propagation("rslave", MS_SLAVE | MS_REC),
    recursive("rstrictatime", MOUNT_ATTR_STRICTATIME, kAtime),
    recursive("rsuid", 0, MOUNT_ATTR_NOSUID),
    recursive("rsymfollow", 0, MOUNT_ATTR_NOSYMFOLLOW),
    propagation("runbindable", MS_UNBINDABLE | MS_REC),
    attribute("rw", 0, MOUNT_ATTR_RDONLY),
    propagation("shared", MS_SHARED),
    Entry{"silent", Kind::kIgnored},  // the new mount calls never log by themselves
    propagation("slave", MS_SLAVE),
    Entry{"src-nofollow", Kind::kSourceNofollow},
    attribute("strictatime", MOUNT_ATTR_STRICTATIME, kAtime),
    attribute("suid", 0, MOUNT_ATTR_NOSUID),
    attribute("symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW),
    Entry{"sync", Kind::kSuperblock},
    Entry{"tmpcopyup", Kind::kCopyUp},
    propagation("unbindable", MS_UNBINDABLE),
};

static_assert(std::ranges::is_sorted(kTable, {}, &Entry::name), "the table is searched");
static_assert(MountOptions::kReadOnly == MOUNT_ATTR_RDONLY);

const Entry* find(std::string_view name) {
  const auto* entry = std::ranges::lower_bound(kTable, name, {}, &Entry::name);
  return entry != kTable.end() && entry->name == name ? entry : nullptr;
}

void merge(AttributeChange& change, const Entry& entry) {
  change.set = (change.set & ~entry.clear) | entry.set;
  change.clear = (change.clear & ~(entry.set & ~kAtime)) | entry.clear;
}

void apply(MountOptions& options, const Entry& entry) {
  switch (entry.kind) {
    case Kind::kAttribute:
      merge(options.attributes, entry);
      break;
    case Kind::kRecursiveAttribute:
      merge(options.recursive_attributes, entry);
      break;
    case Kind::kPropagation:
      options.propagation.push_back(entry.set);
      break;
    case Kind::kSuperblock:
      options.superblock.emplace_back(entry.name);
      break;
    case Kind::kIgnored:
      break;
    case Kind::kBind:
      options.bind = true;
      break;
    case Kind::kRecursiveBind:
      options.bind = options.recursive_bind = true;
      break;
    case Kind::kRemount:
      options.remount = true;
      break;
    case Kind::kCopyUp:
      options.copy_up = true;
      break;
    case Kind::kCopySymlink:
      options.copy_symlink = true;
      break;
    case Kind::kSourceNofollow:
      options.source_nofollow = true;
      break;
    case Kind::kDestinationNofollow:
      options.destination_nofollow = true;
      break;
    case Kind::kIdmap:
      options.idmap = IdmapMode::kSingle;
      break;
    case Kind::kRecursiveIdmap:
      options.idmap = IdmapMode::kRecursive;
      break;
  }
}

// "[@]container-host-size", several joined by '#'.
std::optional<std::vector<InlineMapping>> parse_mapping_list(std::string_view text) {
  std::vector<InlineMapping> mappings;
  for (std::string_view part : split(text, '#')) {
    InlineMapping mapping;
    if (part.starts_with('@')) {
      mapping.relative = true;
      part.remove_prefix(1);
    }
    std::vector<std::string_view> numbers = split(part, '-');
    if (numbers.size() != 3) return std::nullopt;
    auto container = parse_number<std::uint32_t>(numbers[0]);
    auto host = parse_number<std::uint32_t>(numbers[1]);
    auto size = parse_number<std::uint32_t>(numbers[2]);
    if (!container || !host || !size || *size == 0) return std::nullopt;
    mapping.container_id = *container;
    mapping.host_id = *host;
    mapping.size = *size;
    mappings.push_back(mapping);
  }
  return mappings;
}

Status parse_inline_idmap(MountOptions& options, std::string_view option, std::string_view value) {
  for (std::string_view part : split(value, ';')) {
    bool uids = part.starts_with("uids=");
    if (!uids && !part.starts_with("gids=")) {
      return fail(Code::kInvalidArgument, cat("invalid mount option ", quoted(option)));
    }
    auto mappings = parse_mapping_list(part.substr(5));
    if (!mappings) {
      return fail(Code::kInvalidArgument,
                  cat("invalid id mapping in mount option ", quoted(option)));
    }
    (uids ? options.inline_uids : options.inline_gids) = std::move(*mappings);
  }
  return {};
}

// "key" or "key=value" for the file system.
Status add_data(MountOptions& options, std::string_view option) {
  std::size_t equals = option.find('=');
  std::string key(option.substr(0, equals));
  if (key.empty()) {
    return fail(Code::kInvalidArgument, cat("invalid mount option ", quoted(option)));
  }
  FsOption data{std::move(key), std::nullopt};
  if (equals != std::string::npos) data.value = option.substr(equals + 1);
  options.data.push_back(std::move(data));
  return {};
}

// One string may hold several options, as the data of mount(2) does: what is between commas is one,
// but for commas in quotes (security labels) or after a backslash (names in overlay's lists).
std::vector<std::string_view> split_data(std::string_view text) {
  std::vector<std::string_view> parts;
  std::size_t start = 0;
  bool in_quotes = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      in_quotes = !in_quotes;
    } else if (text[i] == ',' && !in_quotes) {
      parts.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  }
  parts.push_back(text.substr(start));
  return parts;
}

}  // namespace

Result<MountOptions> parse_mount_options(const std::vector<std::string>& options) {
  MountOptions parsed;
  for (const std::string& option : options) {
    if (option.empty()) continue;
    if (option.find('\0') != std::string::npos) {
      return fail(Code::kInvalidArgument, cat("NUL byte in mount option ", quoted(option)));
    }
    if (const Entry* entry = find(option)) {
      apply(parsed, *entry);
      continue;
    }
    std::size_t equals = option.find('=');
    std::string key = option.substr(0, equals);
    if (key == "idmap" || key == "ridmap") {
      parsed.idmap = key == "idmap" ? IdmapMode::kSingle : IdmapMode::kRecursive;
      TRY(parse_inline_idmap(parsed, option, std::string_view(option).substr(equals + 1)));
      continue;
    }
    if (key == kSubpathOption && equals != std::string::npos) {
      parsed.source_subpath = option.substr(equals + 1);
      continue;
    }
    for (std::string_view part : split_data(option)) {
      if (!part.empty()) TRY(add_data(parsed, part));
    }
  }
  return parsed;
}

std::vector<std::string> known_mount_options() {
  std::vector<std::string> names;
  names.reserve(kTable.size());
  for (const Entry& entry : kTable) names.emplace_back(entry.name);
  return names;
}

}  // namespace dhow::rootfs
