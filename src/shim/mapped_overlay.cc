// SPDX-License-Identifier: Apache-2.0
#include "shim/mapped_overlay.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <string_view>
#include <tuple>

#include "base/cleanup.h"
#include "base/strings.h"
#include "runtime/rootfs/idmap.h"
#include "sys/file_io.h"
#include "sys/file_owner.h"
#include "sys/mount_fd.h"

namespace dhow::shim {
namespace {

constexpr std::string_view kPaths[] = {"lowerdir=", "upperdir=", "workdir="};

Result<std::vector<oci::IdMapping>> parse_map(const std::string& option, std::string_view value) {
  std::vector<oci::IdMapping> map;
  for (std::string_view entry : split(value, ',')) {
    std::vector<std::string_view> fields = split(entry, ':');
    std::uint32_t numbers[3] = {};
    bool right = fields.size() == 3;
    for (std::size_t i = 0; right && i < 3; ++i) {
      auto number = parse_number<std::uint32_t>(fields[i]);
      right = number.has_value();
      if (right) numbers[i] = *number;
    }
    if (!right || numbers[2] == 0) {
      return fail(Code::kInvalidArgument,
                  cat("mount option ", quoted(option), ": not INSIDE:OUTSIDE:COUNT"));
    }
    map.push_back({.container_id = numbers[0], .host_id = numbers[1], .size = numbers[2]});
  }
  return map;
}

// Overlayfs makes its own folders as who mounts it: who is not mapped can't.
Status as_mapped_root(const OwnerMap& map, const std::function<Status()>& work) {
  int dumpable = ::prctl(PR_GET_DUMPABLE);
  TRY(touch_files_as(map.uids.front().host_id, map.gids.front().host_id));
  Status done = work();
  TRY(touch_files_as(::geteuid(), ::getegid()));
  if (dumpable == 1 && ::prctl(PR_SET_DUMPABLE, 1) != 0) return fail_errno(errno, "prctl");
  return done;
}

}  // namespace

Result<bool> take_owner_map(const std::string& option, OwnerMap& map) {
  constexpr std::string_view kUids = "uidmap=";
  constexpr std::string_view kGids = "gidmap=";
  if (option.starts_with(kUids)) {
    TRY_ASSIGN(map.uids, parse_map(option, std::string_view(option).substr(kUids.size())));
    return true;
  }
  if (option.starts_with(kGids)) {
    TRY_ASSIGN(map.gids, parse_map(option, std::string_view(option).substr(kGids.size())));
    return true;
  }
  return false;
}

Result<std::string> common_folder(const std::vector<std::string>& data) {
  std::vector<std::string_view> paths;
  for (const std::string& option : data) {
    for (std::string_view name : kPaths) {
      if (!option.starts_with(name)) continue;
      for (std::string_view path : split(std::string_view(option).substr(name.size()), ':')) {
        paths.push_back(path);
      }
    }
  }
  std::string_view common = paths.empty() ? std::string_view() : paths[0];
  for (std::string_view path : paths) {
    std::size_t same = 0;
    while (same < common.size() && same < path.size() && common[same] == path[same]) ++same;
    common = common.substr(0, same);
  }
  std::size_t slash = common.rfind('/');
  if (slash == std::string_view::npos) {
    return fail(Code::kInvalidArgument, "the layers have no folder in common");
  }
  return std::string(common.substr(0, slash + 1));
}

std::vector<std::string> moved_paths(std::vector<std::string> data, const std::string& folder,
                                     const std::string& to) {
  for (std::string& option : data) {
    bool has_paths = std::ranges::any_of(
        kPaths, [&](std::string_view name) { return option.starts_with(name); });
    if (!has_paths) continue;
    for (std::size_t at = 0; (at = option.find(folder, at)) != std::string::npos;) {
      bool begins = at > 0 && (option[at - 1] == '=' || option[at - 1] == ':');
      if (!begins) {
        ++at;
        continue;
      }
      option.replace(at, folder.size(), to);
      at += to.size();
    }
  }
  return data;
}

Status mount_mapped_overlay(const std::vector<std::string>& data, unsigned long flags,
                            const OwnerMap& map, const std::string& target) {
  if (map.uids.empty() || map.gids.empty()) {
    return fail(Code::kInvalidArgument, "mount options uidmap and gidmap: one without the other");
  }
  TRY_ASSIGN(std::string folder, common_folder(data));
  rootfs::UserNamespaces spaces;
  TRY_ASSIGN(Fd userns, spaces.with_mappings(map.uids, map.gids));
  TRY_ASSIGN(MountFd copy, MountFd::clone_of(kCwd, folder, false));
  TRY_CONTEXT(copy.set_attributes(MOUNT_ATTR_IDMAP, 0, MS_PRIVATE, false, userns),
              cat("map the owners of the layers in ", folder, " (needs Linux 5.19)"));
  std::string place = target + ".layers";
  if (::mkdir(place.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail_errno(errno, cat("make ", quoted(place)));
  }
  Cleanup remove([&] {
    std::ignore = ::chdir("/");
    std::ignore = ::umount2(place.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    std::ignore = ::rmdir(place.c_str());
  });
  TRY_ASSIGN(Fd point, open_at(kCwd, place, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  TRY(copy.attach(point));
  // Short paths: the kernel takes a page of options at most.
  if (::chdir(place.c_str()) != 0) return fail_errno(errno, cat("enter ", quoted(place)));
  std::string options = join(moved_paths(data, folder, ""), ",");
  return as_mapped_root(map, [&]() -> Status {
    if (::mount("overlay", target.c_str(), "overlay", flags, options.c_str()) == 0) return {};
    return fail_errno(errno, cat("mount overlay with mapped owners at ", quoted(target)));
  });
}

}  // namespace dhow::shim
