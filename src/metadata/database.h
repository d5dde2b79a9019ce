// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace dhow::metadata {

// What a statement is given for a '?': nothing is NULL.
using Parameter = std::variant<std::monostate, std::int64_t, std::string>;

// A row of a result: valid until the callback that got it returns.
class Row {
 public:
  virtual std::int64_t integer(int column) const = 0;
  virtual std::string text(int column) const = 0;
  virtual bool is_null(int column) const = 0;

 protected:
  ~Row() = default;
};

// The statements of one transaction; valid during the call that got it, on its thread.
class Transaction {
 public:
  virtual ~Transaction() = default;
  // Runs one statement without a result and tells how many rows it changed. A violated constraint
  // is kAlreadyExists (a key that is taken) or kFailedPrecondition (a reference to or from the
  // row).
  virtual Result<std::int64_t> run(std::string_view sql,
                                   const std::vector<Parameter>& parameters) = 0;
  // Calls `each` with every row; a failure that it returns ends the query and is returned. `each`
  // may run other statements, not this one.
  virtual Status query(std::string_view sql, const std::vector<Parameter>& parameters,
                       const std::function<Status(const Row&)>& each) = 0;
  Result<std::int64_t> run(std::string_view sql) { return run(sql, {}); }
};

// What dhow knows, in one SQLite file with a write-ahead log: readers never wait, writers take
// turns. A transaction that returned success survives the death of the process at once, and a power
// loss from the next sync() on: images are synced when they are named, containers are not. Thread
// safe; calls block on the disk, writers for at most `kBusySeconds` on those of another process
// (kUnavailable).
class Database {
 public:
  static constexpr int kBusySeconds = 10;

  // Opens the file, making it (mode 0600) and its folder when missing, and brings an older schema
  // up to date in one transaction. A schema newer than this program's is kFailedPrecondition, a
  // file that is no database or damaged kDataLoss; both are left as they are.
  static Result<std::unique_ptr<Database>> open(const std::string& path);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  // Runs `body` in a transaction that may write: all of it happens, or, when it fails, none. Not to
  // be nested.
  Status write(const std::function<Status(Transaction&)>& body);
  // Runs `body` on one consistent state, beside any writer.
  Status read(const std::function<Status(Transaction&)>& body) const;
  // Returns when everything written is on the disk.
  Status sync();

 private:
  struct Impl;
  explicit Database(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

// The version of the schema that this program writes.
int schema_version();

}  // namespace dhow::metadata
