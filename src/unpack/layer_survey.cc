// SPDX-License-Identifier: Apache-2.0
#include "unpack/layer_survey.h"

#include <fcntl.h>
#include <limits.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/strings.h"
#include "sys/file_io.h"
#include "unpack/file_facts.h"

namespace dhow::unpack {
namespace {

constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr mode_t kPlainRoot = S_IFDIR | 0755;

// A file by its number: the same for all its names.
using Inode = std::pair<dev_t, ino_t>;

// A name of a folder, looked at in both trees.
struct Found {
  std::string name;
  bool is_changed = false;
  bool is_removed = false;
  bool is_folder = false;
  bool is_below = false;       // a folder below too
  bool is_partial = false;     // what is in it differs only where the layer has something
  std::optional<Inode> inode;  // of a file with several names
};

class Survey {
 public:
  explicit Survey(const LayerTrees& trees) : trees_(trees) {}

  Result<std::vector<LayerItem>> run();

 private:
  struct Item {
    LayerItem item;
    std::size_t folder = 0;
    bool is_included = false;
  };
  // The folders of one path that are open while the names in them are looked at.
  struct Folders {
    Fd tree;
    Fd below;
    Fd touched;
  };

  Status visit(const std::string& path, const Found& folder, std::size_t item);
  Result<std::vector<Found>> look_into(const std::string& path, const Found& folder);
  Result<std::vector<std::string>> names_of(const Folders& folders);
  Result<std::optional<Found>> look_at(const Folders& folders, const std::string& name,
                                       const std::string& path);
  Status look_at_root();
  void include(std::size_t item);

