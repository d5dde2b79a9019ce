// SPDX-License-Identifier: Apache-2.0
#include "volume/volume_store.h"

#include <algorithm>
#include <optional>

#include "base/log.h"
#include "base/strings.h"
#include "sys/random_name.h"
#include "volume/folders.h"
#include "volume/local_options.h"

namespace dhow::volume {
namespace {

using metadata::Row;
using metadata::Transaction;

constexpr std::string_view kSelectVolume =
    "SELECT name, driver, options, labels, created, owner FROM volume";
// What nobody uses, of those whose owner is gone.
constexpr std::string_view kForsaken =
    "SELECT name FROM volume WHERE owner IS NOT NULL AND (? = '' OR owner = ?)"
    " AND NOT EXISTS (SELECT 1 FROM container WHERE container.id = volume.owner)"
    " AND NOT EXISTS (SELECT 1 FROM volume_use WHERE volume_use.volume = volume.name)";

std::unexpected<Error> no_volume(std::string_view name) {
  return fail(Code::kNotFound, cat("get ", name, ": no such volume"));
}

Result<Record> read_volume(const Row& row) {
  Record record;
  record.name = row.text(0);
  record.driver = row.text(1);
  TRY_ASSIGN(record.options, metadata::parse_labels(row.text(2)));
  TRY_ASSIGN(record.labels, metadata::parse_labels(row.text(3)));
  record.created = row.integer(4);
  if (!row.is_null(5)) record.owner = row.text(5);
  return record;
}

Result<std::optional<Record>> find_volume(Transaction& transaction, std::string_view name) {
  std::optional<Record> found;
  TRY(transaction.query(cat(kSelectVolume, " WHERE name = ?"), {std::string(name)},
                        [&](const Row& row) -> Status {
                          TRY_ASSIGN(found, read_volume(row));
                          return {};
                        }));
  return found;
}

Status insert_volume(Transaction& transaction, const Record& record) {
  metadata::Parameter owner;
  if (!record.owner.empty()) owner = record.owner;
  TRY(
      transaction.run("INSERT INTO volume (name, driver, options, labels, created, owner)"
                      " VALUES (?, ?, ?, ?, ?, ?)",
                      {record.name, record.driver, metadata::labels_json(record.options),
                       metadata::labels_json(record.labels), record.created, owner}));
  return {};
}

Result<std::vector<std::string>> texts_of(Transaction& transaction, std::string_view sql,
                                          const std::vector<metadata::Parameter>& parameters) {
  std::vector<std::string> texts;
  TRY(transaction.query(sql, parameters, [&](const Row& row) -> Status {
    texts.push_back(row.text(0));
    return {};
  }));
  return texts;
}

Status check_options(const metadata::Labels& given, const Folders& folders) {
  TRY_ASSIGN(LocalOptions options, LocalOptions::parse(given));
  if (options.size == 0 || folders.check_limits()) return {};
  return fail(Code::kInvalidArgument, "quota size requested but no quota support");
}

// What its content may take: bytes; 0: no limit.
std::int64_t limit_of(const Record& record) {
  if (record.driver != kLocalDriver) return 0;
  auto options = LocalOptions::parse(record.options);
  return options ? options->size : 0;
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// The folders that were kept when their containers went without them, before volumes had rows.
bool is_old_name(std::string_view name) {
  return name.size() == 64 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

Result<std::string> make_volume_name() {
  TRY_ASSIGN(std::string first, random_name());
  TRY_ASSIGN(std::string second, random_name());
  return first + second;
}

Status check_name(std::string_view name) {
  if (name.size() == 1) {
    return fail(Code::kInvalidArgument,
                cat("create ", name,
                    ": volume name is too short, names should be at least two alphanumeric "
                    "characters"));
  }
  bool fits = !name.empty() && name.size() <= 255 && is_plain(name.front()) &&
              std::ranges::all_of(
                  name, [](char c) { return is_plain(c) || c == '_' || c == '.' || c == '-'; });
  if (fits) return {};
  return fail(Code::kInvalidArgument,
              cat("create ", name, ": ", quoted(name),
                  " includes invalid characters for a local volume name, only "
                  "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host "
                  "directory, use absolute path"));
}

Status check_driver(std::string_view name, std::string_view driver) {
  if (driver.empty() || driver == kLocalDriver) return {};
  return fail(Code::kNotFound, cat("create ", name, ": error looking up volume plugin ", driver,
                                   ": plugin ", quoted(driver), " not found"));
}

Store::Store(metadata::Database& database, std::unique_ptr<Folders> folders)
    : database_(database), folders_(std::move(folders)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const std::string& path, metadata::Database& database,
                                           RemoveTree remove_tree) {
  TRY_ASSIGN(auto folders, Folders::open(path, std::move(remove_tree)));
  std::unique_ptr<Store> store(new Store(database, std::move(folders)));
  TRY(store->recover());
  return store;
}

Status Store::recover() {
  TRY_ASSIGN(std::vector<std::string> discarded, folders_->list_discarded());
  TRY_ASSIGN(std::vector<Record> rows, list());
  auto has_row = [&](const std::string& name) {
    return std::ranges::find(rows, name, &Record::name) != rows.end();
  };
  for (const std::string& name : discarded) {
    // A removal that died: before its row went, or after.
    if (has_row(name)) {
      folders_->restore(name);
    } else {
      TRY(folders_->forget(name));
    }
  }
  TRY(convert_old());
  for (const Record& row : rows) {
    if (!folders_->exists(row.name)) TRY(folders_->make(row.name, limit_of(row)));
    folders_->drop_drafts(row.name);
  }
  TRY_ASSIGN(rows, list());
  TRY_ASSIGN(std::vector<std::string> names, folders_->list());
  for (const std::string& name : names) {
    // A creation that died. Whatever holds files is not for us to judge.
    if (has_row(name) || folders_->drop_empty(name)) continue;
    log::warning(cat("the folder ", folders_->path(name), " belongs to no volume, and stays"));
  }
  return {};
}

Status Store::convert_old() const {
  TRY_ASSIGN(std::vector<std::string> names, folders_->list_adopted());
  if (!folders_->has_layout()) {
    TRY_ASSIGN(std::vector<std::string> old, folders_->list());
    for (const std::string& name : old) {
      // Those that have a row have come to their place already.
      if (!is_old_name(name) || get(name)) continue;
      TRY(folders_->begin_adoption(name, folders_->path(name)));
    }
    TRY_ASSIGN(names, folders_->list_adopted());
  }
  for (const std::string& name : names) {
    Record record;
    record.name = name;
    record.labels.emplace(kAnonymousLabel, "");
    record.created = metadata::now();
    TRY(database_.write([&](Transaction& transaction) -> Status {
      TRY_ASSIGN(auto there, find_volume(transaction, name));
      return there ? Status() : insert_volume(transaction, record);
    }));
    TRY(folders_->finish_adoption(name));
  }
  return folders_->set_layout();
}

Result<Store::Created> Store::create(Record wanted, const Also& also, bool has_driver) {
  if (!has_driver) TRY(check_driver(wanted.name, wanted.driver));
  // Whoever asks for none is content with what is there.
  bool any_driver = wanted.driver.empty();
  if (any_driver) wanted.driver = kLocalDriver;
  if (wanted.name.empty()) {
    TRY_ASSIGN(wanted.name, make_volume_name());
    wanted.labels.emplace(kAnonymousLabel, "");
  }
  TRY(check_name(wanted.name));
  if (wanted.driver == kLocalDriver) {
    TRY_CONTEXT(check_options(wanted.options, *folders_), cat("create ", wanted.name));
  }
  wanted.created = metadata::now();
  Created made;
  TRY(database_.write([&](Transaction& transaction) -> Status {
    TRY_ASSIGN(std::optional<Record> there, find_volume(transaction, wanted.name));
    if (there && !any_driver && there->driver != wanted.driver) {
      return fail(Code::kAlreadyExists,
                  cat("create ", wanted.name, ": conflict: volume name must be unique"));
    }
    made = {there ? std::move(*there) : wanted, !there};
    if (!made.fresh) return {};
    TRY(insert_volume(transaction, wanted));
    TRY(folders_->make(wanted.name, limit_of(wanted)));
    return also ? also(transaction, wanted) : Status();
  }));
  return made;
}

Status Store::adopt(Record wanted, const std::string& from) {
  if (wanted.created == 0) wanted.created = metadata::now();
  TRY(check_name(wanted.name));
  // Until it has come to its place, the next start goes on with it.
  if (!folders_->exists(wanted.name)) TRY(folders_->begin_adoption(wanted.name, from));
  TRY(database_.write([&](Transaction& transaction) -> Status {
    TRY_ASSIGN(auto there, find_volume(transaction, wanted.name));
    return there ? Status() : insert_volume(transaction, wanted);
  }));
  TRY(folders_->finish_adoption(wanted.name));
  return folders_->exists(wanted.name) ? Status() : folders_->make(wanted.name, 0);
}

Result<Record> Store::get(std::string_view name) const {
  std::optional<Record> found;
  TRY(database_.read([&](Transaction& transaction) -> Status {
    TRY_ASSIGN(found, find_volume(transaction, name));
    return {};
  }));
  if (!found) return no_volume(name);
  return std::move(*found);
}

Result<std::vector<Record>> Store::list() const {
  std::vector<Record> records;
  TRY(database_.read([&](Transaction& transaction) {
    return transaction.query(cat(kSelectVolume, " ORDER BY name"), {},
                             [&](const Row& row) -> Status {
                               TRY_ASSIGN(Record record, read_volume(row));
                               records.push_back(std::move(record));
                               return {};
                             });
  }));
  return records;
}

Result<std::vector<std::string>> Store::users(std::string_view name) const {
  std::vector<std::string> ids;
  TRY(database_.read([&](Transaction& transaction) -> Status {
    TRY_ASSIGN(ids, texts_of(transaction,
                             "SELECT container FROM volume_use WHERE volume = ? ORDER BY container",
                             {std::string(name)}));
    return {};
  }));
  return ids;
}

Status Store::remove(std::string_view name, const Also& also) {
  bool moved = false;
  auto removed = database_.write([&](Transaction& transaction) -> Status {
    moved = false;
    TRY_ASSIGN(std::optional<Record> there, find_volume(transaction, name));
    if (!there) return no_volume(name);
    TRY_ASSIGN(std::vector<std::string> ids,
               texts_of(transaction,
                        "SELECT container FROM volume_use WHERE volume = ? ORDER BY container",
                        {std::string(name)}));
    if (!ids.empty()) {
      return fail(Code::kFailedPrecondition,
                  cat("remove ", name, ": volume is in use - [", join(ids, ", "), "]"));
    }
    TRY(transaction.run("DELETE FROM volume WHERE name = ?", {std::string(name)}));
    if (also) TRY(also(transaction, *there));
    moved = true;
    return folders_->discard(name);
  });
  if (!removed) {
    if (moved) folders_->restore(name);
    return removed;
  }
  return folders_->forget(name);
}

Result<std::vector<std::string>> Store::forsaken(std::string_view owner) const {
  std::vector<std::string> names;
  TRY(database_.read([&](Transaction& transaction) -> Status {
    TRY_ASSIGN(names, texts_of(transaction, kForsaken, {std::string(owner), std::string(owner)}));
    return {};
  }));
  return names;
}

std::string Store::path(std::string_view name) const { return cat(folders_->path(name), "/_data"); }
Result<Store::Draft> Store::make_draft(std::string_view name) const {
  TRY_ASSIGN(Record record, get(name));
  return folders_->make_draft(name, limit_of(record));
}
Status Store::publish_draft(std::string_view name, const Draft& draft, bool replace) const {
  return folders_->publish_draft(name, draft.name, replace);
}
void Store::drop_draft(std::string_view name, const Draft& draft) const {
  folders_->drop_draft(name, draft.name);
}
Status Store::reclaim() const { return folders_->reclaim(); }

std::mutex& Store::filling(std::string_view name) const {
  return filling_[std::hash<std::string_view>()(name) % kLocks];
}

Status Store::use(Transaction& transaction, std::string_view name, std::string_view container) {
  auto used = transaction.run("INSERT OR IGNORE INTO volume_use (volume, container) VALUES (?, ?)",
                              {std::string(name), std::string(container)});
  if (used) return {};
  if (used.error().code() == Code::kFailedPrecondition) return no_volume(name);
  return std::unexpected(std::move(used).error());
}

Status Store::disown(Transaction& transaction, std::string_view container, bool keep) {
  std::string owner(container);
  std::string sql = "UPDATE volume SET owner = NULL WHERE owner = ?";
  if (!keep) sql += " AND name IN (SELECT volume FROM volume_use)";
  TRY(transaction.run(sql, {owner}));
  return {};
}

}  // namespace dhow::volume
