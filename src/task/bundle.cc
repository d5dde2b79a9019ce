// SPDX-License-Identifier: Apache-2.0
#include "task/bundle.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "base/log.h"
#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/random_name.h"

namespace dhow::task {
namespace {

constexpr std::size_t kMaxName = 76;  // containerd's limit for identifiers

bool is_name(std::string_view text) {
  auto is_alphanumeric = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  auto is_inner = [&](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; };
  return !text.empty() && text.size() <= kMaxName && is_alphanumeric(text.front()) &&
         is_alphanumeric(text.back()) && std::ranges::all_of(text, is_inner);
}

}  // namespace

Status check_key(const Key& key) {
  for (const std::string& name : {key.name_space, key.id}) {
    if (!is_name(name)) {
      return fail(Code::kInvalidArgument,
                  cat("task ", quoted(key.name_space), " ", quoted(key.id), ": ", quoted(name),
                      " is not 1 to 76 characters of [A-Za-z0-9_.-] between letters or digits"));
    }
  }
  return {};
}

Result<Bundles> Bundles::open(const std::string& state) {
  std::string tasks = state + "/tasks";
  TRY(make_dirs(tasks, 0711));
  TRY_ASSIGN(Fd folder, open_at(kCwd, tasks, O_RDONLY | O_DIRECTORY));
  return Bundles(std::move(tasks), std::move(folder));
}

std::string Bundles::path(const Key& key) const {
  return cat(tasks_, "/", key.name_space, "/", key.id);
}

Result<Fd> Bundles::name_space(const Key& key) const {
  return open_at(folder_, key.name_space, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

Result<Fd> Bundles::make(const Key& key) const {
  TRY(check_key(key));
  TRY_ASSIGN(Fd parent, make_folder(folder_, key.name_space, 0711));
  if (::mkdirat(parent.get(), key.id.c_str(), 0711) != 0) {
    return fail_errno(errno, cat("make bundle ", path(key)));
  }
  TRY_ASSIGN(Fd bundle, open_at(parent, key.id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (::mkdirat(bundle.get(), "rootfs", 0711) != 0) {
    return fail_errno(errno, cat("make ", path(key), "/rootfs"));
  }
  return bundle;
}

Result<Fd> Bundles::find(const Key& key) const {
  TRY(check_key(key));
  TRY_ASSIGN(Fd parent, name_space(key));
  return open_at(parent, key.id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

Status Bundles::remove(const Key& key) const {
  TRY(check_key(key));
  auto parent = name_space(key);
  if (!parent) {
    if (parent.error().code() == Code::kNotFound) return {};
    return fail(std::move(parent.error()));
  }
  std::string rootfs = path(key) + "/rootfs";
  // As a rule there is nothing: our shim's mounts are in a mount namespace of its own.
  while (::umount2(rootfs.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  // Renamed first: a bundle that is half gone is nobody's task.
  TRY_ASSIGN(std::string unique, random_name());
  std::string hidden = cat(".", key.id, ".", unique);
  if (::renameat(parent->get(), key.id.c_str(), parent->get(), hidden.c_str()) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno(errno, cat("remove bundle ", path(key)));
  }
  return remove_tree(*parent, hidden);
}

Result<std::vector<Key>> Bundles::list() const {
  std::vector<Key> keys;
  TRY_ASSIGN(auto name_spaces, list_dir(folder_));
  for (const std::string& name_space : name_spaces) {
    auto parent = open_at(folder_, name_space, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!parent) continue;
    TRY_ASSIGN(auto ids, list_dir(*parent));
    for (std::string& id : ids) {
      Key key{name_space, std::move(id)};
      if (check_key(key)) {
        keys.push_back(std::move(key));
      } else if (auto removed = remove_tree(*parent, key.id); !removed) {
        log::warning(cat("remove rest of bundle ", path(key), ": ", removed.error().message()));
      }
    }
  }
  std::ranges::sort(keys);
  return keys;
}

}  // namespace dhow::task
