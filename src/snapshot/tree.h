// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <string>
#include <string_view>

#include "base/result.h"
#include "snapshot/snapshotter.h"
#include "sys/fd.h"

namespace dhow::snapshot {

// Of open_at: a folder of a tree to read, never what a link leads to.
inline constexpr int kOpenFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

// What is done with a tree, file by file.
class TreeVisitor {
 public:
  virtual ~TreeVisitor() = default;
  // Anything but a folder.
  virtual Status file(FdRef folder, const std::string& name, const struct stat& info) = 0;
  // A folder, before what is in it and after; it is no more open then.
  virtual Status enter(FdRef folder, const std::string& name, const struct stat& info) = 0;
  virtual Status leave(FdRef folder, const std::string& name, const struct stat& info) = 0;
};

// Visits all that is below a folder. Containers make trees of any depth, so it takes one descriptor
// and no stack; it goes up by "..", and when somebody moved a folder meanwhile that is kAborted.
// What vanishes meanwhile is left out; other file systems are not entered.
Status walk_tree(FdRef root, TreeVisitor& visitor);

// What a tree takes, its root included; a file with several names counts once.
Result<Usage> measure_tree(FdRef root);

// Removes the file or folder `name`, of any depth; a missing one is success. Nobody else may be in
// it.
Status remove_deep_tree(FdRef folder, std::string_view name);

// Copies what is below `from`, and its root's attributes, to the empty folder `to`: owners, modes,
// times, extended attributes, hard links, devices and holes as they are; blocks are shared where
// the file system can. `scratch` is an empty folder on the file system of `to`, empty again
// afterwards.
Status copy_tree(FdRef from, FdRef to, FdRef scratch);

}  // namespace dhow::snapshot
