// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/folder.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <optional>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::cgroup {
namespace {

void (*write_observer)(std::string_view, std::string_view) = nullptr;

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

std::string_view parent_of(std::string_view path) {
  std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos || slash == 0 ? std::string_view("/")
                                                       : path.substr(0, slash);
}

std::string_view last_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

void set_write_observer(void (*observer)(std::string_view, std::string_view)) {
  write_observer = observer;
}

std::optional<std::uint64_t> keyed_number(std::string_view text, std::string_view name) {
  for (std::string_view line : split(text, '\n')) {
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ' ') {
      return parse_number<std::uint64_t>(trim(line.substr(name.size() + 1)));
    }
  }
  return std::nullopt;
}

Result<Folder> Folder::check(Fd fd, std::string path, FsKind kind) {
  if (kind != FsKind::kAny) {
    struct statfs info{};
    if (::fstatfs(fd.get(), &info) != 0) return fail_errno(errno, cat("statfs ", quoted(path)));
    auto magic = static_cast<std::uint64_t>(info.f_type);
    if (magic != (kind == FsKind::kV1 ? CGROUP_SUPER_MAGIC : CGROUP2_SUPER_MAGIC)) {
      return fail(Code::kFailedPrecondition,
                  cat("open cgroup ", quoted(path), ": not on a cgroup file system"));
    }
  }
  return Folder(std::move(fd), std::move(path), kind);
}

Result<Folder> Folder::open(std::string path, FsKind kind) {
  TRY_ASSIGN(Fd fd, open_at(kCwd, path, kFolderFlags));
  return check(std::move(fd), std::move(path), kind);
}

Result<Folder::Made> Folder::make(const std::string& path, std::string_view top, FsKind kind,
                                  Visit visit, void* data) {
  if (path.size() <= top.size()) {
    TRY_ASSIGN(Folder folder, open(path, kind));
    return Made{std::move(folder), true};
  }
  std::string parent_path(parent_of(path));
  auto parent = open(parent_path, kind);
  if (!parent) {
    if (parent.error().sys_errno() != ENOENT) return fail(std::move(parent).error());
    TRY_ASSIGN(Made made, make(parent_path, top, kind, visit, data));
    parent = std::move(made.folder);
  }
  std::string name(last_name(path));
  TRY_ASSIGN(Made made, parent->make_child(name));
  Status visited = visit != nullptr ? visit(*parent, made.folder, data) : Status{};
  if (visited) return made;
  // Nobody knows yet that it was made.
  if (!made.existed) ::unlinkat(parent->fd().get(), name.c_str(), AT_REMOVEDIR);
  return fail(std::move(visited).error());
}

Result<Folder::Made> Folder::make_child(std::string_view name) const {
  std::string own(name);
  bool existed = false;
  if (::mkdirat(fd_.get(), own.c_str(), 0755) != 0) {
    if (errno != EEXIST)
      return fail_errno(errno, cat("make cgroup ", quoted(cat(path_, "/", name))));
    existed = true;
  }
  auto folder = child(name);
  if (folder) return Made{std::move(*folder), existed};
  // Nobody knows yet that it was made.
  if (!existed) ::unlinkat(fd_.get(), own.c_str(), AT_REMOVEDIR);
  return fail(std::move(folder).error());
}

bool Folder::has(std::string_view name) const {
  return ::faccessat(fd_.get(), std::string(name).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Result<Fd> Folder::open_file(std::string_view name, int flags) const {
  std::string file(name);
  while (true) {
    int fd = ::openat(fd_.get(), file.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    if (fd >= 0) return Fd(fd);
    if (errno != EINTR) return fail_errno(errno, cat("open ", quoted(cat(path_, "/", name))));
  }
}

Result<std::string> Folder::read(std::string_view name) const {
  TRY_ASSIGN(Fd fd, open_file(name, O_RDONLY));
  auto content = read_all(fd);
  if (!content) {
    return fail(std::move(content).error().add_context(quoted(cat(path_, "/", name))));
  }
  while (!content->empty() && content->back() == '\n') content->pop_back();
  return content;
}

Result<std::uint64_t> Folder::read_number(std::string_view name) const {
  TRY_ASSIGN(std::string text, read(name));
  if (text == "max") return std::numeric_limits<std::uint64_t>::max();
  if (auto number = parse_number<std::uint64_t>(text)) return *number;
  // v1 shows "no limit" of some files as -1.
  if (auto number = parse_number<std::int64_t>(text)) return static_cast<std::uint64_t>(*number);
  return fail(Code::kInternal,
              cat("read ", quoted(cat(path_, "/", name)), ": not a number: ", quoted(text)));
}

Status Folder::write(std::string_view name, std::string_view value) const {
  if (write_observer != nullptr) write_observer(cat(path_, "/", name), value);
  TRY_ASSIGN(Fd fd, open_file(name, O_WRONLY));
  auto old = old_value(name, value);
  ssize_t put;
  do {
    put = ::write(fd.get(), value.data(), value.size());
  } while (put < 0 && errno == EINTR);
  if (put < 0) {
    return fail_errno(errno, cat("write ", quoted(value), " to ", quoted(cat(path_, "/", name))));
  }
  if (old) old_values_->push_back(std::move(*old));
  return {};
}

// What can't be read can't be put back.
std::optional<OldValue> Folder::old_value(std::string_view name, std::string_view value) const {
  if (old_values_ == nullptr) return std::nullopt;
  auto before = read(name);
  auto file = open_file(name, O_WRONLY);
  if (!before || !file) return std::nullopt;
  auto undoing = undoing_value(name, *before, value);
  if (!undoing) return std::nullopt;
  return OldValue{std::move(*file), cat(path_, "/", name), std::move(*undoing)};
}

void Folder::keep_old_value(std::string_view name) const {
  if (auto old = old_value(name, "")) old_values_->push_back(std::move(*old));
}

Result<Folder> Folder::child(std::string_view name) const {
  std::string path = cat(path_, "/", name);
  int fd = ::openat(fd_.get(), std::string(name).c_str(), kFolderFlags | O_CLOEXEC);
  if (fd < 0) return fail_errno(errno, cat("open ", quoted(path)));
  return check(Fd(fd), std::move(path), kind_);
}

Result<std::vector<std::string>> Folder::children() const {
  auto names = list_subdirs(fd_);
  if (!names) return fail(std::move(names).error().add_context(quoted(path_)));
  return names;
}

bool is_denied(const Error& error) {
  return error.sys_errno() == EACCES || error.sys_errno() == EPERM || error.sys_errno() == EROFS;
}

bool is_missing(const Error& error) {
  return error.sys_errno() == ENOENT || error.sys_errno() == ENODEV;
}

}  // namespace dhow::cgroup
