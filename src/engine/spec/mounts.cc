// SPDX-License-Identifier: Apache-2.0
#include "engine/spec/mounts.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/strings.h"
#include "engine/spec/invalid.h"

namespace dhow::engine {
namespace {

using Wanted = std::map<std::string, WantedMount>;

// What docker says of a local volume that was mounted without a mode.
constexpr std::string_view kDefaultMode = "z";

constexpr std::string_view kPropagations[] = {"private", "rprivate", "shared",
                                              "rshared", "slave",    "rslave"};

bool is_propagation(std::string_view text) {
  return std::ranges::find(kPropagations, text) != std::end(kPropagations);
}

std::unexpected<Error> bad_spec(std::string_view spec) {
  return invalid(cat("invalid volume specification: '", spec, "'"));
}

std::unexpected<Error> extra_field(std::string_view type, std::string_view field) {
  return invalid(cat("invalid mount config for type ", quoted(type), ": field ", field,
                     " must not be specified"));
}

// What a part of a mode says something about; docker takes one of each at most. "": nothing known.
std::string_view mode_kind(std::string_view part) {
  if (part == "ro" || part == "rw") return "access";
  if (part == "z" || part == "Z") return "label";
  if (part == "nocopy") return "copy";
  if (part == "cached" || part == "delegated" || part == "consistent") return "consistency";
  if (part == "O") return "overlay";
  if (part == "idmap" || part.starts_with("idmap=")) return "owners";
  return is_propagation(part) ? "propagation" : "";
}

Status parse_mode(std::string_view text, WantedMount& out) {
  out.mode = text;
  std::vector<std::string_view> kinds;
  for (std::string_view part : split(text, ',')) {
    std::string_view kind = mode_kind(part);
    if (kind.empty() || std::ranges::find(kinds, kind) != kinds.end()) {
      return invalid(cat("invalid mode: ", text));
    }
    kinds.push_back(kind);
    if (part == "ro") out.read_only = true;
    if (kind == "propagation") out.propagation = part;
    if (kind == "copy") out.copy_up = false;
    if (kind == "overlay") out.overlay = true;
    if (kind == "owners") out.options.emplace_back(part);
  }
  return {};
}

Result<std::string> destination_of(std::string_view path, std::string_view type) {
  if (path.empty())
    return invalid("invalid mount config for type \"" + std::string(type) +
                   "\": field Target must not be empty");
  if (!path.starts_with('/')) {
    return invalid(cat("invalid mount config for type ", quoted(type), ": invalid mount path: '",
                       path, "' mount path must be absolute"));
  }
  std::string clean = clean_path(path);
  if (clean == "/") {
    return invalid(cat("invalid mount config for type ", quoted(type),
                       ": invalid specification: destination can't be '/'"));
  }
  return clean;
}

Status add(Wanted& all, WantedMount mount) {
  std::string destination = mount.destination;
  if (!all.emplace(destination, std::move(mount)).second) {
    return invalid(cat("Duplicate mount point: ", destination));
  }
  return {};
}

Status settle_bind(const std::vector<std::string_view>& parts, WantedMount& mount) {
  bool is_volume = !parts[0].starts_with('/');
  mount.type = is_volume ? "volume" : "bind";
  TRY_ASSIGN(mount.destination, destination_of(parts[1], mount.type));
  if (is_volume) {
    if (!mount.propagation.empty()) return extra_field("volume", "BindOptions");
    mount.source = parts[0];
    if (mount.mode.empty()) mount.mode = kDefaultMode;
    return {};
  }
  if (!mount.copy_up) return extra_field("bind", "VolumeOptions");
  mount.source = clean_path(parts[0]);
  mount.make_source = true;
  return {};
}

Result<WantedMount> parse_bind(const std::string& spec) {
  std::vector<std::string_view> parts = split(spec, ':');
  WantedMount mount;
  if (parts.size() == 1) {
    mount.type = "volume";
    TRY_ASSIGN(mount.destination, destination_of(parts[0], "volume"));
    return mount;
  }
  if (parts.size() > 3 || parts[0].empty()) return bad_spec(spec);
  if (parts.size() == 3) TRY(parse_mode(parts[2], mount));
  if (auto settled = settle_bind(parts, mount); !settled) {
    return invalid(cat("invalid volume specification: '", spec, "': ", settled.error().message()));
  }
  return mount;
}

// mount_setattr(2), Linux 5.12.
bool has_recursive_attributes() {
  static const bool has =
      ::syscall(SYS_mount_setattr, -1, "", 0, nullptr, 0) == 0 || errno != ENOSYS;
  return has;
}

Status check_recursion(const BindOptions& options, bool read_only) {
  constexpr std::string_view kBind = "invalid mount config for type \"bind\": ";
  auto conflict = [&](std::string_view one, std::string_view other) {
    return invalid(cat(kBind, "mount options conflict: ", one, " && BindOptions.", other));
  };
  bool forced = options.read_only_force_recursive;
  if (options.read_only_non_recursive && !read_only) {
    return conflict("!ReadOnly", "ReadOnlyNonRecursive");
  }
  if (forced && !read_only) return conflict("!ReadOnly", "ReadOnlyForceRecursive");
  if (forced && options.read_only_non_recursive) {
    return conflict("ReadOnlyNonRecursive", "ReadOnlyForceRecursive");
  }
  if (!forced || has_recursive_attributes()) return {};
  return invalid(cat(kBind, "BindOptions.ReadOnlyForceRecursive needs Linux 5.12 or newer"));
}

Result<WantedMount> bind_mount(const MountConfig& config, bool look) {
  WantedMount mount;
  mount.type = "bind";
  auto wrong = [](std::string_view why) {
    return invalid(cat("invalid mount config for type \"bind\": ", why));
  };
  if (config.source.empty()) return wrong("field Source must not be empty");
  if (!config.source.starts_with('/')) {
    return wrong(cat("invalid mount path: '", config.source, "' mount path must be absolute"));
  }
  mount.source = clean_path(config.source);
  if (config.volume_options) return wrong("field VolumeOptions must not be specified");
  if (config.tmpfs_options) return wrong("field TmpfsOptions must not be specified");
  if (config.bind_options) {
    const BindOptions& options = *config.bind_options;
    if (!options.propagation.empty() && !is_propagation(options.propagation)) {
      return wrong(cat("invalid propagation mode: ", options.propagation));
    }
    mount.propagation = options.propagation;
    mount.recursive = !options.non_recursive;
    mount.make_source = options.create_mountpoint;
    mount.read_only_top_only = options.read_only_non_recursive;
    TRY(check_recursion(options, config.read_only));
    if (!options.id_map.empty()) mount.options.push_back(cat("idmap=", options.id_map));
  }
  struct stat info{};
  if (look && !mount.make_source && ::stat(mount.source.c_str(), &info) != 0) {
    if (errno == ENOENT) return wrong(cat("bind source path does not exist: ", mount.source));
    return fail_errno(errno, cat("invalid mount config for type \"bind\": ", mount.source));
  }
  return mount;
}

Result<WantedMount> tmpfs_mount(const MountConfig& config) {
  WantedMount mount;
  mount.type = "tmpfs";
  if (!config.source.empty()) {
    return invalid("invalid mount config for type \"tmpfs\": field Source must not be specified");
  }
  if (config.bind_options) return extra_field("tmpfs", "BindOptions");
  if (config.volume_options) return extra_field("tmpfs", "VolumeOptions");
  if (!config.tmpfs_options) return mount;
  const TmpfsOptions& options = *config.tmpfs_options;
  if (options.mode != 0) {
    std::string digits;
    for (std::uint32_t mode = options.mode; mode != 0; mode /= 8) {
      digits.insert(digits.begin(), static_cast<char>('0' + mode % 8));
    }
    mount.options.push_back(cat("mode=", digits));
  }
  if (options.size_bytes < 0) {
    return invalid("invalid mount config for type \"tmpfs\": size must not be negative");
  }
  if (options.size_bytes != 0) mount.options.push_back(cat("size=", options.size_bytes));
  for (const std::vector<std::string>& option : options.options) {
    if (option.empty() || option.size() > 2) {
      return invalid("invalid mount config for type \"tmpfs\": invalid option array length");
    }
    mount.options.push_back(join(option, "="));
  }
  return mount;
}

Status check_subpath(std::string_view type, std::string_view subpath) {
  bool leaves = subpath.starts_with('/');
  for (std::string_view part : split(subpath, '/')) leaves = leaves || part == "..";
  if (!leaves) return {};
  return invalid(cat("invalid mount config for type ", quoted(type),
                     ": subpath must be a relative path within the ", type));
}

Result<WantedMount> image_mount(const MountConfig& config) {
  WantedMount mount;
  mount.type = "image";
  mount.source = config.source;
  if (config.source.empty()) {
    return invalid("invalid mount config for type \"image\": field Source must not be empty");
  }
  if (config.bind_options) return extra_field("image", "BindOptions");
  if (config.volume_options) return extra_field("image", "VolumeOptions");
  if (config.tmpfs_options) return extra_field("image", "TmpfsOptions");
  mount.subpath = config.image_subpath.value_or("");
  TRY(check_subpath("image", mount.subpath));
  return mount;
}

Result<WantedMount> volume_mount(const MountConfig& config) {
  WantedMount mount;
  mount.type = "volume";
  mount.source = config.source;
  mount.mode = kDefaultMode;
  if (config.bind_options) return extra_field("volume", "BindOptions");
  if (config.tmpfs_options) return extra_field("volume", "TmpfsOptions");
  if (config.source.empty() && config.read_only) {
    return invalid(
        "invalid mount config for type \"volume\": must not set ReadOnly mode when using anonymous "
        "volumes");
  }
  if (!config.volume_options) return mount;
  const VolumeOptions& options = *config.volume_options;
  mount.copy_up = !options.no_copy;
  if (!options.id_map.empty()) mount.options.push_back(cat("idmap=", options.id_map));
  if (!options.subpath.empty()) {
    if (config.source.empty()) {
      return invalid(
          "invalid mount config for type \"volume\": must not set Subpath when using anonymous "
          "volumes");
    }
    TRY(check_subpath("volume", options.subpath));
    mount.subpath = options.subpath;
  }
  if (options.driver_config) mount.driver = options.driver_config->name;
  return mount;
}

Result<WantedMount> parse_mount(const MountConfig& config, bool look) {
  WantedMount mount;
  if (config.type == "bind") {
    TRY_ASSIGN(mount, bind_mount(config, look));
  } else if (config.type == "tmpfs") {
    TRY_ASSIGN(mount, tmpfs_mount(config));
  } else if (config.type == "volume") {
    TRY_ASSIGN(mount, volume_mount(config));
  } else if (config.type == "image") {
    TRY_ASSIGN(mount, image_mount(config));
  } else {
    return invalid(
        cat("invalid mount config for type ", quoted(config.type), ": mount type unknown"));
  }
  TRY_ASSIGN(mount.destination, destination_of(config.target, config.type));
  mount.read_only = config.read_only || config.type == "image";
  return mount;
}

}  // namespace

std::string clean_path(std::string_view path) {
  std::vector<std::string_view> parts;
  for (std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else {
      parts.push_back(part);
    }
  }
  std::string clean;
  for (std::string_view part : parts) clean.append("/").append(part);
  return clean.empty() ? "/" : clean;
}

Result<std::vector<WantedMount>> wanted_mounts(const CreateConfig& config, bool look) {
  const HostConfig& host = config.host;
  Wanted all;
  for (const std::string& spec : host.binds) {
    TRY_ASSIGN(WantedMount mount, parse_bind(spec));
    TRY(add(all, std::move(mount)));
  }
  for (const MountConfig& wanted : host.mounts) {
    TRY_ASSIGN(WantedMount mount, parse_mount(wanted, look));
    TRY(add(all, std::move(mount)));
  }
  for (const auto& [path, options] : host.tmpfs) {
    WantedMount mount;
    mount.type = "tmpfs";
    if (!path.starts_with('/')) {
      return invalid(cat("invalid mount path: '", path, "' mount path must be absolute"));
    }
    TRY_ASSIGN(mount.destination, destination_of(path, "tmpfs"));
    mount.options = {"noexec", "nosuid", "nodev"};
    for (std::string_view option : split(options, ',')) {
      if (option.empty()) continue;
      // The opposite of a default replaces it.
      std::string_view plain = option.starts_with("no") ? option.substr(2) : option;
      std::erase_if(mount.options, [&](const std::string& other) {
        return other == plain || other == cat("no", plain);
      });
      mount.options.emplace_back(option);
    }
    mount.mode = options;
    TRY(add(all, std::move(mount)));
  }
  for (const std::string& path : config.config.volumes) {
    WantedMount mount;
    mount.type = "volume";
    TRY_ASSIGN(mount.destination, destination_of(path, "volume"));
    mount.is_default = true;
    all.emplace(mount.destination, mount);  // a mount asked for goes before the image's
  }
  std::vector<WantedMount> result;
  for (auto& [path, mount] : all) result.push_back(std::move(mount));
  return result;
}

Result<VolumesFrom> parse_volumes_from(std::string_view text) {
  if (text.empty()) return invalid("volumes-from specification cannot be an empty string");
  std::size_t colon = text.find(':');
  VolumesFrom from;
  from.container = text.substr(0, colon);
  if (colon == std::string_view::npos) return from;
  std::string_view mode = text.substr(colon + 1);
  for (std::string_view part : split(mode, ',')) {
    if (part == "ro") {
      from.read_only = true;
    } else if (part != "rw" && part != "z" && part != "Z") {
      return invalid(cat("invalid mode: ", mode));
    }
  }
  return from;
}

MountPoint mount_point(const WantedMount& mount, const std::string& volume) {
  MountPoint point;
  point.type = mount.type;
  point.source = mount.type == "volume" ? volume : mount.source;
  point.destination = mount.destination;
  point.mode = mount.mode;
  point.writable = !mount.read_only;
  if (mount.type == "bind")
    point.propagation = mount.propagation.empty() ? "rprivate" : mount.propagation;
  if (mount.type == "volume") {
    point.driver = mount.driver;
    point.name = mount.source;
  }
  return point;
}

oci::Mount spec_mount(const WantedMount& mount, const VolumeSource& volume) {
  oci::Mount out;
  out.destination = mount.destination;
  if (mount.type == "tmpfs" || !volume.type.empty()) {
    bool is_own = volume.type.empty();
    out.type = is_own ? "tmpfs" : volume.type;
    out.source = is_own ? "tmpfs" : volume.path;
    out.options = is_own ? mount.options : volume.options;
    if (!mount.subpath.empty()) out.options.push_back(cat("dhow.subpath=", mount.subpath));
    if (mount.read_only) out.options.emplace_back("ro");
    out.options.emplace_back("rprivate");
    return out;
  }
  out.type = "bind";
  out.source = volume.path.empty() ? mount.source : volume.path;
  out.options.emplace_back(mount.recursive ? "rbind" : "bind");
  out.options.insert(out.options.end(), volume.options.begin(), volume.options.end());
  out.options.insert(out.options.end(), mount.options.begin(), mount.options.end());
  if (!mount.subpath.empty()) out.options.push_back(cat("dhow.subpath=", mount.subpath));
  if (mount.read_only) {
    out.options.emplace_back("ro");
    // As docker: what is mounted below stays as it is where the kernel can't change it.
    bool all = mount.recursive && !mount.read_only_top_only && has_recursive_attributes();
    if (all) out.options.emplace_back("rro");
  }
  out.options.push_back(mount.propagation.empty() ? "rprivate" : mount.propagation);
  return out;
}

}  // namespace dhow::engine
