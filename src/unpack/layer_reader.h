// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/dir_fd.h"
#include "unpack/tar_writer.h"

namespace dhow::unpack {

// What a layer is read from. All is borrowed.
struct LayerTrees {
  const DirFd& tree;             // what there is to be in the end
  const DirFd* below = nullptr;  // what the layer is put on; null: nothing
  // A layer of overlayfs that makes `tree` of `below`: only what it has is looked at. Null: all is.
  const DirFd* touched = nullptr;
};

struct LayerOptions {
  // Later times are cut to this one: seconds since 1970, as SOURCE_DATE_EPOCH.
  std::optional<std::int64_t> latest = {};
  std::int64_t bytes = std::int64_t{1} << 40;  // of all files together: holes are zeros here
  // Paths, as those of members, that are as if nothing had been there.
  std::vector<std::string> left_out = {};
};

// Writes what makes one tree of another as the archive of a layer (image-spec, layer.md): the
// members sorted by their paths, folders before what is in them, names and ids as numbers only, so
// that the same trees are the same bytes, with `touched` as without. A file is in it when its kind,
// permissions, owner, device, link, attributes, size or time are other than below, and where the
// time may have been cut by an archive, when its content is; with the folders on the way to it. Of
// files with several names, all are when one is, the second as a hard link to the first. What has
// gone is a whiteout; sockets count as gone. The root is in it when its permissions, owner or
// attributes changed.
//
// Files that change meanwhile are kAborted; what no archive can hold (names that begin with ".wh.")
// is kInvalidArgument, more than options.bytes is kResourceExhausted; each with the name. Does not
// call finish(). Blocks on the disk; memory grows with what changed.
Status read_layer(const LayerTrees& trees, const LayerOptions& options, TarWriter& archive);

}  // namespace dhow::unpack
