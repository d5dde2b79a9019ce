// SPDX-License-Identifier: Apache-2.0
#include "volume/folders.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "base/cleanup.h"
#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/project_quota.h"
#include "sys/random_name.h"

namespace dhow::volume {
namespace {

constexpr unsigned kPassing = 0711;
constexpr unsigned kContent = 0755;
constexpr const char* kData = "_data";
constexpr std::string_view kDraft = "_draft.";
constexpr const char* kTree = "tree";
constexpr const char* kLayout = ".layout";
constexpr int kOpen = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

Status move_folder(FdRef from_dir, std::string_view from, FdRef to_dir, std::string_view to,
                   unsigned flags) {
  if (::renameat2(from_dir.get(), std::string(from).c_str(), to_dir.get(), std::string(to).c_str(),
                  flags) == 0) {
    return {};
  }
  return fail_errno(errno, cat("rename ", quoted(from), " to ", quoted(to)));
}

Result<std::vector<std::string>> visible(FdRef folder) {
  TRY_ASSIGN(std::vector<std::string> names, list_dir(folder));
  std::erase_if(names, [](const std::string& name) { return name.starts_with('.'); });
  return names;
}

// Each content is a project of its own.
Status limit_content(FdRef parent, const char* content, std::string_view name, std::int64_t limit) {
  if (limit == 0) return {};
  auto hint = static_cast<std::uint32_t>(std::hash<std::string_view>()(name));
  TRY_CONTEXT(limit_folders(parent, {content}, limit, hint),
              cat("limit the size of the volume ", name));
  return {};
}

bool is_missing(const Error& error) { return error.sys_errno() == ENOENT; }

}  // namespace

Result<std::unique_ptr<Folders>> Folders::open(const std::string& path, RemoveTree remove_tree) {
  TRY(make_dirs(path, kPassing));
  std::unique_ptr<Folders> folders(new Folders);
  folders->path_ = path;
  folders->remove_tree_ = std::move(remove_tree);
  TRY_ASSIGN(folders->root_, open_at(kCwd, path, O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(folders->trash_, make_folder(folders->root_, ".trash", 0700));
  TRY_ASSIGN(folders->adopt_, make_folder(folders->root_, ".adopt", 0700));
  return folders;
}

std::string Folders::path(std::string_view name) const { return cat(path_, "/", name); }

Status Folders::check_limits() const { return check_project_quota(root_); }

Status Folders::make(std::string_view name, std::int64_t limit) const {
  TRY_ASSIGN(Fd folder, make_folder(root_, name, kPassing));
  TRY_ASSIGN(Fd data, make_folder(folder, kData, kContent));
  auto limited = limit_content(folder, kData, name, limit);
  if (!limited) drop_empty(name);
  return limited;
}

bool Folders::exists(std::string_view name) const {
  struct stat info{};
  std::string data = cat(name, "/", kData);
  return ::fstatat(root_.get(), data.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
}

Status Folders::discard(std::string_view name) const {
  auto moved = move_folder(root_, name, trash_, name, RENAME_NOREPLACE);
  if (!moved && is_missing(moved.error())) return {};
  return moved;
}

void Folders::restore(std::string_view name) const {
  std::ignore = move_folder(trash_, name, root_, name, RENAME_NOREPLACE);
}

Status Folders::bury(FdRef folder, const std::string& name) const {
  TRY_ASSIGN(std::string random, random_name());
  auto moved = move_folder(folder, name, trash_, cat(".gone-", random), RENAME_NOREPLACE);
  if (!moved && is_missing(moved.error())) return {};
  return moved;
}

Status Folders::forget(std::string_view name) const { return bury(trash_, std::string(name)); }

bool Folders::drop_empty(std::string_view name) const {
  std::string folder(name);
  ::unlinkat(root_.get(), cat(folder, "/", kData).c_str(), AT_REMOVEDIR);
  return ::unlinkat(root_.get(), folder.c_str(), AT_REMOVEDIR) == 0;
}

Result<Store::Draft> Folders::make_draft(std::string_view name, std::int64_t limit) const {
  TRY_ASSIGN(Fd folder, open_at(root_, name, kOpen));
  TRY_ASSIGN(std::string random, random_name());
  Store::Draft draft;
  draft.name = cat(kDraft, random);
  TRY_ASSIGN(Fd place, make_folder(folder, draft.name, 0700));
  Cleanup drop([&] { drop_draft(name, draft.name); });
  TRY_ASSIGN(draft.tree, make_folder(place, kTree, kContent));
  TRY(limit_content(place, kTree, name, limit));
  TRY_ASSIGN(draft.scratch, make_folder(place, "scratch", 0700));
  drop.dismiss();
  return draft;
}

void Folders::drop_draft(std::string_view name, const std::string& draft) const {
  auto folder = open_at(root_, name, kOpen);
  if (folder) std::ignore = bury(*folder, draft);
}

void Folders::drop_drafts(std::string_view name) const {
  auto folder = open_at(root_, name, kOpen);
  if (!folder) return;
  auto names = list_dir(*folder);
  if (!names) return;
  for (const std::string& one : *names) {
    if (one.starts_with(kDraft)) std::ignore = bury(*folder, one);
  }
}

Status Folders::publish_draft(std::string_view name, const std::string& draft, bool replace) const {
  TRY_ASSIGN(Fd folder, open_at(root_, name, kOpen));
  TRY_ASSIGN(Fd place, open_at(folder, draft, kOpen));
  // With `replace` the two change places: at no time is there neither. Otherwise rename(2) takes
  // the place of an empty folder alone.
  auto moved = move_folder(place, kTree, folder, kData, replace ? RENAME_EXCHANGE : 0);
  TRY(bury(folder, draft));
  if (moved || (moved.error().sys_errno() != ENOTEMPTY && moved.error().sys_errno() != EEXIST)) {
    return moved;
  }
  return fail(Code::kFailedPrecondition, cat("the volume ", name, " is not empty"));
}

Result<std::vector<std::string>> Folders::list() const { return visible(root_); }
Result<std::vector<std::string>> Folders::list_discarded() const { return visible(trash_); }
Result<std::vector<std::string>> Folders::list_adopted() const { return visible(adopt_); }

bool Folders::has_layout() const { return ::faccessat(root_.get(), kLayout, F_OK, 0) == 0; }

Status Folders::set_layout() const {
  TRY_ASSIGN(Fd file, open_at(root_, kLayout, O_WRONLY | O_CREAT, 0600));
  return {};
}

Status Folders::begin_adoption(std::string_view name, const std::string& from) const {
  TRY_ASSIGN(Fd folder, make_folder(adopt_, name, kPassing));
  auto moved = move_folder(kCwd, from, folder, kData, RENAME_NOREPLACE);
  if (moved || moved.error().sys_errno() == EEXIST) return {};
  if (!is_missing(moved.error())) return moved;
  // There is nothing, unless it was moved before.
  ::unlinkat(adopt_.get(), std::string(name).c_str(), AT_REMOVEDIR);
  return {};
}

Status Folders::finish_adoption(std::string_view name) const {
  auto moved = move_folder(adopt_, name, root_, name, RENAME_NOREPLACE);
  if (!moved && is_missing(moved.error())) return {};
  return moved;
}

Status Folders::reclaim() const {
  std::lock_guard lock(reclaim_mutex_);
  TRY_ASSIGN(std::vector<std::string> names, list_dir(trash_));
  Status first;
  for (const std::string& name : names) {
    if (!name.starts_with('.')) continue;
    auto gone = remove_tree_(trash_, name);
    if (!gone && first) first = gone;
  }
  return first;
}

}  // namespace dhow::volume
