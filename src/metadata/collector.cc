// SPDX-License-Identifier: Apache-2.0
#include "metadata/collector.h"

#include <vector>

#include "metadata/lease_store.h"

namespace dhow::metadata {
namespace {

// Everything that is needed, as a temporary table: both sweeps look at it. UNION ends cycles.
constexpr std::string_view kMark = R"sql(
INSERT INTO temp.live (kind, target)
WITH RECURSIVE live (kind, target) AS (
  SELECT 'blob', digest FROM image
  UNION SELECT kind, target FROM lease_resource
  UNION SELECT 'snapshot', name FROM snapshot WHERE kind <> 'committed'
  UNION SELECT reference.kind, reference.target FROM live
    JOIN reference ON live.kind = 'blob' AND reference.holder = live.target
  UNION SELECT 'snapshot', lower.name FROM live
    JOIN snapshot AS upper ON live.kind = 'snapshot' AND upper.name = live.target
    JOIN snapshot AS lower ON lower.id = upper.parent
)
SELECT kind, target FROM live)sql";

constexpr std::string_view kDeadBlobs = R"sql(
SELECT digest, '', 0 FROM blob
WHERE NOT EXISTS (SELECT 1 FROM temp.live WHERE kind = 'blob' AND target = digest))sql";

constexpr std::string_view kDeadSnapshots = R"sql(
SELECT name, snapshotter, id FROM snapshot
WHERE NOT EXISTS (SELECT 1 FROM temp.live WHERE live.kind = 'snapshot' AND target = name))sql";

Status mark(Transaction& transaction) {
  TRY(
      transaction.run("CREATE TEMP TABLE IF NOT EXISTS live"
                      " (kind TEXT, target TEXT, PRIMARY KEY (kind, target)) WITHOUT ROWID"));
  TRY(transaction.run("DELETE FROM temp.live"));
  TRY(transaction.run(kMark));
  return {};
}

Result<std::vector<Garbage>> find(Transaction& transaction, std::string_view sql) {
  std::vector<Garbage> garbage;
  TRY(transaction.query(sql, {}, [&](const Row& row) -> Status {
    garbage.push_back({row.text(0), row.text(1), row.integer(2)});
    return {};
  }));
  return garbage;
}

Result<std::size_t> sweep_blobs(Transaction& transaction, const Collector::Remover& remove) {
  TRY_ASSIGN(std::vector<Garbage> garbage, find(transaction, kDeadBlobs));
  for (const Garbage& blob : garbage) {
    TRY(transaction.run("DELETE FROM blob WHERE digest = ?", {blob.name}));
    TRY(remove(blob));
  }
  return garbage.size();
}

Result<std::size_t> sweep_snapshots(Transaction& transaction, const Collector::Remover& remove) {
  TRY_ASSIGN(std::vector<Garbage> garbage, find(transaction, kDeadSnapshots));
  for (const Garbage& snapshot : garbage) {
    TRY(transaction.run("DELETE FROM snapshot WHERE id = ?", {snapshot.id}));
    TRY(remove(snapshot));
  }
  return garbage.size();
}

}  // namespace

Result<Collector::Counts> Collector::collect() {
  Counts counts;
  TRY(database_.write([&](Transaction& transaction) -> Status {
    // A parent may go before its children, as long as all are gone in the end.
    TRY(transaction.run("PRAGMA defer_foreign_keys = ON"));
    TRY_ASSIGN(std::int64_t leases,
               transaction.run("DELETE FROM lease WHERE expires <= ?", {now()}));
    counts.leases = static_cast<std::size_t>(leases);
    TRY(mark(transaction));
    TRY_ASSIGN(counts.blobs, sweep_blobs(transaction, remove_blob_));
    TRY_ASSIGN(counts.snapshots, sweep_snapshots(transaction, remove_snapshot_));
    return {};
  }));
  return counts;
}

}  // namespace dhow::metadata
