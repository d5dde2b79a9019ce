// SPDX-License-Identifier: Apache-2.0
#include "snapshot/erofs.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "snapshot/local_snapshotter.h"
#include "snapshot/overlay.h"
#include "snapshot/tree.h"
#include "sys/mount_fd.h"
#include "sys/process.h"
#include "sys/spawn.h"

namespace dhow::snapshot {
namespace {

constexpr const char* kImage = "layer.erofs";
constexpr const char* kNewImage = "layer.erofs.new";
// Beside an image: an empty folder with the owner and mode of the image's root. It tells them to
// what is made on top, and is what the image is mounted on where a kernel needs that.
constexpr const char* kMountPoint = "mnt";
constexpr std::int64_t kBlock = 512;  // of st_blocks

std::string top_root(const std::vector<Place>& lower) {
  return lower.empty() ? "" : cat(lower.front().path, "/", kMountPoint);
}

bool is_there(FdRef folder, const char* name) {
  return ::faccessat(folder.get(), name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Status make_mount_point(FdRef folder) {
  struct stat info{};
  if (::fstatat(folder.get(), "fs", &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return fail_errno(errno, "stat a root");
  }
  if ((::mkdirat(folder.get(), kMountPoint, 0700) != 0 && errno != EEXIST) ||
      ::fchownat(folder.get(), kMountPoint, info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0 ||
      ::fchmodat(folder.get(), kMountPoint, info.st_mode & 07777, 0) != 0) {
    return fail_errno(errno, "make the mount point of an image");
  }
  return {};
}

// Not compressed: that is for what moves over a network, and costs at each start.
Status make_image(FdRef folder) {
  if (::unlinkat(folder.get(), kNewImage, 0) != 0 && errno != ENOENT) {
    return fail_errno(errno, "remove an unfinished image");
  }
  SpawnOptions options;
  std::string base = proc_fd_path(folder);
  options.arguments = {"mkfs.erofs", "--quiet", "--preserve-mtime", cat(base, "/", kNewImage),
                       cat(base, "/fs")};
  options.inherit = {folder.get()};
  TRY_ASSIGN(SpawnOutput output, spawn_and_wait(options));
  if (output.exit_code != 0) {
    return fail(Code::kInternal, cat("mkfs.erofs failed with status ", output.exit_code, ": ",
                                     trim(output.error_text)));
  }
  if (::renameat(folder.get(), kNewImage, folder.get(), kImage) == 0) return {};
  return fail_errno(errno, "rename an image");
}

class Erofs final : public Backend {
 public:
  std::string_view name() const override { return "erofs"; }
  bool layers_apart() const override { return true; }
  Whiteouts whiteouts() const override { return Whiteouts::kOverlay; }

  Status fill(FdRef folder, Purpose purpose, const std::vector<Place>& lower) const override {
    return fill_overlay(folder, purpose, top_root(lower));
  }

  MountPlan plan(const Place& own, Kind kind, const std::vector<Place>& lower) const override {
    MountPlan plan;
    for (const Place& layer : lower) {
      plan.lower.push_back({LayerSource::Kind::kErofs, cat(layer.path, "/", kImage),
                            cat(layer.path, "/", kMountPoint)});
    }
    if (kind == Kind::kActive) {
      plan.upper = cat(own.path, "/fs");
      if (!lower.empty()) plan.work = cat(own.path, "/work");
    } else if (lower.empty()) {
      plan.lower.push_back({LayerSource::Kind::kFolder, cat(own.path, "/fs"), ""});
    }
    return plan;
  }

  Status seal(FdRef folder, const std::vector<Place>& lower) const override {
    TRY(settle_root(folder, top_root(lower)));
    TRY(make_mount_point(folder));
    return make_image(folder);
  }

  void trim(FdRef folder) const override {
    std::ignore = remove_deep_tree(folder, "work");
    std::ignore = remove_deep_tree(folder, "fs");
  }

  Result<Usage> measure(FdRef folder, Kind kind) const override {
    if (kind != Kind::kCommitted) {
      TRY_ASSIGN(Fd root, open_at(folder, "fs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      return measure_tree(root);
    }
    struct stat info{};
    if (::fstatat(folder.get(), kImage, &info, AT_SYMLINK_NOFOLLOW) != 0) {
      return fail_errno(errno, "stat an image");
    }
    return Usage{.bytes = std::int64_t{info.st_blocks} * kBlock, .inodes = 1};
  }

  bool is_whole(FdRef folder, Kind kind) const override {
    if (kind == Kind::kCommitted) {
      // A crash may have come before.
      if (is_there(folder, kImage)) trim(folder);
      return is_there(folder, kImage) && is_there(folder, kMountPoint);
    }
    if (!is_there(folder, "fs")) return false;
    return kind == Kind::kView || is_there(folder, "work") ||
           ::mkdirat(folder.get(), "work", 0700) == 0;
  }
};

}  // namespace

Result<std::unique_ptr<Snapshotter>> open_erofs(const std::string& folder,
                                                metadata::Database& database) {
  if (in_user_namespace().value_or(false)) {
    return fail(Code::kUnimplemented, "a user namespace can't mount images of erofs");
  }
  auto known = FsContext::open("erofs");
  if (!known && known.error().sys_errno() == ENODEV) {
    return fail(Code::kUnimplemented, "this kernel has no erofs");
  }
  TRY(std::move(known));
  return LocalSnapshotter::open(folder, database, std::make_unique<Erofs>());
}

}  // namespace dhow::snapshot
