// SPDX-License-Identifier: Apache-2.0
// What a power loss leaves of snapshots: a copy of the disk, taken while it is in use, has all that
// was synced and only some of the rest.
#include <fcntl.h>
#include <stdlib.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "metadata/testing.h"
#include "snapshot/overlay.h"
#include "support/disks.h"
#include "sys/file_io.h"

namespace dhow::snapshot {
namespace {

namespace fs = std::filesystem;

const std::string kContent(100'000, 'x');
constexpr int kFiles = 20;

// A store on a disk of its own; the test is a child with a mount namespace of its own.
class Machine {
 public:
  explicit Machine(const std::string& folder) : disks_(folder) {}

  Status boot(const std::string& disk) {
    TRY_ASSIGN(std::string at, disks_.mount(disk));
    TRY_ASSIGN(database_, metadata::open_after_boot(cat(at, "/metadata.db")));
    TRY_ASSIGN(store_, open_overlay(cat(at, "/snapshots"), *database_));
    return {};
  }
  Status make_disk(const std::string& disk) { return disks_.make(disk); }
  // Boots from a copy of the disk as it is at this moment.
  Status lose_power(const std::string& disk, const std::string& copy) {
    TRY(disks_.copy(disk, copy));
    store_.reset();
    database_.reset();
    return boot(copy);
  }
  Status make_layer(const std::string& name, const std::string& parent) {
    {
      TRY_ASSIGN(Draft draft, store_->begin_layer("draft"));
      for (int i = 0; i < kFiles; ++i) {
        TRY_ASSIGN(Fd file, open_at(draft.folder, cat(name, ".", i), O_WRONLY | O_CREAT, 0644));
        TRY(write_all(file, kContent));
      }
    }
    Commit commit;
    commit.key = "draft";
    commit.name = name;
    commit.parent = parent;
    return store_->commit_layer(commit);
  }
  // "whole", "none", or what is wrong.
  std::string state_of(const std::string& name) {
    auto info = store_->stat(name);
    if (!info) return info.error().code() == Code::kNotFound ? "none" : info.error().message();
    NewSnapshot wanted;
    wanted.key = cat("look at ", name);
    wanted.parent = name;
    auto plan = store_->view(wanted);
    if (!plan) return plan.error().message();
    auto root = mount(*plan);
    if (!root) return root.error().message();
    for (int i = 0; i < kFiles; ++i) {
      auto content = read_file(root->fd(), cat(name, ".", i));
      if (!content || *content != kContent) return cat("file ", i, " is damaged");
    }
    auto removed = store_->remove(wanted.key);
    return removed ? "whole" : removed.error().message();
  }
  Snapshotter& store() { return *store_; }
  metadata::Database& database() { return *database_; }

 private:
  ::dhow::testing::Disks disks_;
  std::unique_ptr<metadata::Database> database_;
  std::unique_ptr<Snapshotter> store_;
};

class PowerLossTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string missing = ::dhow::testing::Disks::missing();
    if (!missing.empty()) GTEST_SKIP() << missing;
    std::string pattern = ::testing::TempDir() + "/dhow-power.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }
  // Runs `body` on a machine with the disk "first"; all mounts go with the child.
  std::string on_machine(const std::function<Status(Machine&)>& body) const {
    return ::dhow::testing::Disks::in_private([&]() -> Status {
      Machine machine(folder_);
      TRY(machine.make_disk("first"));
      TRY(machine.boot("first"));
      return body(machine);
    });
  }
  static Status expect(Machine& machine, const std::string& name, const std::string& state) {
    std::string found = machine.state_of(name);
    if (found == state) return {};
    return fail(Code::kInternal, cat(name, " is ", found, ", not ", state));
  }

  std::string folder_;
};

// The row is on the disk, and so are the names of the files; what was in them is not.
TEST_F(PowerLossTest, LayersThatWereNotSyncedAreLostAsAWhole) {
  EXPECT_EQ(on_machine([](Machine& machine) -> Status {
              TRY(machine.make_layer("c1", ""));
              TRY(machine.database().sync());
              TRY(machine.lose_power("first", "second"));
              TRY(expect(machine, "c1", "none"));
              TRY(machine.make_layer("c1", ""));
              return expect(machine, "c1", "whole");
            }),
            "");
}

// The test's own test: without the column that names the boot the layer would be used.
TEST_F(PowerLossTest, WhatWasNotSyncedIsIndeedDamaged) {
  EXPECT_EQ(on_machine([](Machine& machine) -> Status {
              TRY(machine.make_layer("c1", ""));
              TRY(machine.database().write([](metadata::Transaction& transaction) -> Status {
                TRY(transaction.run("UPDATE snapshot SET boot = NULL"));
                return {};
              }));
              TRY(machine.database().sync());
              TRY(machine.lose_power("first", "second"));
              if (machine.state_of("c1") != "whole") return {};
              return fail(Code::kInternal, "nothing was lost: this proves nothing");
            }),
            "");
}

TEST_F(PowerLossTest, SyncedLayersAreWhole) {
  EXPECT_EQ(on_machine([](Machine& machine) -> Status {
              TRY(machine.make_layer("c1", ""));
              TRY(machine.make_layer("c2", "c1"));
              TRY(machine.store().sync({"c2"}));
              TRY(machine.make_layer("late", "c2"));
              TRY(machine.lose_power("first", "second"));
              TRY(expect(machine, "c1", "whole"));
              TRY(expect(machine, "c2", "whole"));
              return expect(machine, "late", "none");
            }),
            "");
}

// Whatever the disk has of it: the row without the folder, or the folder without the row.
TEST_F(PowerLossTest, RemovedLayersAreWholeOrGone) {
  EXPECT_EQ(on_machine([](Machine& machine) -> Status {
              TRY(machine.make_layer("c1", ""));
              TRY(machine.make_layer("c2", ""));
              TRY(machine.store().sync({"c1", "c2"}));
              TRY(machine.store().remove("c1"));
              TRY(machine.lose_power("first", "second"));
              std::string state = machine.state_of("c1");
              if (state != "whole" && state != "none") return fail(Code::kInternal, state);
              TRY(expect(machine, "c2", "whole"));
              TRY(machine.store().remove("c2"));
              TRY(machine.store().empty_trash());
              TRY(machine.lose_power("second", "third"));
              return expect(machine, "c2", "none");
            }),
            "");
}

}  // namespace
}  // namespace dhow::snapshot
