// SPDX-License-Identifier: Apache-2.0
// The contract of snapshotters: what is collected, and what is there after a crash.
#include <sys/stat.h>

#include <filesystem>
#include <gmock/gmock.h>

#include "base/strings.h"
#include "metadata/collector.h"
#include "metadata/lease_store.h"
#include "snapshot/testing/contract.h"

namespace dhow::snapshot {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> names_of(const Result<std::vector<Info>>& infos) {
  std::vector<std::string> names;
  for (const Info& info : infos.value()) names.push_back(info.name);
  return names;
}

TEST_P(SnapshotterContract, LeasesKeepLayersFromBeingCollected) {
  metadata::LeaseStore leases(*database_);
  ASSERT_TRUE(leases.create({.id = "pull", .created = 0, .expires = {}, .labels = {}}).has_value());
  ASSERT_TRUE(store_->prepare(wanted("one")).has_value());
  Commit request;
  request.key = "one";
  request.name = "base";
  request.lease = "none";
  EXPECT_EQ(store_->commit(request).error().code(), Code::kNotFound) << "no such lease";
  EXPECT_EQ(store_->stat("one")->kind, Kind::kActive) << "all or nothing";
  request.lease = "pull";
  ASSERT_TRUE(store_->commit(request).has_value());
  metadata::Collector collector(*database_, store_->remover(), store_->remover());
  EXPECT_EQ(collector.collect()->snapshots, 0U);
  ASSERT_TRUE(leases.remove("pull").has_value());
  ASSERT_TRUE(store_->prepare(wanted("child", "base")).has_value());
  EXPECT_EQ(collector.collect()->snapshots, 0U) << "an active one stands on it";
  ASSERT_TRUE(store_->remove("child").has_value());
  auto counts = collector.collect();
  ASSERT_TRUE(counts.has_value()) << counts.error().message();
  EXPECT_EQ(counts->snapshots, 1U);
  EXPECT_EQ(code_of_stat("base"), Code::kNotFound);
  EXPECT_EQ(count("snapshots"), 0U);
}

TEST_P(SnapshotterContract, RefusedByTheLeaseLeavesNothing) {
  NewSnapshot one = wanted("one");
  one.lease = "none";
  EXPECT_EQ(store_->prepare(one).error().code(), Code::kNotFound);
  EXPECT_EQ(code_of_stat("one"), Code::kNotFound);
  EXPECT_EQ(count("snapshots"), 0U);
  EXPECT_EQ(count("new"), 0U);
  EXPECT_TRUE(store_->prepare(wanted("one")).has_value()) << "the number is free too";
}

TEST_P(SnapshotterContract, EverythingButDraftsOutlivesTheProcess) {
  make_layer("base");
  prepare("active", "base").write("file", "content");
  view("look", "base");
  ASSERT_TRUE(store_->begin_whole("draft", "base").has_value());
  reopen_store();
  EXPECT_THAT(names_of(store_->list()), ElementsAre("base", "active", "look"));
  EXPECT_EQ(tree("active").read("file"), "content");
  EXPECT_EQ(tree("look").read("base"), "base");
  EXPECT_EQ(count("snapshots"), 3U);
  ASSERT_TRUE(store_->empty_trash().has_value());
  EXPECT_EQ(count("trash"), 0U);
}

TEST_P(SnapshotterContract, UnsyncedLayersOfAnotherBootAreLost) {
  make_layer("base");
  make_layer("top", "base");
  make_layer("other");
  prepare("container", "top").write("file", "content");
  pretend_another_boot();
  reopen_store();
  for (const char* name : {"base", "top", "other"}) {
    EXPECT_EQ(code_of_stat(name), Code::kNotFound) << name;
  }
  EXPECT_THAT(names_of(store_->list()), ElementsAre("container"));
  EXPECT_EQ(number("SELECT count(*) FROM snapshot"), 3) << "nothing stands on the other";
  auto plan = store_->mounts("container");
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().code(), Code::kDataLoss);
  EXPECT_THAT(plan.error().message(), HasSubstr("was lost: it has to be unpacked again"));
  EXPECT_EQ(store_->prepare(wanted("x", "top")).error().code(), Code::kNotFound);
  reopen_store();
  // Unpacked again.
  make_layer("base");
  EXPECT_EQ(store_->mounts("container").error().code(), Code::kDataLoss) << "still one missing";
  make_layer("top", "base");
  Tree again = tree("container");
  EXPECT_EQ(again.read("file"), "content");
  EXPECT_EQ(again.read("top"), "top");
  EXPECT_EQ(number("SELECT count(*) FROM snapshot"), 3);
}

