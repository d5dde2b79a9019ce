// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "metadata/testing.h"
#include "snapshot/overlay.h"
#include "snapshot/quota.h"
#include "sys/file_io.h"
#include "sys/spawn.h"
#include "sys/testing/forked.h"

namespace dhow::snapshot {
namespace {

using ::dhow::testing::in_child;
using ::testing::HasSubstr;

constexpr std::int64_t kLimit = 1 << 20;

class QuotaTest : public metadata::DatabaseFixture {
 protected:
  void SetUp() override {
    DatabaseFixture::SetUp();
    std::filesystem::create_directory(disk());
  }
  std::string disk() const { return folder_ + "/disk"; }
  // Runs `body` where a disk is mounted, with arguments for mount(8); the mount goes with the
  // child.
  std::string on_disk(std::vector<std::string> arguments,
                      const std::function<Status(Snapshotter&)>& body) const {
    return in_child([&]() -> std::string {
      if (::unshare(CLONE_NEWNS) != 0 ||
          ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        return "no mount namespace";
      }
      arguments.insert(arguments.begin(), "mount");
      arguments.push_back(disk());
      auto mounted = run_program(arguments);
      if (!mounted) return mounted.error().message();
      if (mounted->exit_code != 0) return "cannot mount: " + mounted->error_text;
      auto run = [&]() -> Status {
        TRY_ASSIGN(auto database, metadata::Database::open(disk() + "/metadata.db"));
        TRY_ASSIGN(auto store, open_overlay(disk() + "/snapshots", *database));
        return body(*store);
      };
      return ::dhow::testing::message_of(run());
    });
  }
  static Status prepare(Snapshotter& store, const std::string& key,
                        const std::string& parent = "") {
    NewSnapshot wanted;
    wanted.key = key;
    wanted.parent = parent;
    TRY(store.prepare(wanted));
    return {};
  }
  // With something below: overlayfs gives up the right to exceed limits, which root has.
  static Status make_base(Snapshotter& store) {
    TRY(prepare(store, "base key"));
    Commit commit;
    commit.key = "base key";
    commit.name = "base";
    return store.commit(commit);
  }
  static Status write(Snapshotter& store, const std::string& key, std::size_t size) {
    TRY_ASSIGN(MountPlan plan, store.mounts(key));
    TRY_ASSIGN(MountFd root, mount(plan));
    TRY_ASSIGN(Fd file, open_at(root.fd(), "file", O_WRONLY | O_CREAT | O_TRUNC, 0644));
    return write_all(file, std::string(size, 'x'));
  }
};

// tmpfs has quotas of users only, in any version.
TEST_F(QuotaTest, WithoutQuotasTheFileSystemIsNamed) {
  std::string text = on_disk({"-t", "tmpfs", "tmpfs"}, [](Snapshotter& store) -> Status {
    TRY(prepare(store, "key"));
    auto status = store.set_quota("key", kLimit);
    if (status || status.error().code() != Code::kUnimplemented) {
      return fail(Code::kInternal, "another code than UNIMPLEMENTED");
    }
    return status;
  });
  EXPECT_EQ(text,
            "limit the size of a snapshot: its file system, tmpfs, has no project quota here"
            " (mount option prjquota)");
}

TEST_F(QuotaTest, SnapshotsAreFullAtTheirLimit) {
  std::string image = folder_ + "/image";
  ASSERT_TRUE(open_at(kCwd, image, O_RDWR | O_CREAT, 0600).has_value());
  ASSERT_EQ(::truncate(image.c_str(), 64 << 20), 0);
  auto made = run_program(
      {"mkfs.ext4", "-q", "-F", "-O", "project,quota", "-E", "quotatype=prjquota", image});
  ASSERT_TRUE(made.has_value() && made->exit_code == 0) << "mkfs.ext4";
  std::string text = on_disk({"-o", "loop,prjquota", image}, [](Snapshotter& store) -> Status {
    TRY(make_base(store));
    TRY(prepare(store, "late", "base"));
    TRY(write(store, "late", 1));
    auto late = store.set_quota("late", kLimit);
    if (late || late.error().code() != Code::kFailedPrecondition) {
      return fail(Code::kInternal, "a limit came after the files");
    }
    TRY(prepare(store, "key", "base"));
    TRY(store.set_quota("key", kLimit));
    TRY(write(store, "key", kLimit / 2));
    auto full = write(store, "key", kLimit * 2);
    if (full || (full.error().sys_errno() != EDQUOT && full.error().sys_errno() != ENOSPC)) {
      return fail(Code::kInternal, full ? "there is no limit" : full.error().message());
    }
    TRY(store.set_quota("key", kLimit * 4));
    TRY(write(store, "key", kLimit * 2));
    return write(store, "late", kLimit * 4);
  });
  if (text.starts_with("cannot mount")) GTEST_SKIP() << "no project quota in this kernel: " << text;
  EXPECT_EQ(text, "");
}

}  // namespace
}  // namespace dhow::snapshot
