// SPDX-License-Identifier: Apache-2.0
#include "shim/mounts.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <tuple>

#include "base/strings.h"
#include "shim/mapped_overlay.h"

namespace dhow::shim {
namespace {

struct Flag {
  std::string_view name;
  unsigned long set;
  unsigned long clear;
};

// mount(8), "Filesystem-independent mount options".
constexpr Flag kFlags[] = {{"async", 0, MS_SYNCHRONOUS},
                           {"atime", 0, MS_NOATIME},
                           {"bind", MS_BIND, 0},
                           {"defaults", 0, 0},
                           {"dev", 0, MS_NODEV},
                           {"diratime", 0, MS_NODIRATIME},
                           {"dirsync", MS_DIRSYNC, 0},
                           {"exec", 0, MS_NOEXEC},
                           {"mand", MS_MANDLOCK, 0},
                           {"noatime", MS_NOATIME, 0},
                           {"nodev", MS_NODEV, 0},
                           {"nodiratime", MS_NODIRATIME, 0},
                           {"noexec", MS_NOEXEC, 0},
                           {"nomand", 0, MS_MANDLOCK},
                           {"norelatime", 0, MS_RELATIME},
                           {"nostrictatime", 0, MS_STRICTATIME},
                           {"nosuid", MS_NOSUID, 0},
                           {"rbind", MS_BIND | MS_REC, 0},
                           {"relatime", MS_RELATIME, 0},
                           {"remount", MS_REMOUNT, 0},
                           {"ro", MS_RDONLY, 0},
                           {"rw", 0, MS_RDONLY},
                           {"strictatime", MS_STRICTATIME, 0},
                           {"suid", 0, MS_NOSUID},
                           {"sync", MS_SYNCHRONOUS, 0}};
constexpr Flag kPropagation[] = {
    {"private", MS_PRIVATE, 0},       {"rprivate", MS_PRIVATE | MS_REC, 0},
    {"shared", MS_SHARED, 0},         {"rshared", MS_SHARED | MS_REC, 0},
    {"slave", MS_SLAVE, 0},           {"rslave", MS_SLAVE | MS_REC, 0},
    {"unbindable", MS_UNBINDABLE, 0}, {"runbindable", MS_UNBINDABLE | MS_REC, 0}};

struct ParsedOptions {
  unsigned long flags = 0;
  unsigned long propagation = 0;
  std::vector<std::string> data;
  OwnerMap owners;
};

Result<ParsedOptions> parse_options(const rpc::Mount& mount) {
  ParsedOptions parsed;
  for (const std::string& option : mount.options) {
    auto same = [&](const Flag& flag) { return flag.name == option; };
    if (const Flag* found = std::ranges::find_if(kFlags, same); found != std::end(kFlags)) {
      parsed.flags = (parsed.flags & ~found->clear) | found->set;
    } else if (const Flag* change = std::ranges::find_if(kPropagation, same);
               change != std::end(kPropagation)) {
      parsed.propagation = change->set;
    } else if (option == "loop") {
      return fail(Code::kUnimplemented, cat("mount ", quoted(mount.source), ": option ",
                                            quoted(option), " is not built"));
    } else if (!option.starts_with("X-containerd.")) {
      TRY_ASSIGN(bool taken, take_owner_map(option, parsed.owners));
      if (!taken) parsed.data.push_back(option);
    }
  }
  return parsed;
}

// The kernel takes a page of options at most. Those of overlay that are longer are told from within
// the folder that all layers are in: "…/12/fs:…/11/fs" becomes "12/fs:11/fs".
Result<std::string> shorten(const std::vector<std::string>& data) {
  auto folder = common_folder(data);
  if (!folder) return fail(std::move(folder).error().add_context("mount options are too long"));
  if (::chdir(folder->c_str()) != 0) return fail_errno(errno, cat("enter ", quoted(*folder)));
  return join(moved_paths(data, *folder, ""), ",");
}

Status mount_one(const rpc::Mount& mount, const std::string& target) {
  TRY_ASSIGN(ParsedOptions options, parse_options(mount));
  if (options.owners.is_set()) {
    if (mount.type != "overlay") {
      return fail(Code::kUnimplemented, cat("mount ", quoted(mount.source), " (", mount.type,
                                            "): owners can be mapped in an overlay only"));
    }
    return mount_mapped_overlay(options.data, options.flags, options.owners, target);
  }
  std::string data = join(options.data, ",");
  constexpr std::size_t kMostData = 4095 - 512;
  if (data.size() > kMostData) {
    TRY_ASSIGN(data, shorten(options.data));
  }
  bool bind = (options.flags & MS_BIND) != 0 || mount.type == "bind" || mount.type == "rbind";
  unsigned long flags = options.flags;
  if (bind)
    flags = MS_BIND | (flags & MS_REC) |
            (mount.type == "rbind" ? static_cast<unsigned long>(MS_REC) : 0UL);
  std::string what = cat("mount ", quoted(mount.source), " (", mount.type, ") at ", quoted(target));
  if (::mount(mount.source.c_str(), target.c_str(), mount.type.c_str(), flags,
              bind ? nullptr : data.c_str()) != 0) {
    return fail_errno(errno, what);
  }
  // A bind mount takes its attributes only afterwards.
  unsigned long attributes = options.flags & ~(static_cast<unsigned long>(MS_BIND) | MS_REC);
  if (bind && attributes != 0 &&
      ::mount(nullptr, target.c_str(), nullptr, MS_REMOUNT | MS_BIND | attributes, nullptr) != 0) {
    return fail_errno(errno, cat("change ", what));
  }
  if (options.propagation != 0 &&
      ::mount(nullptr, target.c_str(), nullptr, options.propagation, nullptr) != 0) {
    return fail_errno(errno, cat("set propagation of ", what));
  }
  return {};
}

}  // namespace

Status mount_all(const std::vector<rpc::Mount>& mounts, const std::string& target) {
  for (const rpc::Mount& mount : mounts) {
    std::string where = target;
    if (!mount.target.empty()) where = cat(target, "/", mount.target);
    auto mounted = mount_one(mount, where);
    if (mounted) continue;
    std::ignore = unmount_all(target);  // the first failure is the one to tell
    return mounted;
  }
  return {};
}

Status unmount_all(const std::string& target) {
  // A bound on what a broken mount table could make of it.
  for (int count = 0; count < 1000; ++count) {
    if (::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) continue;
    if (errno == EINVAL || errno == ENOENT || errno == ENOTDIR) return {};
    return fail_errno(errno, cat("unmount ", quoted(target)));
  }
  return fail(Code::kInternal, cat("unmount ", quoted(target), ": there is always one more"));
}

Result<Fd> leave_host_mounts() {
  TRY_ASSIGN(Fd host, open_at(kCwd, "/proc/self/ns/mnt", O_RDONLY));
  if (::unshare(CLONE_NEWNS) != 0) return fail_errno(errno, "make mount namespace");
  if (::mount(nullptr, "/", nullptr, MS_SLAVE | MS_REC, nullptr) != 0) {
    return fail_errno(errno, "cut off the mounts of the shim from the host's");
  }
  return host;
}

}  // namespace dhow::shim
