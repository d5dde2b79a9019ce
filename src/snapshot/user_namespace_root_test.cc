// SPDX-License-Identifier: Apache-2.0
// Snapshots with user namespaces: owners that are mapped, and snapshotters that run in one.
#include <fcntl.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "snapshot/copy.h"
#include "snapshot/erofs.h"
#include "snapshot/overlay.h"
#include "snapshot/testing/contract.h"
#include "snapshot/testing/user_namespace.h"
#include "sys/testing/forked.h"

namespace dhow::snapshot {
namespace {

using ::dhow::testing::in_child;
using Way = MountOptions::Way;

class MappedTest : public SnapshotterContract {
 protected:
  void SetUp() override {
    SnapshotterContract::SetUp();
    userns_ = make_user_namespace();
    ASSERT_TRUE(userns_) << "no user namespace could be made";
  }
  Tree mapped(const MountPlan& plan, Way way) {
    MountOptions options;
    options.userns = userns_;
    options.first = way;
    auto result = mount(plan, options);
    EXPECT_TRUE(result.has_value()) << result.error().message();
    return result ? Tree(std::move(*result)) : Tree();
  }
  static unsigned owner_of(const std::string& path) {
    struct stat info{};
    EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
    return info.st_uid;
  }

  Fd userns_;
};

TEST_P(MappedTest, OwnersOfAllLayersAreMapped) {
  make_layer("c1");
  Tree tree = prepare("two", "c1");
  tree.write("other", "x");
  ASSERT_EQ(::chown(tree.at("other").c_str(), 1000, 1000), 0);
  tree = Tree();
  commit("two", "c2");
  MountPlan plan = store_->prepare(wanted("key", "c2")).value();
  for (Way way : {Way::kByDescriptor, Way::kByPath, Way::kOneString}) {
    SCOPED_TRACE(static_cast<int>(way));
    Tree seen = mapped(plan, way);
    EXPECT_EQ(owner_of(seen.at("c1")), kFirstMapped);
    EXPECT_EQ(owner_of(seen.at("other")), kFirstMapped + 1000);
    EXPECT_EQ(owner_of(seen.at(".")), kFirstMapped);
  }
  Tree plain = mounted(plan);
  EXPECT_EQ(owner_of(plain.at("c1")), 0U) << "nothing changed on the disk";
}

TEST_P(MappedTest, WhatTheContainerWritesIsItsOwn) {
  make_layer("c1");
  make_layer("c2", "c1");
  MountPlan plan = store_->prepare(wanted("key", "c2")).value();
  {
    Tree seen = mapped(plan, Way::kByDescriptor);
    EXPECT_EQ(in_child([&]() -> std::string {
                if (::setfsgid(kFirstMapped) < 0 || ::setfsuid(kFirstMapped) < 0) return "setfsuid";
                auto made = open_at(kCwd, seen.at("made"), O_WRONLY | O_CREAT, 0644);
                if (!made) return made.error().message();
                // Copied up.
                auto changed = open_at(kCwd, seen.at("c1"), O_WRONLY | O_TRUNC);
                return ::dhow::testing::message_of(changed);
              }),
              "");
    EXPECT_EQ(owner_of(seen.at("made")), kFirstMapped);
  }
  Tree plain = mounted(plan);
  EXPECT_EQ(owner_of(plain.at("made")), 0U);
  EXPECT_EQ(owner_of(plain.at("c1")), 0U);
  EXPECT_EQ(plain.read("c1"), "");
}

TEST_P(MappedTest, ViewsOfOneLayer) {
  make_layer("c1");
  Tree seen = mapped(store_->view(wanted("look", "c1")).value(), Way::kByDescriptor);
  EXPECT_EQ(owner_of(seen.at("c1")), kFirstMapped);
}

INSTANTIATE_TEST_SUITE_P(
    All, MappedTest,
    ::testing::Values(Implementation{"Overlay",
                                     [](const std::string& folder, metadata::Database& database) {
                                       return open_overlay(folder, database);
                                     }},
                      Implementation{"Copy",
                                     [](const std::string& folder, metadata::Database& database) {
                                       return open_copy(folder, database);
                                     }},
                      Implementation{"Erofs",
                                     [](const std::string& folder, metadata::Database& database) {
                                       return open_erofs(folder, database);
                                     }}),
    name_of);

// As a rootless engine is: root of a user namespace, on files of its user.
class RootlessTest : public metadata::DatabaseFixture {
 protected:
  void SetUp() override {
    DatabaseFixture::SetUp();
    userns_ = make_user_namespace();
    ASSERT_TRUE(userns_) << "no user namespace could be made";
    ASSERT_EQ(::chmod(folder_.c_str(), 0755), 0);
    ASSERT_EQ(::mkdir(own().c_str(), 0700), 0);
    ASSERT_EQ(::chown(own().c_str(), kFirstMapped, kFirstMapped), 0);
  }
  std::string own() const { return folder_ + "/own"; }
  std::string rootless(const std::function<Status(metadata::Database&)>& body) const {
    return in_child([&]() -> std::string {
      if (::setns(userns_.get(), CLONE_NEWUSER) != 0 || ::setresgid(0, 0, 0) != 0 ||
          ::setresuid(0, 0, 0) != 0 || ::unshare(CLONE_NEWNS) != 0) {
        return "no namespace could be entered";
      }
      auto database = metadata::Database::open(own() + "/metadata.db");
      if (!database) return database.error().message();
      return ::dhow::testing::message_of(body(**database));
    });
  }

