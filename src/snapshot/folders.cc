// SPDX-License-Identifier: Apache-2.0
#include "snapshot/folders.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "snapshot/tree.h"
#include "sys/file_io.h"

namespace dhow::snapshot {
namespace {

constexpr std::string_view kGone = "gone-";

Status move(FdRef from_dir, const std::string& from, FdRef to_dir, const std::string& to) {
  if (::renameat2(from_dir.get(), from.c_str(), to_dir.get(), to.c_str(), RENAME_NOREPLACE) == 0) {
    return {};
  }
  return fail_errno(errno, cat("rename ", quoted(from), " to ", quoted(to)));
}

Result<std::vector<std::int64_t>> list_numbers(FdRef folder) {
  TRY_ASSIGN(std::vector<std::string> names, list_dir(folder));
  std::vector<std::int64_t> numbers;
  for (const std::string& name : names) {
    // What is no number is not ours to judge.
    if (auto number = parse_number<std::int64_t>(name)) numbers.push_back(*number);
  }
  return numbers;
}

}  // namespace

Result<std::unique_ptr<Folders>> Folders::open(const std::string& path) {
  if (!path.starts_with('/') || path.find_first_of(",:\\") != std::string::npos) {
    return fail(
        Code::kInvalidArgument,
        cat("the folder ", quoted(path),
            " can't be used in mount options: it has to be absolute, without ',', ':', '\\'"));
  }
  TRY(make_dirs(path, 0711));
  std::unique_ptr<Folders> folders(new Folders);
  folders->path_ = path;
  TRY_ASSIGN(folders->root_, open_at(kCwd, path, O_RDONLY | O_DIRECTORY));
  auto lock = ProcessLock::take(folders->root_, "lock");
  if (!lock) return fail(std::move(lock).error().add_context(cat("snapshots in ", quoted(path))));
  folders->lock_ = std::move(*lock);
  TRY_ASSIGN(folders->snapshots_, make_folder(folders->root_, "snapshots", 0711));
  TRY_ASSIGN(folders->new_, make_folder(folders->root_, "new", 0711));
  TRY_ASSIGN(folders->trash_, make_folder(folders->root_, "trash", 0711));
  return folders;
}

Result<Folders::Fresh> Folders::make() const {
  std::string name = std::to_string(next_++);
  if (::mkdirat(new_.get(), name.c_str(), 0711) != 0) {
    return fail_errno(errno, cat("make the folder ", quoted(name)));
  }
  auto fd = open_at(new_, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) {
    ::unlinkat(new_.get(), name.c_str(), AT_REMOVEDIR);
    return std::unexpected(std::move(fd).error());
  }
  return Fresh(this, std::move(name), std::move(*fd));
}

Folders::Fresh::~Fresh() {
  if (folders_ == nullptr) return;
  // A failure leaves it to the next opening of the store.
  std::ignore = id_ ? folders_->forget(*id_) : folders_->bury(folders_->new_, name_);
}

Status Folders::Fresh::place(std::int64_t id) {
  TRY(move(folders_->new_, name_, folders_->snapshots_, std::to_string(id)));
  id_ = id;
  return {};
}

std::string Folders::path(std::int64_t id) const { return cat(path_, "/snapshots/", id); }

Result<Fd> Folders::open(std::int64_t id) const {
  return open_at(snapshots_, std::to_string(id), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

bool Folders::exists(std::int64_t id) const {
  return ::faccessat(snapshots_.get(), std::to_string(id).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Status Folders::discard(std::int64_t id) const {
  std::string name = std::to_string(id);
  auto status = move(snapshots_, name, trash_, name);
  if (!status && status.error().sys_errno() == ENOENT) return {};
  return status;
}

bool Folders::restore(std::int64_t id) const {
  std::string name = std::to_string(id);
  return move(trash_, name, snapshots_, name).has_value();
}

Status Folders::bury(FdRef folder, const std::string& name) const {
  while (true) {
    auto status = move(folder, name, trash_, cat(kGone, next_++));
    // The numbers begin again with each process.
    if (status || status.error().sys_errno() != EEXIST) return status;
  }
}

Status Folders::forget_fresh() const {
  TRY_ASSIGN(std::vector<std::string> names, list_dir(new_));
  for (const std::string& name : names) TRY(bury(new_, name));
  return {};
}

Status Folders::forget(std::int64_t id) const { return bury(snapshots_, std::to_string(id)); }

Status Folders::forget_discarded(std::int64_t id) const { return bury(trash_, std::to_string(id)); }

Result<std::vector<std::int64_t>> Folders::list() const { return list_numbers(snapshots_); }

Result<std::vector<std::int64_t>> Folders::list_discarded() const { return list_numbers(trash_); }

Status Folders::reclaim() const {
  std::lock_guard lock(reclaim_mutex_);
  TRY_ASSIGN(std::vector<std::string> names, list_dir(trash_));
  Status first;
  for (const std::string& name : names) {
    if (!name.starts_with(kGone)) continue;
    auto status = remove_deep_tree(trash_, name);
    if (!status && first) first = std::move(status);
  }
  return first;
}

Status Folders::sync() const {
  if (::syncfs(root_.get()) == 0) return {};
  return fail_errno(errno, cat("sync the file system of ", quoted(path_)));
}

}  // namespace dhow::snapshot
