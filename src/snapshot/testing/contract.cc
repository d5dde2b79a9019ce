// SPDX-License-Identifier: Apache-2.0
// The contract of snapshotters: keys, trees, layers, what they take.
#include "snapshot/testing/contract.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <gmock/gmock.h>
#include <mutex>
#include <thread>

#include "base/strings.h"

namespace dhow::snapshot {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_P(SnapshotterContract, WhatWasWrittenIsInTheLayer) {
  Tree tree = prepare("one");
  tree.write("file", "content");
  ASSERT_EQ(::mkdir(tree.at("folder").c_str(), 0750), 0);
  tree = Tree();
  commit("one", "layer");
  EXPECT_EQ(code_of_stat("one"), Code::kNotFound) << "its name is another now";
  Tree seen = view("look", "layer");
  EXPECT_EQ(seen.read("file"), "content");
  EXPECT_THAT(seen.names(), ElementsAre("file", "folder"));
  EXPECT_EQ(::mkdir(seen.at("more").c_str(), 0755), -1);
  EXPECT_EQ(errno, EROFS);
}

TEST_P(SnapshotterContract, ChildrenChangeNothingBelow) {
  Tree base = prepare("one");
  base.write("kept", "kept");
  base.write("changed", "old");
  base.write("removed", "removed");
  base = Tree();
  commit("one", "base");
  Tree top = prepare("two", "base");
  EXPECT_EQ(top.read("changed"), "old");
  top.write("changed", "new");
  ASSERT_EQ(::unlink(top.at("removed").c_str()), 0);
  top = Tree();
  EXPECT_EQ(tree("two").read("changed"), "new") << "mounted again";
  commit("two", "top");
  EXPECT_THAT(view("v1", "top").names(), ElementsAre("changed", "kept"));
  EXPECT_EQ(view("v2", "top").read("changed"), "new");
  EXPECT_THAT(view("v3", "base").names(), ElementsAre("changed", "kept", "removed"));
  EXPECT_EQ(view("v4", "base").read("changed"), "old");
  EXPECT_EQ(prepare("three", "top").read("kept"), "kept");
}

TEST_P(SnapshotterContract, TwoOnOneLayerSeeNothingOfEachOther) {
  make_layer("base");
  Tree first = prepare("first", "base");
  Tree second = prepare("second", "base");
  first.write("mine", "x");
  EXPECT_THAT(second.names(), ElementsAre("base"));
}

TEST_P(SnapshotterContract, ViewOfNothingIsEmpty) { EXPECT_THAT(view("v").names(), IsEmpty()); }

TEST_P(SnapshotterContract, NamesAreTakenOnce) {
  make_layer("base");
  ASSERT_TRUE(store_->prepare(wanted("key")).has_value());
  auto again = store_->prepare(wanted("key"));
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code(), Code::kAlreadyExists);
  EXPECT_EQ(again.error().message(), "snapshot \"key\" already exists");
  EXPECT_EQ(store_->view(wanted("base")).error().code(), Code::kAlreadyExists);
  EXPECT_EQ(store_->begin_whole("key", "").error().code(), Code::kAlreadyExists);
  Commit request;
  request.key = "key";
  request.name = "base";
  auto status = store_->commit(request);
  EXPECT_EQ(status.error().code(), Code::kAlreadyExists);
  EXPECT_EQ(code_of_stat("key"), Code::kUnknown) << "it stays as it was";
  EXPECT_EQ(count("new"), 0U) << "and nothing is left of what was refused";
  EXPECT_EQ(count("snapshots"), 2U);
}

TEST_P(SnapshotterContract, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(code_of_stat("none"), Code::kNotFound);
  EXPECT_EQ(store_->mounts("none").error().code(), Code::kNotFound);
  EXPECT_EQ(store_->usage("none").error().code(), Code::kNotFound);
  EXPECT_EQ(store_->remove("none").error().code(), Code::kNotFound);
  EXPECT_EQ(store_->set_labels("none", {}).error().code(), Code::kNotFound);
  EXPECT_EQ(store_->sync({"none"}).error().code(), Code::kNotFound);
  EXPECT_EQ(store_->prepare(wanted("x", "none")).error().code(), Code::kNotFound);
  ASSERT_TRUE(store_->prepare(wanted("active")).has_value());
  auto child = store_->prepare(wanted("x", "active"));
  EXPECT_EQ(child.error().code(), Code::kNotFound);
  EXPECT_THAT(child.error().message(), HasSubstr("not committed"));
  EXPECT_EQ(count("new"), 0U);
}

TEST_P(SnapshotterContract, OnlyActiveOnesAreCommitted) {
  make_layer("base");
  EXPECT_EQ(store_->mounts("base").error().code(), Code::kFailedPrecondition);
  view("look", "base");
  Commit request;
  request.name = "layer";
  for (const char* key : {"base", "look"}) {
    request.key = key;
    EXPECT_EQ(store_->commit(request).error().code(), Code::kFailedPrecondition) << key;
    EXPECT_EQ(store_->commit_layer(request).error().code(), Code::kFailedPrecondition) << key;
  }
}

