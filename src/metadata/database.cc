// SPDX-License-Identifier: Apache-2.0
#include "metadata/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <mutex>

#include "base/cleanup.h"
#include "base/strings.h"
#include "metadata/migrations.h"
#include "sys/file_io.h"

namespace dhow::metadata {
namespace {

Code code_of(int result) {
  switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Code::kUnavailable;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return Code::kDataLoss;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
      return Code::kResourceExhausted;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return Code::kPermissionDenied;
    case SQLITE_CONSTRAINT: {
      bool taken = result == SQLITE_CONSTRAINT_PRIMARYKEY || result == SQLITE_CONSTRAINT_UNIQUE;
      return taken ? Code::kAlreadyExists : Code::kFailedPrecondition;
    }
    default:
      return Code::kInternal;
  }
}

std::unexpected<Error> failure(sqlite3* db, std::string_view what) {
  int result = sqlite3_extended_errcode(db);
  return fail(code_of(result), cat(what, ": ", sqlite3_errmsg(db)));
}

using StatementPtr = std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)>;

// One connection with its prepared statements; used by one thread at a time.
class Connection final : public Transaction {
 public:
  static Result<std::unique_ptr<Connection>> open(const std::string& path, bool writer);
  ~Connection() override {
    statements_.clear();
    sqlite3_close(db_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<std::int64_t> run(std::string_view sql, const std::vector<Parameter>& parameters) override;
  Status query(std::string_view sql, const std::vector<Parameter>& parameters,
               const std::function<Status(const Row&)>& each) override;
  // Statements without parameters or results, as a migration has them.
  Status script(const char* sql);
  Result<int> pragma(std::string_view name);

  // begin ... commit around `body`, or rollback when it fails.
  Status transact(const char* begin, const std::function<Status(Transaction&)>& body);

 private:
  Connection() = default;
  // A prepared statement with its parameters bound, which the caller resets.
  Result<sqlite3_stmt*> bound(std::string_view sql, const std::vector<Parameter>& parameters);

  sqlite3* db_ = nullptr;
  std::map<std::string, StatementPtr, std::less<>> statements_;
};

class StatementRow final : public Row {
 public:
  explicit StatementRow(sqlite3_stmt* statement) : statement_(statement) {}
  std::int64_t integer(int column) const override {
    return sqlite3_column_int64(statement_, column);
  }
  std::string text(int column) const override {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return bytes == nullptr ? std::string() : std::string(bytes, size);
  }
  bool is_null(int column) const override {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
  }

 private:
  sqlite3_stmt* statement_;
};

// Ready for its next run, with no pointer to parameters that are gone.
void rest(sqlite3_stmt* statement) {
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
}

int bind(sqlite3_stmt* statement, int index, const Parameter& parameter) {
  if (const auto* number = std::get_if<std::int64_t>(&parameter)) {
    return sqlite3_bind_int64(statement, index, *number);
  }
  if (const auto* text = std::get_if<std::string>(&parameter)) {
    // The parameters outlive the statement's run.
    return sqlite3_bind_text64(statement, index, text->data(), text->size(), SQLITE_STATIC,
                               SQLITE_UTF8);
  }
  return sqlite3_bind_null(statement, index);
}

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, bool writer) {
  std::unique_ptr<Connection> connection(new Connection);
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
              (writer ? SQLITE_OPEN_CREATE : 0);
  if (sqlite3_open_v2(path.c_str(), &connection->db_, flags, nullptr) != SQLITE_OK) {
    return failure(connection->db_, cat("open the database ", quoted(path)));
  }
  sqlite3_busy_timeout(connection->db_, Database::kBusySeconds * 1000);
  // NORMAL: a commit is in the log, which is synced at checkpoints and by sync() alone.
  auto status = connection->script(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;"
      "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;");
  if (!status) {
    return std::unexpected(
        std::move(status).error().add_context(cat("open the database ", quoted(path))));
  }
  return connection;
}

Result<sqlite3_stmt*> Connection::bound(std::string_view sql,
                                        const std::vector<Parameter>& parameters) {
  auto found = statements_.find(sql);
  if (found == statements_.end()) {
    sqlite3_stmt* statement = nullptr;
    int result = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                    SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (result != SQLITE_OK) return failure(db_, sql);
    found = statements_.emplace(std::string(sql), StatementPtr(statement, sqlite3_finalize)).first;
  }
  sqlite3_stmt* statement = found->second.get();
  if (sqlite3_stmt_busy(statement) != 0) {
    return fail(Code::kInternal, cat("run inside its own query: ", sql));
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (bind(statement, static_cast<int>(i) + 1, parameters[i]) != SQLITE_OK) {
      return failure(db_, sql);
    }
  }
  return statement;
}

Result<std::int64_t> Connection::run(std::string_view sql,
                                     const std::vector<Parameter>& parameters) {
  TRY_ASSIGN(sqlite3_stmt * statement, bound(sql, parameters));
  Cleanup reset([&] { rest(statement); });
  int result = sqlite3_step(statement);
  if (result != SQLITE_DONE && result != SQLITE_ROW) return failure(db_, sql);
  return sqlite3_changes64(db_);
}

Status Connection::query(std::string_view sql, const std::vector<Parameter>& parameters,
                         const std::function<Status(const Row&)>& each) {
  TRY_ASSIGN(sqlite3_stmt * statement, bound(sql, parameters));
  Cleanup reset([&] { rest(statement); });
  int result = SQLITE_ROW;
  while ((result = sqlite3_step(statement)) == SQLITE_ROW) TRY(each(StatementRow(statement)));
  if (result != SQLITE_DONE) return failure(db_, sql);
  return {};
}

Status Connection::script(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return failure(db_, "run SQL");
  return {};
}

Result<int> Connection::pragma(std::string_view name) {
  int value = 0;
  TRY(query(cat("PRAGMA ", name), {}, [&](const Row& row) -> Status {
    value = static_cast<int>(row.integer(0));
    return {};
  }));
  return value;
}

Status Connection::transact(const char* begin, const std::function<Status(Transaction&)>& body) {
  TRY_CONTEXT(script(begin), "begin a transaction");
  Cleanup rollback([&] { sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr); });
  TRY(body(*this));
  TRY_CONTEXT(script("COMMIT"), "commit a transaction");
  rollback.dismiss();
  return {};
}

