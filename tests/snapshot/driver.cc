// SPDX-License-Identifier: Apache-2.0
// snapshot-driver FOLDER: the life of some layers and snapshots, from wherever a run before it was
// ended. Exit status 1 and a message on a failure.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/strings.h"
#include "metadata/collector.h"
#include "metadata/lease_store.h"
#include "snapshot/overlay.h"
#include "sys/file_io.h"

namespace dhow::snapshot {
namespace {

constexpr std::string_view kLease = "keep";

class Driver {
 public:
  Driver(metadata::Database& database, Snapshotter& store) : database_(database), store_(store) {}

  Status run() {
    auto made = metadata::LeaseStore(database_).create(
        {.id = std::string(kLease), .created = 0, .expires = {}, .labels = {}});
    if (!made && made.error().code() != Code::kAlreadyExists) return fail(std::move(made).error());
    TRY(make_layer("c1", "", ""));
    TRY(make_layer("c2", "c1", ""));
    TRY(store_.sync({"c2"}));
    TRY(make_committed());
    TRY(make_layer("junk", "c1", ""));
    TRY(collect());
    return store_.empty_trash();
  }

 private:
  bool is_there(std::string_view name) const { return store_.stat(name).has_value(); }

  static Status put(FdRef folder, const std::string& name) {
    TRY_ASSIGN(Fd file, open_at(folder, name, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    return write_all(file, cat("content of ", name));
  }

  Status make_layer(const std::string& name, const std::string& parent, const std::string& lease) {
    if (is_there(name)) return {};
    {
      TRY_ASSIGN(Draft draft, store_.begin_layer(cat("draft of ", name)));
      TRY(put(draft.folder, cat(name, ".1")));
      TRY(put(draft.folder, cat(name, ".2")));
    }
    Commit commit;
    commit.key = cat("draft of ", name);
    commit.name = name;
    commit.parent = parent;
    commit.lease = lease;
    return store_.commit_layer(commit);
  }

  // c3, by way of a container on c2.
  Status make_committed() {
    if (is_there("c3")) return {};
    if (!is_there("container")) {
      NewSnapshot wanted;
      wanted.key = "container";
      wanted.parent = "c2";
      TRY(store_.prepare(wanted));
    }
    {
      TRY_ASSIGN(MountPlan plan, store_.mounts("container"));
      TRY_ASSIGN(MountFd root, mount(plan));
      TRY_ASSIGN(Fd folder, open_at(root.fd(), ".", O_RDONLY | O_DIRECTORY));
      TRY(put(folder, "c3.1"));
      TRY(put(folder, "c3.2"));
    }
    Commit commit;
    commit.key = "container";
    commit.name = "c3";
    commit.lease = kLease;
    return store_.commit(commit);
  }

  Status collect() {
    NewSnapshot wanted;
    wanted.key = "short";
    wanted.parent = "c3";
    if (!is_there("short")) TRY(store_.view(wanted));
    TRY(store_.remove("short"));
    auto no_blobs = [](const metadata::Garbage&) -> Status { return {}; };
    TRY(metadata::Collector(database_, no_blobs, store_.remover()).collect());
    return {};
  }

  metadata::Database& database_;
  Snapshotter& store_;
};

Status drive(const std::string& folder) {
  TRY_ASSIGN(auto database, metadata::Database::open(cat(folder, "/metadata.db")));
  OverlayOptions options;
  options.userxattr = false;
  TRY_ASSIGN(auto store, open_overlay(cat(folder, "/snapshots"), *database, options));
  return Driver(*database, *store).run();
}

}  // namespace
}  // namespace dhow::snapshot

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  auto status = dhow::snapshot::drive(argv[1]);
  if (status) return 0;
  ::dprintf(STDERR_FILENO, "%s\n", status.error().message().c_str());
  return 1;
}
