// SPDX-License-Identifier: Apache-2.0
#include "snapshot/overlay.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "snapshot/local_snapshotter.h"
#include "snapshot/tree.h"
#include "sys/process.h"

namespace dhow::snapshot {
namespace {

constexpr mode_t kRootMode = 0755;
// Of the root of a layer that is written without those below, until a member of its archive says
// what it is like. No image has such a root.
constexpr mode_t kUndescribed = 01711;

Status make_folder(FdRef folder, const char* name) {
  if (::mkdirat(folder.get(), name, 0700) == 0) return {};
  return fail_errno(errno, cat("make the folder ", quoted(name)));
}

Status set_root(FdRef folder, uid_t uid, gid_t gid, mode_t mode) {
  if (::fchownat(folder.get(), "fs", uid, gid, AT_SYMLINK_NOFOLLOW) != 0 ||
      ::fchmodat(folder.get(), "fs", mode, 0) != 0) {
    return fail_errno(errno, "set the owner and mode of a root");
  }
  return {};
}

Status set_root_like(FdRef folder, const std::string& below) {
  if (below.empty()) return set_root(folder, ::geteuid(), ::getegid(), kRootMode);
  struct stat info{};
  if (::lstat(below.c_str(), &info) != 0) return fail_errno(errno, cat("stat ", quoted(below)));
  return set_root(folder, info.st_uid, info.st_gid, info.st_mode & 07777);
}

std::string root_of(const Place& place) { return cat(place.path, "/fs"); }

std::string top_root(const std::vector<Place>& lower) {
  return lower.empty() ? "" : root_of(lower.front());
}

class Overlay final : public Backend {
 public:
  explicit Overlay(bool userxattr) : userxattr_(userxattr) {}

  std::string_view name() const override { return "overlayfs"; }
  bool layers_apart() const override { return true; }
  Whiteouts whiteouts() const override {
    return userxattr_ ? Whiteouts::kUserOverlay : Whiteouts::kOverlay;
  }

  Status fill(FdRef folder, Purpose purpose, const std::vector<Place>& lower) const override {
    return fill_overlay(folder, purpose, top_root(lower));
  }

  MountPlan plan(const Place& own, Kind kind, const std::vector<Place>& lower) const override {
    MountPlan plan;
    plan.userxattr = userxattr_;
    for (const Place& layer : lower) {
      plan.lower.push_back({LayerSource::Kind::kFolder, root_of(layer), ""});
    }
    if (kind == Kind::kActive) {
      plan.upper = root_of(own);
      if (!lower.empty()) plan.work = cat(own.path, "/work");
    } else if (lower.empty()) {
      plan.lower.push_back({LayerSource::Kind::kFolder, root_of(own), ""});
    }
    return plan;
  }

  Status seal(FdRef folder, const std::vector<Place>& lower) const override {
    return settle_root(folder, top_root(lower));
  }

  void trim(FdRef folder) const override {
    // A mount that somebody still has needs it no more than the layer does.
    std::ignore = remove_deep_tree(folder, "work");
  }

  Result<Usage> measure(FdRef folder, Kind) const override {
    TRY_ASSIGN(Fd root, open_at(folder, "fs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    return measure_tree(root);
  }

  bool is_whole(FdRef folder, Kind kind) const override {
    auto is_there = [&](const char* name) {
      return ::faccessat(folder.get(), name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    };
    if (!is_there("fs")) return false;
    return kind != Kind::kActive || is_there("work") || make_folder(folder, "work").has_value();
  }

 private:
  bool userxattr_;
};

}  // namespace

Status fill_overlay(FdRef folder, Purpose purpose, const std::string& below) {
  TRY(make_folder(folder, "fs"));
  if (purpose == Purpose::kApart) {
    return set_root(folder, ::geteuid(), ::getegid(), kUndescribed);
  }
  if (purpose == Purpose::kActive) TRY(make_folder(folder, "work"));
  return set_root_like(folder, below);
}

Status settle_root(FdRef folder, const std::string& below) {
  struct stat info{};
  if (::fstatat(folder.get(), "fs", &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return fail_errno(errno, "stat a root");
  }
  if ((info.st_mode & 07777) != kUndescribed) return {};
  return set_root_like(folder, below);
}

Result<std::unique_ptr<Snapshotter>> open_overlay(const std::string& folder,
                                                  metadata::Database& database,
                                                  const OverlayOptions& options) {
  bool userxattr = options.userxattr.value_or(in_user_namespace().value_or(false));
  return LocalSnapshotter::open(folder, database, std::make_unique<Overlay>(userxattr));
}

}  // namespace dhow::snapshot
