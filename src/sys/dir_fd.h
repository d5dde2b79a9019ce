// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow {

// A folder that is the root of an untrusted tree (a container's root filesystem), held by an O_PATH
// descriptor. Every path below it is resolved by the kernel with openat2(2): RESOLVE_IN_ROOT keeps
// "..", absolute links and racing renames inside, RESOLVE_NO_MAGICLINKS refuses /proc links. Where
// openat2 is missing or filtered (ENOSYS, EPERM), a component-by-component O_PATH walk does the
// same.
class DirFd {
 public:
  DirFd() = default;
  explicit DirFd(Fd fd) : fd_(std::move(fd)) {}

  // Opens a path that the caller trusts.
  static Result<DirFd> open(std::string_view path);

  const Fd& fd() const { return fd_; }
  explicit operator bool() const { return static_cast<bool>(fd_); }

  // Opens `path` (absolute or relative: both mean below this folder) with open(2) `flags`
  // (O_CLOEXEC is added). With O_NOFOLLOW a final symbolic link is not followed. O_CREAT creates
  // only the last component.
  Result<Fd> open_in_root(std::string_view path, int flags, unsigned mode = 0) const;

  // Opens the folder at `path`, creating what is missing of it, one mkdirat on an already resolved
  // parent at a time (a racing symlink cannot move the creation out of the root). O_PATH.
  Result<DirFd> make_dirs_in_root(std::string_view path, unsigned mode) const;

  // Opens the file at `path` as O_PATH, creating an empty regular file (and missing folders) when
  // there is nothing: a target for a bind mount.
  Result<Fd> make_file_in_root(std::string_view path, unsigned mode, unsigned dir_mode) const;

  // Splits "a/b/c" into the opened parent and the last name. The parent must exist, the name must
  // not be empty, "." or "..".
  struct Parent;
  Result<Parent> open_parent_in_root(std::string_view path, bool create, unsigned mode) const;

 private:
  Fd fd_;
};

struct DirFd::Parent {
  DirFd dir;
  std::string name;
};

// Test hook and fallback switch: when false, openat2 is not tried and the walk is used instead.
void set_openat2_enabled(bool enabled);

}  // namespace dhow