TEST_P(SnapshotterContract, InfosAndLabels) {
  NewSnapshot one = wanted("one");
  one.labels = {{"a", "b"}};
  ASSERT_TRUE(store_->prepare(one).has_value());
  EXPECT_EQ(store_->stat("one")->labels, one.labels);
  EXPECT_EQ(store_->stat("one")->kind, Kind::kActive);
  EXPECT_GT(store_->stat("one")->created, 0);
  ASSERT_TRUE(store_->set_labels("one", {{"c", "d"}}).has_value());
  EXPECT_EQ(store_->stat("one")->labels, (metadata::Labels{{"c", "d"}}));
  commit("one", "base");
  view("look", "base");
  auto all = store_->list();
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ(all->at(0).name, "base");
  EXPECT_EQ(all->at(0).kind, Kind::kCommitted);
  EXPECT_EQ(all->at(1).name, "look");
  EXPECT_EQ(all->at(1).parent, "base");
  EXPECT_EQ(all->at(1).kind, Kind::kView);
}

TEST_P(SnapshotterContract, WhatOthersStandOnStays) {
  make_layer("base");
  make_layer("top", "base");
  auto status = store_->remove("base");
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), Code::kFailedPrecondition);
  EXPECT_EQ(status.error().message(), "remove the snapshot \"base\": others stand on it");
  ASSERT_TRUE(store_->remove("top").has_value());
  ASSERT_TRUE(store_->remove("base").has_value());
  EXPECT_THAT(store_->list().value(), IsEmpty());
  EXPECT_EQ(count("snapshots"), 0U);
  EXPECT_EQ(count("trash"), 2U) << "reclaimed later";
  ASSERT_TRUE(store_->empty_trash().has_value());
  EXPECT_EQ(count("trash"), 0U);
}

// A container can make a path that no call takes as a whole.
TEST_P(SnapshotterContract, TreesOfAnyDepthGo) {
  constexpr int kDepth = 1200;
  Tree tree = prepare("deep");
  Fd folder = open_at(kCwd, tree.at("."), O_RDONLY | O_DIRECTORY).value();
  for (int i = 0; i < kDepth; ++i) {
    ASSERT_EQ(::mkdirat(folder.get(), "deep", 0755), 0);
    folder = open_at(folder, "deep", O_RDONLY | O_DIRECTORY).value();
  }
  folder.reset();
  tree = Tree();
  auto usage = store_->usage("deep");
  ASSERT_TRUE(usage.has_value()) << usage.error().message();
  EXPECT_EQ(usage->inodes, kDepth + 1);
  ASSERT_TRUE(store_->remove("deep").has_value());
  auto status = store_->empty_trash();
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_EQ(count("trash"), 0U);
}

TEST_P(SnapshotterContract, UsageCountsFilesOnce) {
  Tree tree = prepare("one");
  Usage before = store_->usage("one").value();
  EXPECT_EQ(before.inodes, 1) << "the root";
  tree.write("file", std::string(1 << 20, 'x'));
  ASSERT_EQ(::link(tree.at("file").c_str(), tree.at("again").c_str()), 0);
  ASSERT_EQ(::truncate(tree.at("file").c_str(), 1 << 30), 0) << "a hole";
  Usage after = store_->usage("one").value();
  EXPECT_EQ(after.inodes, 2);
  EXPECT_GE(after.bytes - before.bytes, 1 << 20);
  EXPECT_LT(after.bytes - before.bytes, 2 << 20);
}

TEST_P(SnapshotterContract, UsageOfALayerIsKnown) {
  prepare("one").write("file", std::string(1 << 20, 'x'));
  Commit request;
  request.key = "one";
  request.name = "base";
  request.usage = Usage{.bytes = 7, .inodes = 8};
  ASSERT_TRUE(store_->commit(request).has_value());
  EXPECT_EQ(store_->usage("base").value(), request.usage);
  prepare("two", "base").write("small", "x");
  commit("two", "top");
  EXPECT_GT(store_->usage("top")->bytes, 0);
  EXPECT_GE(store_->usage("top")->inodes, 1);
}

