// SPDX-License-Identifier: Apache-2.0
#include "image/image_store.h"

#include <optional>

#include "base/strings.h"

namespace dhow::image {
namespace {

using metadata::Row;
using metadata::Transaction;

constexpr std::string_view kSelect =
    "SELECT name, digest, media_type, size, created, updated, labels FROM image WHERE namespace = "
    "?";

std::unexpected<Error> no_image(std::string_view name) {
  return fail(Code::kNotFound, cat("image ", quoted(name), " not found"));
}

Result<Record> read_record(const Row& row) {
  Record record;
  record.name = row.text(0);
  TRY_ASSIGN(record.digest, Digest::parse(row.text(1)));
  record.media_type = row.text(2);
  record.size = row.integer(3);
  record.created = row.integer(4);
  record.updated = row.integer(5);
  TRY_ASSIGN(record.labels, metadata::parse_labels(row.text(6)));
  return record;
}

Result<std::optional<Record>> find(Transaction& transaction, std::string_view name_space,
                                   std::string_view name) {
  std::optional<Record> found;
  TRY(transaction.query(cat(kSelect, " AND name = ?"), {std::string(name_space), std::string(name)},
                        [&](const Row& row) -> Status {
                          TRY_ASSIGN(found, read_record(row));
                          return {};
                        }));
  return found;
}

}  // namespace

Result<Record> Store::put(std::string_view name_space, Record record) {
  record.created = record.updated = metadata::now();
  auto status = database_.write([&](Transaction& transaction) -> Status {
    TRY_ASSIGN(std::optional<Record> before, find(transaction, name_space, record.name));
    if (before) record.created = before->created;
    TRY(transaction.run(
        "INSERT OR REPLACE INTO image"
        " (namespace, name, digest, media_type, size, created, updated, labels)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        {std::string(name_space), record.name, record.digest.text(), record.media_type, record.size,
         record.created, record.updated, metadata::labels_json(record.labels)}));
    return {};
  });
  if (!status) {
    if (status.error().code() != Code::kFailedPrecondition) return std::unexpected(status.error());
    return fail(Code::kFailedPrecondition, cat("image ", quoted(record.name), ": blob ",
                                               record.digest.text(), " is not there"));
  }
  TRY(database_.sync());
  return record;
}

Result<Record> Store::get(std::string_view name_space, std::string_view name) const {
  std::optional<Record> found;
  TRY(database_.read([&](Transaction& transaction) -> Status {
    TRY_ASSIGN(found, find(transaction, name_space, name));
    return {};
  }));
  if (!found) return no_image(name);
  return std::move(*found);
}

Result<std::vector<Record>> Store::list(std::string_view name_space) const {
  std::vector<Record> records;
  TRY(database_.read([&](Transaction& transaction) {
    return transaction.query(cat(kSelect, " ORDER BY name"), {std::string(name_space)},
                             [&](const Row& row) -> Status {
                               TRY_ASSIGN(Record record, read_record(row));
                               records.push_back(std::move(record));
                               return {};
                             });
  }));
  return records;
}

Status Store::remove(std::string_view name_space, std::string_view name) {
  TRY(database_.write([&](Transaction& transaction) -> Status {
    TRY_ASSIGN(std::int64_t removed,
               transaction.run("DELETE FROM image WHERE namespace = ? AND name = ?",
                               {std::string(name_space), std::string(name)}));
    return removed == 0 ? no_image(name) : Status();
  }));
  return database_.sync();
}

}  // namespace dhow::image