  Fd userns_;
};

Status make_layer(Snapshotter& store, const std::string& name, const std::string& parent) {
  {
    TRY_ASSIGN(Draft draft, store.begin_layer("draft"));
    if (draft.whiteouts != Whiteouts::kUserOverlay) return fail(Code::kInternal, "whiteouts");
    TRY(open_at(draft.folder, name, O_WRONLY | O_CREAT, 0644));
    if (!parent.empty() && ::mknodat(draft.folder.get(), parent.c_str(), S_IFCHR, 0) != 0) {
      return fail_errno(errno, "make a whiteout");
    }
  }
  Commit commit;
  commit.key = "draft";
  commit.name = name;
  commit.parent = parent;
  return store.commit_layer(commit);
}

TEST_F(RootlessTest, OverlayWithUserAttributes) {
  EXPECT_EQ(
      rootless([&](metadata::Database& database) -> Status {
        TRY_ASSIGN(auto store, open_overlay(own() + "/snapshots", database));
        TRY(make_layer(*store, "c1", ""));
        TRY(make_layer(*store, "c2", "c1"));
        NewSnapshot wanted;
        wanted.key = "key";
        wanted.parent = "c2";
        TRY_ASSIGN(MountPlan plan, store->prepare(wanted));
        for (Way way : {Way::kByDescriptor, Way::kOneString}) {
          MountOptions options;
          options.first = way;
          TRY_ASSIGN(MountFd root, mount(plan, options));
          TRY_ASSIGN(auto names, list_dir(root.fd()));
          if (names != std::vector<std::string>{"c2"}) return fail(Code::kInternal, "names");
          TRY(open_at(root.fd(), cat("made ", static_cast<int>(way)), O_WRONLY | O_CREAT, 0644));
          if (::unlinkat(root.fd().get(), cat("made ", static_cast<int>(way)).c_str(), 0) != 0) {
            return fail_errno(errno, "remove what was made");
          }
        }
        TRY(store->remove("key"));
        return store->empty_trash();
      }),
      "");
}

TEST_F(RootlessTest, NoImages) {
  EXPECT_EQ(rootless([&](metadata::Database& database) -> Status {
              auto store = open_erofs(own() + "/snapshots", database);
              if (store) return fail(Code::kInternal, "it was opened");
              return store.error().code() == Code::kUnimplemented ? Status() : fail(store.error());
            }),
            "");
}

}  // namespace
}  // namespace dhow::snapshot
