// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"
#include "unpack/layer_reader.h"

namespace dhow::unpack {

// A member that a layer is to have.
struct LayerItem {
  std::string path;         // "" for the root
  bool is_removed = false;  // a whiteout of that path
};

// Finds what makes one tree of another, in the order of the archive, as read_layer says. Blocks on
// the disk.
Result<std::vector<LayerItem>> survey_layer(const LayerTrees& trees);

// "a/b" of "a" and "b"; in the root the name alone.
std::string path_in(const std::string& folder, std::string_view name);

// Opens the folder at a path of a tree; "" is the root.
Result<Fd> open_tree_folder(const DirFd& tree, const std::string& path);

}  // namespace dhow::unpack