TEST_P(SnapshotterContract, SyncedLayersStay) {
  make_layer("base");
  make_layer("top", "base");
  ASSERT_TRUE(store_->sync({"top"}).has_value());
  EXPECT_EQ(number("SELECT count(*) FROM snapshot WHERE boot IS NULL"), 2) << "what is below too";
  make_layer("late", "top");
  pretend_another_boot();
  reopen_store();
  EXPECT_THAT(names_of(store_->list()), ElementsAre("base", "top"));
  EXPECT_EQ(view("look", "top").read("base"), "base");
}

TEST_P(SnapshotterContract, FoldersAndRowsWithoutEachOtherGo) {
  make_layer("base");
  make_layer("gone");
  prepare("lost", "base");
  fs::remove_all(path_of("lost"));
  fs::remove_all(path_of("gone"));
  fs::create_directories(folder() + "/snapshots/4711/fs");
  fs::create_directories(folder() + "/new/12/fs");
  reopen_store();
  EXPECT_THAT(names_of(store_->list()), ElementsAre("base"));
  EXPECT_EQ(count("snapshots"), 1U);
  EXPECT_EQ(count("new"), 0U);
  ASSERT_TRUE(store_->empty_trash().has_value());
  EXPECT_EQ(count("trash"), 0U);
}

// A transaction renamed the folder, and never came to its end.
TEST_P(SnapshotterContract, FoldersAreBroughtBackFromTheTrash) {
  make_layer("base");
  metadata::Garbage garbage;
  garbage.name = "base";
  garbage.snapshotter = store_->name();
  garbage.id = number("SELECT id FROM snapshot");
  ASSERT_TRUE(store_->remover()(garbage).has_value());
  EXPECT_EQ(count("snapshots"), 0U);
  reopen_store();
  EXPECT_EQ(view("v1", "base").read("base"), "base");
  ASSERT_TRUE(store_->remover()(garbage).has_value());
  ASSERT_TRUE(store_->empty_trash().has_value());
  EXPECT_EQ(view("v2", "base").read("base"), "base") << "not even the trash loses it";
  garbage.snapshotter = "another";
  EXPECT_EQ(store_->remover()(garbage).error().code(), Code::kInvalidArgument);
}

// What a power loss leaves: the row is back, and in the trash is a part of what it was for.
TEST_P(SnapshotterContract, WhatWasReclaimedInPartIsNotBroughtBack) {
  make_layer("base");
  std::int64_t id = number("SELECT id FROM snapshot");
  ASSERT_TRUE(store_->remove("base").has_value());
  ASSERT_TRUE(store_->prepare(wanted("x")).has_value()) << "so that the number stays taken";
  reopen_store();
  run({cat("INSERT INTO snapshot (id, snapshotter, name, kind, created, updated) VALUES (", id,
           ", '", store_->name(), "', 'base', 'committed', 1, 1)")});
  reopen_store();
  EXPECT_EQ(code_of_stat("base"), Code::kNotFound);
}

TEST_P(SnapshotterContract, OneSnapshotterAFolder) {
  auto second = open();
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), Code::kUnavailable);
}

TEST_P(SnapshotterContract, FoldersThatMountOptionsCannotNameAreRefused) {
  for (const char* path : {"relative", "/tmp/a:b", "/tmp/a,b", "/tmp/a\\b"}) {
    auto opened = GetParam().open(path, *database_);
    ASSERT_FALSE(opened.has_value()) << path;
    EXPECT_EQ(opened.error().code(), Code::kInvalidArgument);
  }
}

}  // namespace
}  // namespace dhow::snapshot
