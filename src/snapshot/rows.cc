// SPDX-License-Identifier: Apache-2.0
#include "snapshot/rows.h"

#include <algorithm>
#include <map>

#include "base/strings.h"
#include "metadata/boot.h"

namespace dhow::snapshot {
namespace {

using metadata::Parameter;
using metadata::Row;

constexpr std::string_view kLost = "lost";

constexpr std::string_view kSelect =
    "SELECT own.id, own.parent, own.name, lower.name, own.kind, own.boot, own.created, own.updated,"
    " own.bytes, own.inodes, own.labels FROM snapshot AS own"
    " LEFT JOIN snapshot AS lower ON lower.id = own.parent ";

constexpr std::string_view kSelectChain =
    "WITH RECURSIVE chain (id, parent, name, boot, depth) AS ("
    " SELECT id, parent, name, boot, 0 FROM snapshot WHERE id = ?"
    " UNION ALL SELECT lower.id, lower.parent, lower.name, lower.boot, depth + 1"
    " FROM chain JOIN snapshot AS lower ON lower.id = chain.parent)"
    "SELECT id, parent, name, boot FROM chain ORDER BY depth";

Parameter number_or_null(std::int64_t number) {
  return number == 0 ? Parameter() : Parameter(number);
}

void read_boot(const Row& row, int column, Record& record) {
  if (!row.is_null(column)) record.boot = row.text(column);
  record.is_lost = record.boot == kLost;
}

Result<Record> read_record(const Row& row) {
  Record record;
  record.id = row.integer(0);
  record.parent = row.integer(1);
  record.info.name = row.text(2);
  record.info.parent = row.text(3);
  std::string kind = row.text(4);
  record.info.kind = kind == "committed" ? Kind::kCommitted
                     : kind == "view"    ? Kind::kView
                                         : Kind::kActive;
  record.is_draft = kind == "draft";
  read_boot(row, 5, record);
  record.info.created = row.integer(6);
  record.info.updated = row.integer(7);
  if (!row.is_null(8)) record.usage = Usage{row.integer(8), row.integer(9)};
  TRY_ASSIGN(record.info.labels, metadata::parse_labels(row.text(10)));
  return record;
}

}  // namespace

std::unexpected<Error> no_snapshot(std::string_view name) {
  return fail(Code::kNotFound, cat("snapshot ", quoted(name), " not found"));
}

Result<std::vector<Record>> Rows::select(std::string_view condition,
                                         std::vector<Parameter> parameters) const {
  std::vector<Record> records;
  TRY(transaction_.query(cat(kSelect, condition), parameters, [&](const Row& row) -> Status {
    TRY_ASSIGN(Record record, read_record(row));
    records.push_back(std::move(record));
    return {};
  }));
  return records;
}

Result<std::optional<Record>> Rows::find(std::string_view name) const {
  TRY_ASSIGN(std::vector<Record> found, select("WHERE own.snapshotter = ? AND own.name = ?",
                                               {snapshotter_, std::string(name)}));
  if (found.empty()) return std::optional<Record>();
  return std::optional<Record>(std::move(found.front()));
}

Result<Record> Rows::get(std::string_view name) const {
  TRY_ASSIGN(std::optional<Record> found, find(name));
  if (!found || found->is_lost) return no_snapshot(name);
  return std::move(*found);
}

Result<Record> Rows::get_parent(std::string_view name) const {
  TRY_ASSIGN(Record record, get(name));
  if (record.info.kind == Kind::kCommitted) return record;
  return fail(Code::kNotFound, cat("snapshot ", quoted(name), " is not committed"));
}

Result<std::vector<Record>> Rows::chain(const Record& record) const {
  std::vector<Record> chain;
  if (record.parent == 0) return chain;
  TRY(transaction_.query(kSelectChain, {record.parent}, [&](const Row& row) -> Status {
    Record lower;
    lower.id = row.integer(0);
    lower.parent = row.integer(1);
    lower.info.name = row.text(2);
    lower.info.kind = Kind::kCommitted;
    read_boot(row, 3, lower);
    if (lower.is_lost) {
      return fail(Code::kDataLoss, cat("the layer ", quoted(lower.info.name),
                                       " was lost: it has to be unpacked again"));
    }
    chain.push_back(std::move(lower));
    return {};
  }));
  return chain;
}

Result<std::vector<Record>> Rows::list() const {
  TRY_ASSIGN(std::vector<Record> records,
             select("WHERE own.snapshotter = ? ORDER BY own.id", {snapshotter_}));
  // Layers that were unpacked side by side have their ids in any order.
  std::map<std::int64_t, std::int64_t> parents;
  for (const Record& record : records) parents[record.id] = record.parent;
  auto depth = [&](const Record& record) {
    std::size_t count = 0;
    for (std::int64_t id = record.parent; id != 0; id = parents[id]) ++count;
    return count;
  };
  std::ranges::stable_sort(records, std::ranges::less(), depth);
  return records;
}

Result<bool> Rows::any(std::string_view query, std::vector<metadata::Parameter> parameters) const {
  bool found = false;
  TRY(transaction_.query(query, std::move(parameters), [&](const Row&) -> Status {
    found = true;
    return {};
  }));
  return found;
}

Result<bool> Rows::has_children(std::int64_t id) const {
  return any("SELECT 1 FROM snapshot WHERE parent = ? LIMIT 1", {id});
}

Result<bool> Rows::contains(std::int64_t id) const {
  return any("SELECT 1 FROM snapshot WHERE id = ? AND snapshotter = ? AND boot IS NOT ?",
             {id, snapshotter_, std::string(kLost)});
}

Result<std::int64_t> Rows::insert(const NewSnapshot& wanted, std::string_view kind,
                                  std::int64_t parent) const {
  std::int64_t now = metadata::now();
  auto inserted = transaction_.run(
      "INSERT INTO snapshot (snapshotter, name, parent, kind, created, updated, labels)"
      " VALUES (?, ?, ?, ?, ?, ?, ?)",
      {snapshotter_, wanted.key, number_or_null(parent), std::string(kind), now, now,
       metadata::labels_json(wanted.labels)});
  if (!inserted) {
    if (inserted.error().code() != Code::kAlreadyExists) {
      return std::unexpected(std::move(inserted).error());
    }
    return fail(Code::kAlreadyExists, cat("snapshot ", quoted(wanted.key), " already exists"));
  }
  std::int64_t id = 0;
  TRY(transaction_.query("SELECT last_insert_rowid()", {}, [&](const Row& row) -> Status {
    id = row.integer(0);
    return {};
  }));
  TRY(hold(wanted.lease, wanted.key));
  return id;
}

Status Rows::commit(const Record& record, const Commit& wanted, std::int64_t parent,
                    const Usage& usage) const {
  TRY_ASSIGN(std::optional<Record> other, find(wanted.name));
  if (other && !other->is_lost) {
    return fail(Code::kAlreadyExists, cat("snapshot ", quoted(wanted.name), " already exists"));
  }
  if (other) {
    TRY(transaction_.run("UPDATE snapshot SET parent = ? WHERE parent = ?",
                         {record.id, other->id}));
    TRY(remove(other->id));
  }
  TRY(transaction_.run(
      "UPDATE snapshot SET name = ?, parent = ?, kind = 'committed', boot = ?, updated = ?,"
      " bytes = ?, inodes = ?, labels = ? WHERE id = ?",
      {wanted.name, number_or_null(parent), metadata::boot_id(), metadata::now(), usage.bytes,
       usage.inodes, metadata::labels_json(wanted.labels), record.id}));
  return hold(wanted.lease, wanted.name);
}

Status Rows::set_labels(std::int64_t id, const metadata::Labels& labels) const {
  TRY(transaction_.run("UPDATE snapshot SET labels = ?, updated = ? WHERE id = ?",
                       {metadata::labels_json(labels), metadata::now(), id}));
  return {};
}

Status Rows::set_synced(std::int64_t id) const {
  TRY(transaction_.run("UPDATE snapshot SET boot = NULL WHERE id = ? AND boot IS NOT ?",
                       {id, std::string(kLost)}));
  return {};
}

Status Rows::set_lost(std::int64_t id) const {
  TRY(transaction_.run("UPDATE snapshot SET boot = ? WHERE id = ?", {std::string(kLost), id}));
  return {};
}

Status Rows::remove(std::int64_t id) const {
  TRY(transaction_.run("DELETE FROM snapshot WHERE id = ?", {id}));
  return {};
}

Status Rows::hold(const std::string& lease, const std::string& name) const {
  if (lease.empty()) return {};
  return metadata::LeaseStore::add(transaction_, lease, {metadata::ResourceKind::kSnapshot, name});
}

}  // namespace dhow::snapshot