Status migrate(Connection& connection, const std::string& path) {
  TRY_ASSIGN(int found, connection.pragma("user_version"));
  if (found == schema_version()) return {};
  return connection.transact("BEGIN EXCLUSIVE", [&](Transaction&) -> Status {
    // Another process may have been faster.
    TRY_ASSIGN(int from, connection.pragma("user_version"));
    if (from > schema_version()) {
      return fail(Code::kFailedPrecondition,
                  cat("the database ", quoted(path), " has version ", from,
                      " of the schema; this program knows them up to ", schema_version()));
    }
    for (int version = from; version < schema_version(); ++version) {
      TRY_CONTEXT(connection.script(kMigrations[static_cast<std::size_t>(version)]),
                  cat("bring ", quoted(path), " to version ", version + 1, " of the schema"));
    }
    return connection.script(cat("PRAGMA user_version = ", schema_version()).c_str());
  });
}

}  // namespace

struct Database::Impl {
  std::string path;
  std::mutex writer_mutex;
  std::unique_ptr<Connection> writer;
  mutable std::mutex readers_mutex;
  mutable std::vector<std::unique_ptr<Connection>> readers;  // those that rest
};

int schema_version() { return static_cast<int>(kMigrations.size()); }

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Database::~Database() = default;

Result<std::unique_ptr<Database>> Database::open(const std::string& path) {
  std::size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0) TRY(make_dirs(path.substr(0, slash), 0711));
  // SQLite would make it with 0644, and its other files with the mode of this one.
  TRY_ASSIGN(Fd file, open_at(kCwd, path, O_RDWR | O_CREAT, 0600));
  file.reset();
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  TRY_ASSIGN(impl->writer, Connection::open(path, true));
  TRY(migrate(*impl->writer, path));
  return std::unique_ptr<Database>(new Database(std::move(impl)));
}

Status Database::write(const std::function<Status(Transaction&)>& body) {
  std::lock_guard lock(impl_->writer_mutex);
  return impl_->writer->transact("BEGIN IMMEDIATE", body);
}

Status Database::read(const std::function<Status(Transaction&)>& body) const {
  std::unique_ptr<Connection> connection;
  {
    std::lock_guard lock(impl_->readers_mutex);
    if (!impl_->readers.empty()) {
      connection = std::move(impl_->readers.back());
      impl_->readers.pop_back();
    }
  }
  if (!connection) {
    TRY_ASSIGN(connection, Connection::open(impl_->path, false));
    TRY(connection->script("PRAGMA query_only = ON"));
  }
  Status status = connection->transact("BEGIN", body);
  std::lock_guard lock(impl_->readers_mutex);
  impl_->readers.push_back(std::move(connection));
  return status;
}

Status Database::sync() {
  std::lock_guard lock(impl_->writer_mutex);
  TRY_ASSIGN(Fd log, open_at(kCwd, cat(impl_->path, "-wal"), O_RDWR));
  if (::fsync(log.get()) != 0) return fail_errno(errno, cat("sync ", quoted(impl_->path)));
  return {};
}

}  // namespace dhow::metadata
