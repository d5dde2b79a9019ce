// SPDX-License-Identifier: Apache-2.0
#include "metadata/collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "metadata/testing.h"

namespace dhow::metadata {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// An image "app": manifest m -> configuration c -> snapshot s2 on s1, and m -> layer l. Beside it
// the manifest n with its layer k, which nothing names, and the snapshot t.
class CollectorTest : public DatabaseFixture {
 protected:
  void SetUp() override {
    DatabaseFixture::SetUp();
    run(
        {"INSERT INTO blob (digest, size, created) VALUES ('m', 1, 1), ('c', 1, 1), ('l', 1, 1),"
         " ('n', 1, 1), ('k', 1, 1)",
         "INSERT INTO reference VALUES ('m', 'blob', 'c'), ('m', 'blob', 'l'),"
         " ('c', 'snapshot', 's2'), ('n', 'blob', 'k'), ('k', 'blob', 'n')",
         "INSERT INTO image VALUES ('moby', 'app', 'm', 'x/y', 1, 1, 1, '{}')",
         "INSERT INTO snapshot (id, snapshotter, name, parent, kind, created, updated) VALUES"
         " (1, 'overlayfs', 's1', NULL, 'committed', 1, 1),"
         " (2, 'overlayfs', 's2', 1, 'committed', 1, 1),"
         " (3, 'overlayfs', 't', NULL, 'committed', 1, 1)"});
  }
  Result<Collector::Counts> collect() {
    removed_.clear();
    auto remove = [this](const Garbage& garbage) -> Status {
      if (garbage.name == fails_for_) return fail(Code::kInternal, "cannot remove");
      removed_.push_back(garbage.name);
      return {};
    };
    return Collector(*database_, remove, remove).collect();
  }

  std::vector<std::string> removed_;
  std::string fails_for_;
};

TEST_F(CollectorTest, WhatAnImageNeedsStays) {
  auto counts = collect();
  ASSERT_TRUE(counts.has_value()) << counts.error().message();
  EXPECT_THAT(removed_, UnorderedElementsAre("n", "k", "t"));
  EXPECT_EQ(counts->blobs, 2U);
  EXPECT_EQ(counts->snapshots, 1U);
  ASSERT_TRUE(collect().has_value());
  EXPECT_THAT(removed_, IsEmpty()) << "nothing is left to remove";
}

TEST_F(CollectorTest, WithoutItsNameTheImageGoes) {
  run({"DELETE FROM image"});
  ASSERT_TRUE(collect().has_value());
  EXPECT_THAT(removed_, UnorderedElementsAre("m", "c", "l", "n", "k", "s1", "s2", "t"));
  EXPECT_EQ(number("SELECT count(*) FROM reference"), 0);
}

TEST_F(CollectorTest, LeasesHoldWithAllThatIsNeeded) {
  run({"DELETE FROM image", "INSERT INTO lease (id, created) VALUES ('pull', 1)",
       "INSERT INTO lease_resource VALUES ('pull', 'blob', 'm'), ('pull', 'snapshot', 't')"});
  ASSERT_TRUE(collect().has_value());
  EXPECT_THAT(removed_, UnorderedElementsAre("n", "k"));
}

TEST_F(CollectorTest, ExpiredLeasesHoldNothing) {
  run({"DELETE FROM image", "INSERT INTO lease (id, created, expires) VALUES ('pull', 1, 2)",
       "INSERT INTO lease_resource VALUES ('pull', 'blob', 'm')"});
  auto counts = collect();
  ASSERT_TRUE(counts.has_value());
  EXPECT_EQ(counts->leases, 1U);
  EXPECT_EQ(counts->blobs, 5U);
}

TEST_F(CollectorTest, ActiveSnapshotsKeepWhatTheyStandOn) {
  run({"DELETE FROM image",
       "INSERT INTO snapshot (id, snapshotter, name, parent, kind, created, updated) VALUES"
       " (4, 'overlayfs', 'container', 2, 'active', 1, 1), (5, 'overlayfs', 'v', 3, 'view', 1, "
       "1)"});
  ASSERT_TRUE(collect().has_value());
  EXPECT_THAT(removed_, UnorderedElementsAre("m", "c", "l", "n", "k"));
}

TEST_F(CollectorTest, FailedRemovalUndoesAll) {
  fails_for_ = "t";
  ASSERT_FALSE(collect().has_value());
  EXPECT_EQ(number("SELECT count(*) FROM blob"), 5);
  EXPECT_EQ(number("SELECT count(*) FROM snapshot"), 3);
  fails_for_.clear();
  ASSERT_TRUE(collect().has_value());
  EXPECT_THAT(removed_, UnorderedElementsAre("n", "k", "t"));
}

}  // namespace
}  // namespace dhow::metadata
