// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "metadata/database.h"

namespace dhow::metadata {

// Opens a database as after a power loss. The machine of a test was never off: what the boot before
// wrote has to be told that it is not of this one.
inline Result<std::unique_ptr<Database>> open_after_boot(const std::string& path) {
  TRY_ASSIGN(std::unique_ptr<Database> database, Database::open(path));
  TRY(database->write([](Transaction& transaction) -> Status {
    TRY(transaction.run("UPDATE snapshot SET boot = 'before' WHERE boot IS NOT NULL"));
    TRY(transaction.run("UPDATE blob SET boot = 'before' WHERE boot <> 'lost'"));
    return {};
  }));
  return database;
}

// A test with a database of its own, in a folder that goes with it.
class DatabaseFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/dhow-database.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    reopen();
  }
  void TearDown() override {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::string path() const { return folder_ + "/metadata.db"; }
  void reopen() {
    database_.reset();
    auto database = Database::open(path());
    ASSERT_TRUE(database.has_value()) << database.error().message();
    database_ = std::move(*database);
  }
  // Runs statements, in one transaction.
  void run(std::initializer_list<std::string_view> statements) {
    auto status = database_->write([&](Transaction& transaction) -> Status {
      for (std::string_view sql : statements) TRY(transaction.run(sql));
      return {};
    });
    ASSERT_TRUE(status.has_value()) << status.error().message();
  }
  // The number that a query gives in its first row and column.
  std::int64_t number(std::string_view sql) {
    std::int64_t result = -1;
    auto status = database_->read([&](Transaction& transaction) {
      return transaction.query(sql, {}, [&](const Row& row) -> Status {
        result = row.integer(0);
        return {};
      });
    });
    EXPECT_TRUE(status.has_value()) << status.error().message();
    return result;
  }

  std::string folder_;
  std::unique_ptr<Database> database_;
};

}  // namespace dhow::metadata
