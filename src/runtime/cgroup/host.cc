// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/host.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "base/strings.h"
#include "runtime/cgroup/paths.h"
#include "sys/file_io.h"

namespace dhow::cgroup {
namespace {

bool is_cgroup_mount(const HostView& host, const std::string& path, bool unified) {
  if (!host.real) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  }
  struct statfs info{};
  if (::statfs(path.c_str(), &info) != 0) return false;
  return static_cast<std::uint64_t>(info.f_type) ==
         (unified ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC);
}

bool is_unified_root(const HostView& host) {
  if (host.real) return is_cgroup_mount(host, host.mount_root, true);
  struct stat info{};
  return ::stat(cat(host.mount_root, "/cgroup.controllers").c_str(), &info) == 0;
}

// mountinfo writes space, tab, newline and backslash as three octal digits.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      if (auto byte = parse_number<std::uint8_t>(text.substr(i + 1, 3), 8)) {
        plain.push_back(static_cast<char>(*byte));
        i += 3;
        continue;
      }
    }
    plain.push_back(text[i]);
  }
  return plain;
}

Result<std::vector<CgroupMount>> read_mounts(const HostView& host) {
  TRY_ASSIGN(std::string text, read_file(host.mountinfo));
  return parse_cgroup_mounts(text);
}

// The usual mount points: all controllers joined by commas, or the first alone (systemd makes links
// for both), without the "name=" of a hierarchy that has no controller.
std::optional<std::string> usual_mount(const HostView& host, const Hierarchy& hierarchy) {
  std::string joined = join(hierarchy.names, ",");
  if (joined.starts_with("name=")) joined.erase(0, 5);
  std::string path = cat(host.mount_root, "/", joined);
  if (is_cgroup_mount(host, path, false)) return path;
  for (const std::string& name : hierarchy.names) {
    path = cat(host.mount_root, "/", name);
    if (hierarchy.names.size() > 1 && is_cgroup_mount(host, path, false)) return path;
  }
  return std::nullopt;
}

std::optional<std::string> listed_mount(const std::vector<CgroupMount>& mounts,
                                        const Hierarchy& hierarchy, bool unified) {
  for (const CgroupMount& mount : mounts) {
    if (mount.unified != unified) continue;
    if (unified ||
        std::ranges::find(mount.options, hierarchy.names.front()) != mount.options.end()) {
      return mount.mount_point;
    }
  }
  return std::nullopt;
}

}  // namespace

std::vector<Hierarchy> parse_proc_cgroup(std::string_view text) {
  std::vector<Hierarchy> found;
  for (std::string_view line : split(text, '\n')) {
    std::size_t first = line.find(':');
    if (first == std::string_view::npos) continue;
    std::size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    Hierarchy hierarchy;
    for (std::string_view name : split(line.substr(first + 1, second - first - 1), ',')) {
      hierarchy.names.emplace_back(name);
    }
    hierarchy.own = line.substr(second + 1);
    found.push_back(std::move(hierarchy));
  }
  return found;
}

std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo) {
  std::vector<CgroupMount> mounts;
  for (std::string_view line : split(mountinfo, '\n')) {
    std::size_t dash = line.find(" - cgroup");
    if (dash == std::string_view::npos) continue;
    auto fields = split(line.substr(0, dash), ' ');
    auto rest = split(line.substr(dash + 3), ' ');
    if (fields.size() < 5 || rest.size() < 3) continue;
    CgroupMount mount;
    mount.root = unescape(fields[3]);
    mount.mount_point = unescape(fields[4]);
    mount.unified = rest[0] == "cgroup2";
    for (std::string_view option : split(rest[2], ',')) mount.options.emplace_back(option);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

Result<Layout> detect_layout(const HostView& host) {
  Layout layout;
  TRY_ASSIGN(std::string text, read_file(host.self_cgroup));
  std::optional<std::vector<CgroupMount>> mounts;
  bool unified_root = is_unified_root(host);
  for (Hierarchy& hierarchy : parse_proc_cgroup(text)) {
    bool unified = hierarchy.names.front().empty();
    std::optional<std::string> mount;
    if (unified) {
      std::string path = unified_root ? host.mount_root : cat(host.mount_root, "/unified");
      if (is_cgroup_mount(host, path, true)) mount = std::move(path);
      // A v2 tree that is mounted elsewhere beside v1 belongs to somebody else.
    } else if (!unified_root) {
      mount = usual_mount(host, hierarchy);
      if (!mount) {
        if (!mounts) {
          TRY_ASSIGN(mounts, read_mounts(host));
        }
        mount = listed_mount(*mounts, hierarchy, false);
      }
    }
    if (!mount) continue;
    hierarchy.mount = std::move(*mount);
    if (unified) {
      layout.unified = std::move(hierarchy);
    } else {
      layout.v1.push_back(std::move(hierarchy));
    }
  }
  if (layout.v1.empty() && !layout.unified) {
    return fail(Code::kFailedPrecondition,
                cat("find cgroups: none is mounted below ", quoted(host.mount_root)));
  }
  if (layout.v1.empty()) {
    layout.mode = Mode::kUnified;
  } else {
    layout.mode = layout.unified ? Mode::kHybrid : Mode::kLegacy;
  }
  return layout;
}

Result<std::string> own_below_mount(const HostView& host, const Hierarchy& hierarchy) {
  // Seen from a cgroup namespace, a cgroup outside of it begins with "/..".
  if (hierarchy.own.empty() || hierarchy.own == "/" || hierarchy.own.starts_with("/..")) {
    return "/";
  }
  struct stat info{};
  if (::stat(cat(hierarchy.mount, hierarchy.own).c_str(), &info) == 0) return hierarchy.own;
  TRY_ASSIGN(auto mounts, read_mounts(host));
  for (const CgroupMount& mount : mounts) {
    if (mount.mount_point != hierarchy.mount) continue;
    if (hierarchy.own == mount.root) return "/";
    if (hierarchy.own.starts_with(cat(mount.root, "/"))) {
      return hierarchy.own.substr(mount.root.size());
    }
  }
  return "/";
}

Result<Mode> detect_mode() {
  static std::optional<Mode> known;
  if (!known) {
    TRY_ASSIGN(Layout layout, detect_layout(HostView{}));
    known = layout.mode;
  }
  return *known;
}

}  // namespace dhow::cgroup
