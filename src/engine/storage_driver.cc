// SPDX-License-Identifier: Apache-2.0
#include "engine/storage_driver.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "snapshot/copy.h"
#include "snapshot/overlay.h"
#include "sys/file_io.h"
#include "sys/process.h"

namespace dhow::engine {
namespace {

constexpr std::string_view kOverlayFolder = "snapshots";
constexpr std::string_view kCopyFolder = "snapshots-vfs";
constexpr const char* kTrial = ".overlay-trial";

bool is_there(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0;
}

// Whether overlayfs can write to the file system of a folder.
Status try_overlay(const std::string& root) {
  TRY_ASSIGN(Fd folder, open_at(kCwd, root, O_RDONLY | O_DIRECTORY));
  TRY(remove_tree(folder, kTrial));
  Cleanup remove([&] { std::ignore = remove_tree(folder, kTrial); });
  std::string place = cat(root, "/", kTrial);
  snapshot::MountPlan plan;
  plan.lower = {{snapshot::LayerSource::Kind::kFolder, place + "/lower", ""}};
  plan.upper = place + "/upper";
  plan.work = place + "/work";
  TRY_ASSIGN(plan.userxattr, in_user_namespace());
  for (const std::string& path : {plan.lower.front().path, plan.upper, plan.work}) {
    TRY(make_dirs(path, 0700));
  }
  TRY_ASSIGN(MountFd mounted, snapshot::mount(plan));
  // Some are mounted all the same, to be read alone.
  TRY_ASSIGN(Fd file, open_at(mounted.fd(), "file", O_WRONLY | O_CREAT, 0600));
  return {};
}

}  // namespace

Result<std::unique_ptr<snapshot::Snapshotter>> open_snapshots(const std::string& root,
                                                              const std::string& driver,
                                                              metadata::Database& database) {
  bool had_overlay = is_there(cat(root, "/", kOverlayFolder));
  bool had_copy = is_there(cat(root, "/", kCopyFolder));
  bool copies = driver == "vfs" || driver == "native";
  if (!driver.empty() && (copies ? had_overlay : had_copy)) {
    return fail(Code::kFailedPrecondition,
                cat("storage-driver: ", root, " has been used with ", copies ? "overlay2" : "vfs",
                    ", and has its images and containers"));
  }
  if (driver.empty()) {
    copies = had_copy;
    if (!had_copy && !had_overlay) {
      if (auto works = try_overlay(root); !works) {
        log::warning(cat("overlayfs does not work on ", root,
                         ", so that each layer is a copy: ", works.error().message()));
        copies = true;
      }
    }
  }
  if (copies) return snapshot::open_copy(cat(root, "/", kCopyFolder), database);
  return snapshot::open_overlay(cat(root, "/", kOverlayFolder), database);
}

}  // namespace dhow::engine
