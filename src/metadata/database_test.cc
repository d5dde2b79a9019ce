// SPDX-License-Identifier: Apache-2.0
#include "metadata/database.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "metadata/testing.h"

namespace dhow::metadata {
namespace {

using testing::HasSubstr;

constexpr std::string_view kLeases = "SELECT count(*) FROM lease";

class DatabaseTest : public DatabaseFixture {
 protected:
  static Status add_lease(Transaction& transaction, std::string id) {
    TRY(transaction.run("INSERT INTO lease (id, created) VALUES (?, 1)", {std::move(id)}));
    return {};
  }
};

TEST_F(DatabaseTest, IsPrivateAndKeepsWhatWasWritten) {
  ASSERT_TRUE(database_->write([](Transaction& t) { return add_lease(t, "a"); }).has_value());
  EXPECT_TRUE(database_->sync().has_value());
  reopen();
  EXPECT_EQ(number(kLeases), 1);
  struct stat info{};
  ASSERT_EQ(::stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
}

TEST_F(DatabaseTest, FailedTransactionDidNothing) {
  auto status = database_->write([](Transaction& t) -> Status {
    TRY(add_lease(t, "a"));
    return fail(Code::kAborted, "changed its mind");
  });
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().message(), "changed its mind");
  EXPECT_EQ(number(kLeases), 0);
  EXPECT_TRUE(database_->write([](Transaction& t) { return add_lease(t, "b"); }).has_value());
}

TEST_F(DatabaseTest, ViolatedConstraintsHaveTheirCode) {
  ASSERT_TRUE(database_->write([](Transaction& t) { return add_lease(t, "a"); }).has_value());
  auto twice = database_->write([](Transaction& t) { return add_lease(t, "a"); });
  ASSERT_FALSE(twice.has_value());
  EXPECT_EQ(twice.error().code(), Code::kAlreadyExists);
  auto orphan = database_->write([](Transaction& t) -> Status {
    TRY(t.run("INSERT INTO lease_resource VALUES ('none', 'blob', 'x')"));
    return {};
  });
  ASSERT_FALSE(orphan.has_value());
  EXPECT_EQ(orphan.error().code(), Code::kFailedPrecondition);
}

TEST_F(DatabaseTest, ReadersSeeOneStateBesideAWriter) {
  auto status = database_->write([&](Transaction& t) -> Status {
    TRY(add_lease(t, "a"));
    EXPECT_EQ(number(kLeases), 0) << "not committed yet";
    return {};
  });
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_EQ(number(kLeases), 1);
}

TEST_F(DatabaseTest, ReadersCannotWrite) {
  auto status = database_->read([](Transaction& t) { return add_lease(t, "a"); });
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), Code::kPermissionDenied);
}

TEST_F(DatabaseTest, StatementInsideItsOwnQueryIsAFault) {
  run({"INSERT INTO lease (id, created) VALUES ('a', 1)"});
  auto status = database_->read([&](Transaction& t) {
    return t.query(kLeases, {}, [&](const Row&) {
      return t.query(kLeases, {}, [](const Row&) -> Status { return {}; });
    });
  });
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), Code::kInternal);
}

TEST_F(DatabaseTest, WritersOfSeveralThreadsTakeTurns) {
  std::vector<std::thread> threads;
  std::atomic<int> failures = 0;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 25; ++i) {
        auto status = database_->write(
            [&](Transaction& t) { return add_lease(t, std::to_string(thread * 100 + i)); });
        if (!status || number(kLeases) < 1) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(number(kLeases), 100);
}

// A process that is killed inside a transaction, and one that is killed right after.
TEST_F(DatabaseTest, KilledWriterLeavesWholeTransactions) {
  for (bool inside : {true, false}) {
    pid_t child = ::fork();
    if (child == 0) {
      auto own = Database::open(path());
      auto status = (*own)->write([&](Transaction& t) -> Status {
        TRY(add_lease(t, inside ? "inside" : "after"));
        if (inside) ::kill(::getpid(), SIGKILL);
        return {};
      });
      if (status) ::kill(::getpid(), SIGKILL);
      ::_exit(1);
    }
    int wait_status = 0;
    ASSERT_EQ(::waitpid(child, &wait_status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(wait_status));
    EXPECT_EQ(number(kLeases), inside ? 0 : 1);
  }
}

TEST_F(DatabaseTest, NewerSchemaIsLeftAlone) {
  run({"PRAGMA user_version = 9999"});
  database_.reset();
  auto opened = Database::open(path());
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), Code::kFailedPrecondition);
  EXPECT_THAT(opened.error().message(), HasSubstr("has version 9999 of the schema"));
}

// Version 5 gave endpoints of networks a second address.
TEST_F(DatabaseTest, EndpointsOfAnOlderSchemaStay) {
  run({"DROP TABLE endpoint",
       "CREATE TABLE endpoint (network TEXT NOT NULL REFERENCES network (id),"
       " container TEXT NOT NULL, address INTEGER NOT NULL, config TEXT NOT NULL,"
       " PRIMARY KEY (network, container), UNIQUE (network, address)) WITHOUT ROWID",
       "INSERT INTO network VALUES ('n', 'moby', 'mine', 1, '{}')",
       "INSERT INTO endpoint VALUES ('n', 'c', 7, '{}')", "PRAGMA user_version = 4"});
  reopen();
  EXPECT_EQ(number("SELECT address FROM endpoint WHERE container = 'c' AND address6 IS NULL"), 7);
  // Addresses are unique in their network, and there may be none of a family.
  run({"INSERT INTO endpoint VALUES ('n', 'd', NULL, 'fd00::2', '{}')",
       "INSERT INTO endpoint VALUES ('n', 'e', NULL, 'fd00::3', '{}')"});
  auto twice = database_->write([](Transaction& t) -> Status {
    TRY(t.run("INSERT INTO endpoint VALUES ('n', 'f', NULL, 'fd00::3', '{}')"));
    return {};
  });
  ASSERT_FALSE(twice.has_value());
  EXPECT_EQ(twice.error().code(), Code::kAlreadyExists);
}

TEST_F(DatabaseTest, FileThatIsNoDatabaseIsLeftAlone) {
  std::string other = folder_ + "/other.db";
  std::ofstream(other) << std::string(4096, 'x');
  auto opened = Database::open(other);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code(), Code::kDataLoss);
  EXPECT_THAT(opened.error().message(), HasSubstr(other));
  EXPECT_EQ(std::filesystem::file_size(other), 4096U);
}

}  // namespace
}  // namespace dhow::metadata