  const LayerTrees& trees_;
  std::vector<Item> items_;
  std::map<Inode, std::vector<std::size_t>> linked_;
};

// Takes the folders on the way to it along.
void Survey::include(std::size_t item) {
  while (!items_[item].is_included) {
    items_[item].is_included = true;
    if (items_[item].folder == 0) return;
    item = items_[item].folder;
  }
}

// A container's root has no time of its own: it changes with what is made in it, and a new layer
// begins with that of its making.
Status Survey::look_at_root() {
  items_.push_back({{"", false}, 0, false});
  TRY_ASSIGN(Fd tree, open_tree_folder(trees_.tree, ""));
  TRY_ASSIGN(std::optional<FileFacts> now, file_facts(tree, ".", "."));
  std::optional<FileFacts> before(std::in_place);
  before->info.st_mode = kPlainRoot;
  if (trees_.below != nullptr) {
    TRY_ASSIGN(Fd below, open_tree_folder(*trees_.below, ""));
    TRY_ASSIGN(before, file_facts(below, ".", "."));
  }
  items_[0].is_included = now && before && !same_facts(*now, *before);
  return {};
}

Result<std::vector<std::string>> Survey::names_of(const Folders& folders) {
  if (folders.touched) return list_dir(folders.touched);
  TRY_ASSIGN(std::vector<std::string> names, list_dir(folders.tree));
  if (!folders.below) return names;
  TRY_ASSIGN(std::vector<std::string> below, list_dir(folders.below));
  names.insert(names.end(), below.begin(), below.end());
  return names;
}

Result<std::optional<Found>> Survey::look_at(const Folders& folders, const std::string& name,
                                             const std::string& path) {
  TRY_ASSIGN(std::optional<FileFacts> now, file_facts(folders.tree, name, path));
  if (now && S_ISSOCK(now->info.st_mode)) now.reset();
  std::optional<FileFacts> before;
  if (folders.below) {
    TRY_ASSIGN(before, file_facts(folders.below, name, path));
  }
  if (!now && !before) return std::optional<Found>();
  if (name.starts_with(kWhiteoutPrefix)) {
    return fail(Code::kInvalidArgument,
                cat(quoted(path), ": a file of this name would be a whiteout in a layer"));
  }
  Found found;
  found.name = name;
  found.is_removed = !now;
  found.is_changed = !now || !before || !same_facts(*now, *before);
  if (found.is_removed) return found;
  if (!found.is_changed) {
    TRY_ASSIGN(bool same, same_content(folders.tree, *now, folders.below, *before, name, path));
    found.is_changed = !same;
  }
  found.is_folder = S_ISDIR(now->info.st_mode);
  if (!found.is_folder) {
    if (now->info.st_nlink > 1) found.inode = {now->info.st_dev, now->info.st_ino};
    return found;
  }
  found.is_below = before && S_ISDIR(before->info.st_mode);
  if (found.is_below && folders.touched) {
    TRY_ASSIGN(std::optional<FileFacts> touched, file_facts(folders.touched, name, path));
    found.is_partial = touched && S_ISDIR(touched->info.st_mode) && !touched->hides_below;
  }
  return found;
}

Result<std::vector<Found>> Survey::look_into(const std::string& path, const Found& folder) {
  Folders folders;
  TRY_ASSIGN(folders.tree, open_tree_folder(trees_.tree, path));
  if (folder.is_below) {
    TRY_ASSIGN(folders.below, open_tree_folder(*trees_.below, path));
  }
  if (folder.is_partial) {
    TRY_ASSIGN(folders.touched, open_tree_folder(*trees_.touched, path));
  }
  TRY_ASSIGN(std::vector<std::string> names, names_of(folders));
  std::ranges::sort(names);
  auto twice = std::ranges::unique(names);
  names.erase(twice.begin(), twice.end());
  std::vector<Found> result;
  for (const std::string& name : names) {
    TRY_ASSIGN(std::optional<Found> found, look_at(folders, name, path_in(path, name)));
    if (found) result.push_back(std::move(*found));
  }
  return result;
}

// Nothing is open while what is further down is visited: containers make folders of any depth.
Status Survey::visit(const std::string& path, const Found& folder, std::size_t item) {
  if (path.size() >= PATH_MAX) {
    return fail(Code::kInvalidArgument, cat(quoted(path.substr(0, 80)), "...: a path of more than ",
                                            PATH_MAX - 1, " bytes can't be in a layer"));
  }
  TRY_ASSIGN(std::vector<Found> members, look_into(path, folder));
  for (const Found& found : members) {
    std::size_t number = items_.size();
    items_.push_back({{path_in(path, found.name), found.is_removed}, item, false});
    if (found.is_changed) include(number);
    if (found.is_folder) {
      TRY(visit(path_in(path, found.name), found, number));
    } else if (found.inode) {
      linked_[*found.inode].push_back(number);
      continue;
    }
    // Of what is as it was only files with several names may still be wanted.
    if (items_.size() == number + 1 && !items_[number].is_included) items_.pop_back();
  }
  return {};
}

Result<std::vector<LayerItem>> Survey::run() {
  TRY(look_at_root());
  Found root;
  root.is_folder = true;
  root.is_below = trees_.below != nullptr;
  root.is_partial = root.is_below && trees_.touched != nullptr;
  TRY(visit("", root, 0));
  for (const auto& [inode, names] : linked_) {
    bool wanted = std::ranges::any_of(names, [&](std::size_t i) { return items_[i].is_included; });
    if (!wanted) continue;
    for (std::size_t name : names) include(name);
  }
  std::vector<LayerItem> result;
  for (Item& item : items_) {
    if (item.is_included) result.push_back(std::move(item.item));
  }
  return result;
}

}  // namespace

Result<std::vector<LayerItem>> survey_layer(const LayerTrees& trees) { return Survey(trees).run(); }

std::string path_in(const std::string& folder, std::string_view name) {
  return folder.empty() ? std::string(name) : cat(folder, "/", name);
}

Result<Fd> open_tree_folder(const DirFd& tree, const std::string& path) {
  return tree.open_in_root(path.empty() ? "." : path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

}  // namespace dhow::unpack
