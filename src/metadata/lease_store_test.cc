// SPDX-License-Identifier: Apache-2.0
#include "metadata/lease_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "metadata/testing.h"

namespace dhow::metadata {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class LeaseStoreTest : public DatabaseFixture {
 protected:
  LeaseStore& leases() {
    if (!leases_) leases_.emplace(*database_);
    return *leases_;
  }

 private:
  std::optional<LeaseStore> leases_;
};

TEST_F(LeaseStoreTest, AreCreatedListedAndRemoved) {
  Lease wanted{.id = "pull-1", .created = 0, .expires = 5, .labels = {{"a", "b\"c"}}};
  auto made = leases().create(wanted);
  ASSERT_TRUE(made.has_value()) << made.error().message();
  auto random = leases().create({});
  ASSERT_TRUE(random.has_value());
  EXPECT_EQ(random->id.size(), 32U);
  auto all = leases().list();
  ASSERT_TRUE(all.has_value() && all->size() == 2U);
  const Lease& listed = all->at(all->at(0).id == "pull-1" ? 0 : 1);
  EXPECT_EQ(listed.labels, wanted.labels);
  EXPECT_EQ(listed.expires, 5);
  EXPECT_GT(listed.created, 0);
  EXPECT_TRUE(leases().remove("pull-1").has_value());
  EXPECT_EQ(leases().list()->size(), 1U);
}

TEST_F(LeaseStoreTest, FaultsNameTheLease) {
  ASSERT_TRUE(leases().create({.id = "a", .created = 0, .expires = {}, .labels = {}}).has_value());
  auto twice = leases().create({.id = "a", .created = 0, .expires = {}, .labels = {}});
  ASSERT_FALSE(twice.has_value());
  EXPECT_EQ(twice.error().code(), Code::kAlreadyExists);
  EXPECT_THAT(twice.error().message(), HasSubstr("lease \"a\" already exists"));
  for (Status status : {leases().remove("b"), leases().add("b", {{ResourceKind::kBlob, "x"}})}) {
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code(), Code::kNotFound);
    EXPECT_THAT(status.error().message(), HasSubstr("lease \"b\" not found"));
  }
  EXPECT_EQ(leases().resources("b").error().code(), Code::kNotFound);
}

TEST_F(LeaseStoreTest, HoldThingsUntilTheyGo) {
  ASSERT_TRUE(leases().create({.id = "a", .created = 0, .expires = {}, .labels = {}}).has_value());
  Resource blob{ResourceKind::kBlob, "sha256:1"};
  Resource snapshot{ResourceKind::kSnapshot, "sha256:2"};
  ASSERT_TRUE(leases().add("a", {snapshot, blob, blob}).has_value());
  EXPECT_THAT(leases().resources("a").value(), ElementsAre(blob, snapshot));
  ASSERT_TRUE(leases().remove("a").has_value());
  EXPECT_EQ(number("SELECT count(*) FROM lease_resource"), 0);
}

TEST_F(LeaseStoreTest, DamagedLabelsAreDataLoss) {
  run({"INSERT INTO lease (id, created, labels) VALUES ('a', 1, '{')"});
  auto all = leases().list();
  ASSERT_FALSE(all.has_value());
  EXPECT_EQ(all.error().code(), Code::kDataLoss);
}

}  // namespace
}  // namespace dhow::metadata
