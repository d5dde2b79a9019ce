// SPDX-License-Identifier: Apache-2.0
// The driver dies at each of its steps, and each of its steps fails once. Whatever is there
// afterwards is whole, what is not there leaves nothing, and the next run comes to the end.
#include <stdlib.h>
#include <sys/syscall.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "base/strings.h"
#include "e2e/support/injector.h"
#include "metadata/testing.h"
#include "snapshot/overlay.h"
#include "sys/file_io.h"

namespace dhow::snapshot {
namespace {

namespace fs = std::filesystem;
using e2e::Fault;
using e2e::Step;
using e2e::TracedRun;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr int kMostFailures = 5;  // then a test gives up

struct Calls {
  const char* name;
  std::vector<long> numbers;
};

const Calls kFolders = {"Folders",
                        {SYS_mkdirat, SYS_renameat2, SYS_renameat, SYS_unlinkat, SYS_fchmodat,
                         SYS_fchownat, SYS_syncfs, SYS_flock, SYS_fsmount, SYS_fsconfig,
#ifdef SYS_mkdir
                         SYS_mkdir, SYS_rename, SYS_unlink, SYS_rmdir, SYS_chmod,
#endif
                         SYS_write}};
const Calls kDatabase = {"Database", {SYS_pwrite64, SYS_fsync, SYS_fdatasync, SYS_ftruncate}};

std::string text_of(const Fault& fault) {
  return cat("step ", fault.at.index, ", call ", fault.at.call,
             fault.kind == Fault::Kind::kKill ? ": killed" : ": failed");
}

class SnapshotCrashTest : public testing::TestWithParam<Calls> {
 protected:
  void SetUp() override {
    const char* driver = ::getenv("DHOW_SNAPSHOT_DRIVER");
    if (driver == nullptr) GTEST_SKIP() << "DHOW_SNAPSHOT_DRIVER is not set";
    driver_ = driver;
    std::string pattern = testing::TempDir() + "/dhow-crash.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }
  std::string state() const { return folder_ + "/state"; }

  TracedRun drive(const Fault& fault) const {
    e2e::TracedCommand command;
    command.arguments = {driver_, state()};
    command.calls = GetParam().numbers;
    command.output = folder_ + "/output";
    return run_traced(command, fault);
  }
  // In a new state folder.
  TracedRun drive_anew(const Fault& fault) const {
    fs::remove_all(state());
    fs::create_directory(state());
    return drive(fault);
  }

  std::multiset<std::string> names_in(std::string_view folder) const {
    std::multiset<std::string> names;
    for (const auto& entry : fs::directory_iterator(cat(state(), "/snapshots/", folder))) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }
  // What a query gives in its first column.
  static std::multiset<std::string> select(metadata::Database& database, std::string_view sql) {
    std::multiset<std::string> found;
    auto status = database.read([&](metadata::Transaction& transaction) {
      return transaction.query(sql, {}, [&](const metadata::Row& row) -> Status {
        found.insert(row.text(0));
        return {};
      });
    });
    EXPECT_TRUE(status.has_value());
    return found;
  }

  // The store opens, has nothing by halves, and its trash can be emptied.
  void expect_consistent() const {
    auto database = metadata::Database::open(state() + "/metadata.db");
    ASSERT_TRUE(database.has_value()) << database.error().message();
    auto made = select(**database, "SELECT name FROM snapshot WHERE kind <> 'draft'");
    auto store = open_overlay(state() + "/snapshots", **database);
    ASSERT_TRUE(store.has_value()) << store.error().message();
    EXPECT_EQ(select(**database, "SELECT name FROM snapshot"), made) << "no process loses anything";
    EXPECT_EQ(names_in("snapshots"), select(**database, "SELECT id FROM snapshot"));
    EXPECT_THAT(names_in("new"), IsEmpty());
    auto infos = (*store)->list();
    for (const Info& info : *infos) {
      if (info.kind == Kind::kCommitted) expect_whole(**store, info.name);
    }
    auto emptied = (*store)->empty_trash();
    EXPECT_TRUE(emptied.has_value()) << emptied.error().message();
    EXPECT_THAT(names_in("trash"), IsEmpty());
  }
  static void expect_whole(Snapshotter& store, const std::string& name) {
    NewSnapshot wanted;
    wanted.key = "look at " + name;
    wanted.parent = name;
    auto plan = store.view(wanted);
    ASSERT_TRUE(plan.has_value()) << plan.error().message();
    auto root = mount(*plan);
    ASSERT_TRUE(root.has_value()) << root.error().message();
    for (const char* part : {".1", ".2"}) {
      std::string file = name + part;
      EXPECT_EQ(read_file(root->fd(), file).value_or("none"), "content of " + file);
    }
    EXPECT_TRUE(store.remove(wanted.key).has_value());
  }
  void expect_end() const {
    auto database = metadata::Database::open(state() + "/metadata.db");
    ASSERT_TRUE(database.has_value()) << database.error().message();
    auto store = open_overlay(state() + "/snapshots", **database);
    ASSERT_TRUE(store.has_value()) << store.error().message();
    std::vector<std::string> names;
    auto infos = (*store)->list();
    for (const Info& info : *infos) names.push_back(info.name);
    EXPECT_THAT(names, ElementsAre("c1", "c2", "c3"));
  }

  void run_with(const Fault& fault) {
    SCOPED_TRACE(text_of(fault));
    TracedRun run = drive_anew(fault);
    ASSERT_TRUE(run.reached);
    ASSERT_FALSE(run.hung);
    if (fault.kind == Fault::Kind::kKill) {
      ASSERT_EQ(run.code, 128 + 9);
    }
    expect_consistent();
    TracedRun again = drive({});
    EXPECT_EQ(again.code, 0) << again.err;
    expect_end();
  }
  void run_with_each(Fault::Kind kind, int error) {
    TracedRun well = drive_anew({});
    ASSERT_EQ(well.code, 0) << well.err;
    ASSERT_GT(well.steps.size(), 10U);
    int failures = 0;
    for (const Step& step : well.steps) {
      run_with({.kind = kind, .at = step, .error = error});
      if (HasFailure() && ++failures >= kMostFailures) return;
    }
  }

  std::string driver_;
  std::string folder_;
};

TEST_P(SnapshotCrashTest, DeathAtEachStep) { run_with_each(Fault::Kind::kKill, 0); }

TEST_P(SnapshotCrashTest, FailureOfEachStep) { run_with_each(Fault::Kind::kError, ENOSPC); }

INSTANTIATE_TEST_SUITE_P(Calls, SnapshotCrashTest, testing::Values(kFolders, kDatabase),
                         [](const auto& calls) { return std::string(calls.param.name); });

}  // namespace
}  // namespace dhow::snapshot
