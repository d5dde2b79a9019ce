// SPDX-License-Identifier: Apache-2.0
#include "sys/dir_fd.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <vector>

#include "base/strings.h"

namespace dhow {
namespace {

constexpr int kMaxLinks = 40;  // as the kernel's MAXSYMLINKS
bool g_openat2 = true;

Result<std::string> read_link(FdRef dir, const std::string& name) {
  std::string target(PATH_MAX, '\0');
  ssize_t size = ::readlinkat(dir.get(), name.c_str(), target.data(), target.size());
  if (size < 0) return fail_errno(errno, cat("read link ", quoted(name)));
  target.resize(static_cast<std::size_t>(size));
  return target;
}

// The walk that stands in for openat2: holds every folder from the root down as a descriptor, so
// ".." goes back to what was opened and never to what the name means by now.
class Walk {
 public:
  Walk(FdRef root, std::string_view path) : root_(root) { push_front(path); }

  Result<Fd> open(int flags, unsigned mode) {
    while (!parts_.empty()) {
      std::string part = std::move(parts_.front());
      parts_.pop_front();
      if (part == "..") {
        if (!stack_.empty()) stack_.pop_back();
        continue;
      }
      bool last = parts_.empty();
      auto link = read_link(here(), part);
      bool is_link = link.has_value();
      if (is_link && !(last && (flags & O_NOFOLLOW) != 0)) {
        if (++links_ > kMaxLinks) return fail_errno(ELOOP, cat("open ", quoted(part)));
        if (link->starts_with('/')) stack_.clear();
        push_front(*link);
        continue;
      }
      if (last) return open_at(here(), part, flags | O_NOFOLLOW, mode);
      TRY_ASSIGN(Fd next, open_at(here(), part, O_PATH | O_DIRECTORY | O_NOFOLLOW));
      stack_.push_back(std::move(next));
    }
    return open_at(here(), ".", flags & ~(O_CREAT | O_NOFOLLOW), mode);
  }

 private:
  FdRef here() const { return stack_.empty() ? root_ : FdRef(stack_.back()); }

  void push_front(std::string_view path) {
    std::vector<std::string_view> names = split(path, '/');
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
      if (!name->empty() && *name != ".") parts_.emplace_front(*name);
    }
  }

  FdRef root_;
  std::vector<Fd> stack_;
  std::deque<std::string> parts_;
  int links_ = 0;
};

}  // namespace

void set_openat2_enabled(bool enabled) { g_openat2 = enabled; }

Result<DirFd> DirFd::open(std::string_view path) {
  TRY_ASSIGN(Fd fd, open_at(kCwd, path, O_PATH | O_DIRECTORY));
  return DirFd(std::move(fd));
}

Result<Fd> DirFd::open_in_root(std::string_view path, int flags, unsigned mode) const {
  std::string name(path.empty() ? std::string_view(".") : path);
  if (g_openat2) {
    struct open_how how{};
    how.flags = static_cast<__u64>(static_cast<unsigned>(flags | O_CLOEXEC));
    how.mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    while (true) {
      long fd = ::syscall(SYS_openat2, fd_.get(), name.c_str(), &how, sizeof how);
      if (fd >= 0) return Fd(static_cast<int>(fd));
      // EAGAIN: a rename or mount raced with the resolution of ".."; the kernel asks to try again.
      if (errno == EINTR || errno == EAGAIN) continue;
      if (errno != ENOSYS && errno != EPERM) return fail_errno(errno, cat("open ", quoted(path)));
      break;
    }
  }
  auto opened = Walk(fd_, name).open(flags, mode);
  if (!opened) {
    int error = opened.error().sys_errno();
    return fail_errno(error != 0 ? error : EIO, cat("open ", quoted(path)));
  }
  return opened;
}

Result<DirFd> DirFd::make_dirs_in_root(std::string_view path, unsigned mode) const {
  auto existing = open_in_root(path, O_PATH | O_DIRECTORY);
  if (existing) return DirFd(std::move(*existing));
  if (existing.error().sys_errno() != ENOENT) return fail(std::move(existing).error());

  TRY_ASSIGN(Parent parent, open_parent_in_root(path, true, mode));
  if (::mkdirat(parent.dir.fd().get(), parent.name.c_str(), mode) != 0 && errno != EEXIST) {
    return fail_errno(errno, cat("make folder ", quoted(path)));
  }
  // Once more from the root: what was made may have been swapped for a link, which is followed
  // inside the root only. A dangling link (EEXIST above, ENOENT here) is an error, not a creation.
  TRY_ASSIGN(Fd made, open_in_root(path, O_PATH | O_DIRECTORY));
  return DirFd(std::move(made));
}

Result<Fd> DirFd::make_file_in_root(std::string_view path, unsigned mode, unsigned dir_mode) const {
  auto existing = open_in_root(path, O_PATH);
  if (existing || existing.error().sys_errno() != ENOENT) return existing;
  TRY_ASSIGN(Parent parent, open_parent_in_root(path, true, dir_mode));
  // mknodat, not open(O_CREAT): it never follows a link that appears meanwhile.
  if (::mknodat(parent.dir.fd().get(), parent.name.c_str(), S_IFREG | mode, 0) != 0 &&
      errno != EEXIST) {
    return fail_errno(errno, cat("make file ", quoted(path)));
  }
  return open_in_root(path, O_PATH);
}

Result<DirFd::Parent> DirFd::open_parent_in_root(std::string_view path, bool create,
                                                 unsigned mode) const {
  std::string_view rest = path;
  while (rest.ends_with('/')) rest.remove_suffix(1);
  std::size_t slash = rest.find_last_of('/');
  std::string_view name = slash == std::string_view::npos ? rest : rest.substr(slash + 1);
  std::string_view folder = slash == std::string_view::npos ? "." : rest.substr(0, slash + 1);
  if (name.empty() || name == "." || name == "..") {
    return fail(Code::kInvalidArgument, cat("path ", quoted(path), " has no last name"));
  }
  if (create) {
    TRY_ASSIGN(DirFd dir, make_dirs_in_root(folder, mode));
    return Parent{std::move(dir), std::string(name)};
  }
  TRY_ASSIGN(Fd dir, open_in_root(folder, O_PATH | O_DIRECTORY));
  return Parent{DirFd(std::move(dir)), std::string(name)};
}

}  // namespace dhow
