// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <utility>

#include "base/result.h"
#include "sys/dir_fd.h"
#include "unpack/byte_source.h"
#include "unpack/file_facts.h"
#include "unpack/layer_writer.h"
#include "unpack/tar_writer.h"

// Trees of files as streams of tar, and back.
namespace dhow::engine {

// Writes a file, or a folder with what is in it, under a name of the caller's. For one thread.
class TreeArchive {
 public:
  explicit TreeArchive(unpack::TarWriter& archive) : archive_(archive) {}

  // `depth`: how deep the caller is already.
  Status add(FdRef folder, const std::string& name, const std::string& as, int depth);
  // All that is in a folder, by the names there.
  Status add_all(FdRef folder);

 private:
  unpack::Entry describe(const unpack::FileFacts& facts, const std::string& as);
  Status add_file(FdRef folder, const std::string& name, unpack::Entry entry);

  unpack::TarWriter& archive_;
  std::map<std::pair<dev_t, ino_t>, std::string> linked_;
};

// Unpacks a tar stream, packed or not, below a folder. The whole of it is read, so that whoever
// sends it is not cut off.
Status unpack_tree(DirFd folder, unpack::ByteSource& packed, const unpack::WriteRules& rules = {});

}  // namespace dhow::engine
