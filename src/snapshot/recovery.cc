// SPDX-License-Identifier: Apache-2.0
// How a LocalSnapshotter puts rows and folders right.
#include <set>

#include "base/log.h"
#include "base/strings.h"
#include "metadata/boot.h"
#include "snapshot/local_snapshotter.h"

namespace dhow::snapshot {

using metadata::Transaction;

Result<std::unique_ptr<Snapshotter>> LocalSnapshotter::open(const std::string& folder,
                                                            metadata::Database& database,
                                                            std::unique_ptr<Backend> backend) {
  TRY_ASSIGN(std::unique_ptr<Folders> folders, Folders::open(folder));
  std::unique_ptr<LocalSnapshotter> snapshotter(
      new LocalSnapshotter(std::move(folders), database, std::move(backend)));
  TRY_CONTEXT(snapshotter->recover(), cat("recover the snapshots in ", quoted(folder)));
  return std::unique_ptr<Snapshotter>(std::move(snapshotter));
}

Status LocalSnapshotter::recover() {
  TRY(folders_->forget_fresh());
  TRY(database_.write([&](Transaction& transaction) -> Status {
    return recover_rows(Rows(transaction, backend_->name()));
  }));
  return database_.write([&](Transaction& transaction) -> Status {
    Rows rows(transaction, backend_->name());
    TRY(settle_discarded(rows));
    return settle_present(rows);
  });
}

bool LocalSnapshotter::recover_folder(const Record& record) const {
  // A transaction that never came to its end took it away.
  if (!folders_->exists(record.id) && !folders_->restore(record.id)) return false;
  auto folder = folders_->open(record.id);
  return folder && backend_->is_whole(*folder, record.info.kind);
}

Status LocalSnapshotter::recover_rows(const Rows& rows) const {
  TRY_ASSIGN(std::vector<Record> records, rows.list());
  std::set<std::int64_t> lost;
  for (const Record& record : records) {
    if (record.is_draft) {
      TRY(drop(rows, record));
      continue;
    }
    bool is_there = !record.is_lost && recover_folder(record);
    if (record.info.kind != Kind::kCommitted) {
      if (is_there) continue;
      log::warning(cat("the content of the snapshot ", quoted(record.info.name), " is gone"));
      TRY(drop(rows, record));
      continue;
    }
    bool is_synced = record.boot.empty() || record.boot == metadata::boot_id();
    if (is_there && is_synced && !lost.contains(record.parent)) continue;
    lost.insert(record.id);
    if (record.is_lost) continue;
    log::warning(cat("the layer ", quoted(record.info.name),
                     " may be damaged: it has to be unpacked again"));
    TRY(rows.set_lost(record.id));
    TRY(folders_->discard(record.id));
  }
  // Those that stand on others first; what nothing stands on needs no place.
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    if (!lost.contains(record->id)) continue;
    TRY_ASSIGN(bool is_needed, rows.has_children(record->id));
    if (!is_needed) TRY(rows.remove(record->id));
  }
  return {};
}

// Inside a transaction that writes, so that no other one is between its rename and its end: what is
// in the trash then, and has a row, was brought there by one that failed.
Status LocalSnapshotter::settle_discarded(const Rows& rows) const {
  TRY_ASSIGN(std::vector<std::int64_t> discarded, folders_->list_discarded());
  for (std::int64_t id : discarded) {
    TRY_ASSIGN(bool is_known, rows.contains(id));
    if (is_known && folders_->restore(id)) continue;
    TRY(folders_->forget_discarded(id));
  }
  return {};
}

Status LocalSnapshotter::settle_present(const Rows& rows) const {
  TRY_ASSIGN(std::vector<std::int64_t> present, folders_->list());
  for (std::int64_t id : present) {
    TRY_ASSIGN(bool is_known, rows.contains(id));
    if (!is_known) TRY(folders_->forget(id));
  }
  return {};
}

Status LocalSnapshotter::empty_trash() {
  TRY(database_.write([&](Transaction& transaction) -> Status {
    return settle_discarded(Rows(transaction, backend_->name()));
  }));
  // Else a power loss could bring the rows back, but not what they were for.
  TRY(database_.sync());
  return folders_->reclaim();
}

}  // namespace dhow::snapshot
