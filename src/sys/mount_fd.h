// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sys/dir_fd.h"
#include "sys/fd.h"

namespace dhow {

// A mount that is held by a descriptor and attached nowhere yet (fsmount, open_tree with
// OPEN_TREE_CLONE; Linux 5.2). While it is detached nobody can reach it by path, so it can be
// configured without races; dropping the last descriptor unmounts it, which is the rollback.
class MountFd {
 public:
  MountFd() = default;
  explicit MountFd(Fd fd) : fd_(std::move(fd)) {}

  // A detached copy of the mount at `path` below `dir` (a bind mount to be). `recursive` takes the
  // submounts along. `flags` may hold AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW.
  static Result<MountFd> clone_of(FdRef dir, std::string_view path, bool recursive,
                                  unsigned flags = 0);

  const Fd& fd() const { return fd_; }
  explicit operator bool() const { return static_cast<bool>(fd_); }

  // mount_setattr(2), Linux 5.12. `set` and `clear` are MOUNT_ATTR_*, `propagation` is one of
  // MS_PRIVATE/SLAVE/SHARED/UNBINDABLE or 0. `userns` (with MOUNT_ATTR_IDMAP in `set`) may be -1.
  Status set_attributes(std::uint64_t set, std::uint64_t clear, std::uint64_t propagation,
                        bool recursive, FdRef userns = FdRef(-1)) const;

  // Attaches the mount on top of what `target` (an O_PATH descriptor) refers to.
  Status attach(FdRef target) const;

 private:
  Fd fd_;
};

// A detached copy of what is at `subpath` below `root`, which is resolved inside it; failures name
// the subpath.
Result<MountFd> clone_part(const DirFd& root, std::string_view subpath, bool recursive);

// One option of a file system: "size" = "64k", or a key without a value.
struct FsOption {
  std::string key;
  std::optional<std::string> value;
  bool operator==(const FsOption&) const = default;
};

// A file system being configured (fsopen(2), Linux 5.2). The kernel's own words on a failure are
// read from the context and put into the error.
class FsContext {
 public:
  static Result<FsContext> open(std::string_view type);

  // For changing the options of the file system that an O_PATH descriptor is in (fspick(2)).
  static Result<FsContext> pick(FdRef target);

  Status set(const FsOption& option) const;
  Status set_flag(std::string_view key) const;
  Status set_string(std::string_view key, std::string_view value) const;
  Status set_fd(std::string_view key, FdRef fd) const;
  Status create() const;
  // Applies the options to a picked file system.
  Status reconfigure() const;
  // `attributes` are MOUNT_ATTR_* of the new mount.
  Result<MountFd> mount(std::uint64_t attributes) const;

 private:
  explicit FsContext(Fd fd) : fd_(std::move(fd)) {}
  std::unexpected<Error> failure(int errno_value, std::string_view what) const;
  Fd fd_;
};

// The longest value that fsconfig(2) takes (its strings are at most 256 bytes with the NUL).
inline constexpr std::size_t kMaxFsOptionValue = 255;

// mount_setattr(2) on the mount that an O_PATH descriptor is in.
Status set_mount_attributes(FdRef mount, std::uint64_t set, std::uint64_t clear,
                            std::uint64_t propagation, bool recursive, FdRef userns = FdRef(-1));

// Test hook: when false, mount_setattr fails with ENOSYS, as before Linux 5.12.
void set_mount_setattr_enabled(bool enabled);

// The MOUNT_ATTR_* that the mount of a descriptor has now, without MOUNT_ATTR_IDMAP.
Result<std::uint64_t> mount_attributes(FdRef mount);

// The mount's id (statx STATX_MNT_ID, Linux 5.8): which mount a descriptor is in.
Result<std::uint64_t> mount_id(FdRef fd);

// True when the descriptor is at the root of its mount.
Result<bool> is_mount_root(FdRef fd);

// f_type of the file system that a descriptor is in (statfs(2)): PROC_SUPER_MAGIC and so on.
Result<long> file_system_magic(FdRef fd);

// mount(2) with `target` named by descriptor: /proc/self/fd/N is taken from `proc`, a procfs that
// the caller trusts, so it also works where no /proc is mounted. For what the mount calls by
// descriptor can't do: kernels before 5.12, option strings over 255 bytes. Changes the working
// folder during the call.
struct LegacyMount {
  std::string source;
  std::string type;
  unsigned long flags = 0;  // MS_*
  std::string data;
};
Status mount_legacy(FdRef proc, FdRef target, const LegacyMount& mount);

// The effect of a non-recursive mount_setattr by MS_REMOUNT | MS_BIND and a propagation call, on an
// attached mount.
Status set_mount_attributes_legacy(FdRef proc, FdRef target, std::uint64_t set, std::uint64_t clear,
                                   std::uint64_t propagation);

// umount2(2) of the mount whose root the descriptor is; `proc` as in mount_legacy.
Status unmount(FdRef proc, FdRef target, int flags);

// umount2(2) of the mount whose root folder the descriptor is. The working folder is "/" after it.
Status unmount_dir(FdRef dir, int flags);

}  // namespace dhow
