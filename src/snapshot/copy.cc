// SPDX-License-Identifier: Apache-2.0
#include "snapshot/copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "snapshot/local_snapshotter.h"
#include "snapshot/tree.h"

namespace dhow::snapshot {
namespace {

std::string root_of(const Place& place) { return cat(place.path, "/fs"); }

Result<Fd> make_folder(FdRef folder, const char* name) {
  if (::mkdirat(folder.get(), name, 0700) != 0) {
    return fail_errno(errno, cat("make the folder ", quoted(name)));
  }
  return open_at(folder, name, kOpenFolder);
}

class Copy final : public Backend {
 public:
  std::string_view name() const override { return "native"; }
  bool layers_apart() const override { return false; }
  Whiteouts whiteouts() const override { return Whiteouts::kRemove; }

  Status fill(FdRef folder, Purpose purpose, const std::vector<Place>& lower) const override {
    TRY_ASSIGN(Fd root, make_folder(folder, "fs"));
    if (::fchmod(root.get(), 0755) != 0) return fail_errno(errno, "set the mode of a root");
    // A view is the layer itself.
    if (lower.empty() || purpose == Purpose::kView) return {};
    TRY_ASSIGN(Fd below, open_at(kCwd, root_of(lower.front()), kOpenFolder));
    {
      TRY_ASSIGN(Fd links, make_folder(folder, "links"));
      TRY(copy_tree(below, root, links));
    }
    if (::unlinkat(folder.get(), "links", AT_REMOVEDIR) == 0) return {};
    return fail_errno(errno, "remove the folder of links");
  }

  MountPlan plan(const Place& own, Kind kind, const std::vector<Place>& lower) const override {
    MountPlan plan;
    if (kind == Kind::kActive) {
      plan.upper = root_of(own);
    } else {
      const Place& place = lower.empty() ? own : lower.front();
      plan.lower.push_back({LayerSource::Kind::kFolder, root_of(place), ""});
    }
    return plan;
  }

  Status seal(FdRef, const std::vector<Place>&) const override { return {}; }
  void trim(FdRef) const override {}

  Result<Usage> measure(FdRef folder, Kind) const override {
    TRY_ASSIGN(Fd root, open_at(folder, "fs", kOpenFolder));
    return measure_tree(root);
  }

  bool is_whole(FdRef folder, Kind) const override {
    return ::faccessat(folder.get(), "fs", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  }
};

}  // namespace

Result<std::unique_ptr<Snapshotter>> open_copy(const std::string& folder,
                                               metadata::Database& database) {
  return LocalSnapshotter::open(folder, database, std::make_unique<Copy>());
}

}  // namespace dhow::snapshot