TEST_P(SnapshotterContract, RootsAreLikeThoseBelow) {
  struct stat info{};
  Tree base = prepare("one");
  ASSERT_EQ(::stat(base.at(".").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755U);
  ASSERT_EQ(::chmod(base.at(".").c_str(), 01770), 0);
  ASSERT_EQ(::chown(base.at(".").c_str(), 12, 34), 0);
  base = Tree();
  commit("one", "base");
  prepare("two", "base").write("x", "x");
  commit("two", "top");
  Tree top = view("look", "top");
  ASSERT_EQ(::stat(top.at(".").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 01770U);
  EXPECT_EQ(info.st_uid, 12U);
  EXPECT_EQ(info.st_gid, 34U);
}

// Written from the top down, committed from the lowest up.
TEST_P(SnapshotterContract, LayersAreWrittenApart) {
  if (!store_->layers_apart()) {
    EXPECT_EQ(store_->begin_layer("x").error().code(), Code::kUnimplemented);
    return;
  }
  auto write = [&](const std::string& key, const std::function<void(const Fd&)>& fill) {
    auto draft = store_->begin_layer(key);
    ASSERT_TRUE(draft.has_value()) << draft.error().message();
    EXPECT_NE(draft->whiteouts, Whiteouts::kRemove);
    fill(draft->folder);
  };
  auto touch = [](const Fd& folder, const char* name) {
    EXPECT_TRUE(open_at(folder, name, O_WRONLY | O_CREAT, 0644).has_value());
  };
  write("third", [&](const Fd& folder) { touch(folder, "3"); });
  write("second", [&](const Fd& folder) {
    touch(folder, "2");
    ASSERT_EQ(::mknodat(folder.get(), "removed", S_IFCHR, makedev(0, 0)), 0);
  });
  write("first", [&](const Fd& folder) {
    touch(folder, "1");
    touch(folder, "removed");
    ASSERT_EQ(::fchmod(folder.get(), 0751), 0) << "only here the root is described";
  });
  commit_layer("first", "c1", "");
  commit_layer("second", "c2", "c1");
  commit_layer("third", "c3", "c2");
  EXPECT_THAT(view("v1", "c1").names(), ElementsAre("1", "removed"));
  Tree all = view("v3", "c3");
  EXPECT_THAT(all.names(), ElementsAre("1", "2", "3"));
  struct stat info{};
  ASSERT_EQ(::stat(all.at(".").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0751U);
  EXPECT_EQ(store_->stat("c3")->parent, "c2");
  std::vector<std::string> order;
  auto all_infos = store_->list();
  for (const Info& each : *all_infos) order.push_back(each.name);
  EXPECT_THAT(order, ElementsAre("c1", ::testing::_, ::testing::_, ::testing::_, ::testing::_));
}

TEST_P(SnapshotterContract, LayersAreWrittenIntoTheWholeTree) {
  make_layer("base");
  {
    auto draft = store_->begin_whole("draft", "base");
    ASSERT_TRUE(draft.has_value()) << draft.error().message();
    EXPECT_EQ(draft->whiteouts, Whiteouts::kRemove);
    ASSERT_EQ(::renameat(draft->folder.get(), "base", draft->folder.get(), "moved"), 0);
  }
  Commit request;
  request.key = "draft";
  request.name = "top";
  request.parent = "other";
  EXPECT_EQ(store_->commit_layer(request).error().code(), Code::kInvalidArgument);
  commit_layer("draft", "top", "base");
  Tree top = view("look", "top");
  EXPECT_THAT(top.names(), ElementsAre("moved"));
  EXPECT_EQ(top.read("moved"), "base");
  EXPECT_THAT(view("below", "base").names(), ElementsAre("base"));
}

TEST_P(SnapshotterContract, LayerThatIsThereIsNotMadeTwice) {
  make_layer("base");
  ASSERT_TRUE(store_->begin_whole("draft", "").has_value());
  Commit request;
  request.key = "draft";
  request.name = "base";
  auto status = store_->commit_layer(request);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), Code::kAlreadyExists);
  EXPECT_EQ(code_of_stat("draft"), Code::kNotFound) << "of no use any more";
  EXPECT_EQ(view("look", "base").read("base"), "base");
  EXPECT_EQ(count("snapshots"), 2U);
}

// Many pulls at once, some of the same layer.
TEST_P(SnapshotterContract, ThreadsDoNotDisturbEachOther) {
  make_layer("base");
  constexpr int kThreads = 4;
  constexpr int kRounds = 5;
  std::atomic<int> made = 0;
  std::mutex mutex;
  std::string faults;
  auto note = [&](const Error& error) {
    std::lock_guard lock(mutex);
    faults += error.message() + "\n";
  };
  auto work = [&](int thread) {
    for (int round = 0; round < kRounds; ++round) {
      std::string key = cat(thread, ".", round);
      auto draft = store_->begin_whole(key, "base");
      if (!draft) return note(draft.error());
      *draft = Draft();
      Commit request;
      request.key = key;
      request.name = cat("layer ", round);
      auto status = store_->commit_layer(request);
      if (status) ++made;
      if (!status && status.error().code() != Code::kAlreadyExists) return note(status.error());
      auto emptied = store_->empty_trash();
      if (!emptied) return note(emptied.error());
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(faults, "");
  EXPECT_EQ(made, kRounds);
  EXPECT_EQ(store_->list()->size(), std::size_t{kRounds} + 1);
  EXPECT_EQ(count("snapshots"), std::size_t{kRounds} + 1);
}

TEST_P(SnapshotterContract, MountsForOthers) {
  make_layer("base");
  auto mounts = to_mounts(store_->prepare(wanted("key", "base")).value());
  ASSERT_TRUE(mounts.has_value() || mounts.error().code() == Code::kUnimplemented);
  auto single = to_mounts(store_->prepare(wanted("alone")).value());
  ASSERT_TRUE(single.has_value()) << single.error().message();
  ASSERT_EQ(single->size(), 1U);
  EXPECT_EQ(single->at(0), (Mount{"bind", path_of("alone") + "/fs", {"rw", "rbind"}}));
}

}  // namespace
}  // namespace dhow::snapshot
