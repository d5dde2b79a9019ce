// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "metadata/database.h"
#include "snapshot/backend.h"
#include "snapshot/folders.h"
#include "snapshot/rows.h"
#include "snapshot/snapshotter.h"

namespace dhow::snapshot {

// Snapshots as folders of one folder (see Folders), what is known of them in the database. A
// snapshot's row and its folder come and go together: the folder is renamed inside the transaction,
// and what a crash left of either without the other is put right when the store is opened.
class LocalSnapshotter final : public Snapshotter {
 public:
  // Opens or makes the folder and recovers: drafts go, layers that were not synced before another
  // boot count as lost, with those that stand on them; snapshots without a folder, and folders
  // without a snapshot, go. An active snapshot on a lost layer stays, and can be mounted again when
  // that was unpacked again. The database is borrowed. One snapshotter a folder at a time
  // (kUnavailable).
  static Result<std::unique_ptr<Snapshotter>> open(const std::string& folder,
                                                   metadata::Database& database,
                                                   std::unique_ptr<Backend> backend);

  std::string_view name() const override { return backend_->name(); }
  Result<MountPlan> prepare(const NewSnapshot& wanted) override;
  Result<MountPlan> view(const NewSnapshot& wanted) override;
  Result<MountPlan> mounts(std::string_view key) const override;
  Status commit(const Commit& wanted) override;
  bool layers_apart() const override { return backend_->layers_apart(); }
  Result<Draft> begin_layer(const std::string& key) override;
  Result<Draft> begin_whole(const std::string& key, const std::string& parent) override;
  Status commit_layer(const Commit& wanted) override;
  Result<Info> stat(std::string_view name) const override;
  Result<std::vector<Info>> list() const override;
  Result<Usage> usage(std::string_view name) const override;
  Status set_labels(std::string_view name, const metadata::Labels& labels) override;
  Status remove(std::string_view name) override;
  Status sync(const std::vector<std::string>& names) override;
  Status check_quota() const override;
  Status set_quota(std::string_view key, std::int64_t bytes) override;
  metadata::Collector::Remover remover() override;
  Status empty_trash() override;

 private:
  LocalSnapshotter(std::unique_ptr<Folders> folders, metadata::Database& database,
                   std::unique_ptr<Backend> backend)
      : folders_(std::move(folders)), database_(database), backend_(std::move(backend)) {}

  struct Made {
    Record record;
    MountPlan plan;
  };
  Result<Made> make(const NewSnapshot& wanted, std::string_view kind, Purpose purpose);
  // One that is no draft, or one that is.
  Result<Record> find(std::string_view name) const;
  Result<Record> find_writable(std::string_view key, bool draft) const;
  Result<std::vector<Record>> lower_of(const Record& record) const;
  // The layer of that name and what it stands on; nothing for "".
  Result<std::vector<Record>> chain_of(std::string_view parent) const;
  std::vector<Place> places(const std::vector<Record>& records) const;
  MountPlan plan_of(const Record& record, const std::vector<Record>& lower) const;
  Status commit_as(const Commit& wanted, bool draft);
  // Removes a row, with its folder.
  Status drop(const Rows& rows, const Record& record) const;

  Status recover();
  Status recover_rows(const Rows& rows) const;
  // False: what the record says isn't there.
  bool recover_folder(const Record& record) const;
  Status settle_discarded(const Rows& rows) const;
  Status settle_present(const Rows& rows) const;

  std::unique_ptr<Folders> folders_;
  metadata::Database& database_;
  std::unique_ptr<Backend> backend_;
};

}  // namespace dhow::snapshot
