// SPDX-License-Identifier: Apache-2.0
// The systemd manager with the real systemd: the system's for root, else the user's.
#include <fcntl.h>
#include <signal.h>

#include "runtime/cgroup/systemd_client.h"
#include "runtime/cgroup/testing/root_fixture.h"

namespace dhow::cgroup {
namespace {

using testing::Contained;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CgroupSystemdTest : public testing::CgroupRootTest {
 protected:
  void SetUp() override {
    user_ = ::geteuid() != 0;
    auto connection = connect_systemd(user_);
    if (!connection) GTEST_SKIP() << "needs systemd: " << connection.error().message();
    connection_.emplace(std::move(*connection));
    auto mode = detect_mode();
    ASSERT_DONE(mode);
    unified_ = *mode == Mode::kUnified;
    if (user_ && !unified_) GTEST_SKIP() << "needs root or cgroup v2";
  }

  Settings settings() const {
    Settings made;
    made.kind = ManagerKind::kSystemd;
    made.rootless = user_;
    return made;
  }

  // What `systemctl daemon-reload` does: systemd writes down its idea of every unit again.
  Status reload() {
    DbusMessage message;
    message.destination = "org.freedesktop.systemd1";
    message.path = "/org/freedesktop/systemd1";
    message.interface = "org.freedesktop.systemd1.Manager";
    message.member = "Reload";
    TRY(connection_->call(std::move(message)));
    return {};
  }

  bool user_ = false;
  std::optional<DbusConnection> connection_;
};

TEST_F(CgroupSystemdTest, MakesAScopeAndLeavesNothing) {
  Contained box(settings());
  ASSERT_TRUE(box) << box.error();
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  oci::Resources resources;
  auto pid = box.start(*plan, [] {}, &resources);
  ASSERT_DONE(pid);
  std::string unit = cat("dhow-", box.settings().container_id, ".scope");
  EXPECT_EQ(box->location().scope, unit);
  EXPECT_EQ(box->location().user_manager, user_);
  auto text = read_file(cat("/proc/", *pid, "/cgroup"));
  ASSERT_DONE(text);
  EXPECT_THAT(*text, HasSubstr(cat(user_ ? "/user.slice/" : "/system.slice/", unit, "\n")));
  auto again = open_cgroup(box->location(), box.settings());
  ASSERT_DONE(again);
  auto pids = (*again)->pids(true);
  ASSERT_DONE(pids);
  EXPECT_THAT(*pids, ElementsAre(*pid));
  auto paths = box->location().paths;
  ASSERT_DONE((*again)->destroy());
  EXPECT_EQ(box.reap(*pid), SIGKILL);
  for (const auto& [name, path] : paths) EXPECT_NE(::access(path.c_str(), F_OK), 0) << path;
  // The name is free again.
  plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  ASSERT_DONE(box.start(*plan, [] {}, &resources));
}

TEST_F(CgroupSystemdTest, GoesAwayWithItsLastProcess) {
  Contained box(settings());
  ASSERT_TRUE(box) << box.error();
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  ASSERT_DONE(box.start(*plan));
  box.end_children();
  ASSERT_DONE(box->destroy());
  EXPECT_FALSE(box->exists());
}

TEST_F(CgroupSystemdTest, LimitsOutliveAReload) {
  Contained box(settings());
  ASSERT_TRUE(box) << box.error();
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  oci::Resources resources;
  resources.memory.emplace();
  resources.memory->limit = 64 << 20;
  resources.pids_limit = 17;
  resources.cpu.emplace();
  resources.cpu->shares = 512;
  resources.cpu->quota = 33'300;
  resources.cpu->period = 90'000;
  auto pid = box.start(*plan, [] {}, &resources);
  ASSERT_DONE(pid);
  ASSERT_DONE(box->apply(resources));
  auto check = [&](std::int64_t memory) {
    EXPECT_EQ(content(box, "memory", unified_ ? "memory.max" : "memory.limit_in_bytes"),
              cat(memory));
    EXPECT_EQ(content(box, "pids", "pids.max"), "17");
    if (unified_) {
      EXPECT_EQ(content(box, "cpu", "cpu.weight"), "59");
    } else {
      EXPECT_EQ(content(box, "cpu", "cpu.shares"), "512");
    }
  };
  check(64 << 20);
  if (unified_) {
    EXPECT_EQ(content(box, "cpu", "cpu.max"), "33300 90000");
  }
  ASSERT_DONE(reload());
  check(64 << 20);
  oci::Resources update;
  update.memory.emplace();
  update.memory->limit = 96 << 20;
  auto again = open_cgroup(box->location(), box.settings());
  ASSERT_DONE(again);
  ASSERT_DONE((*again)->update(update));
  check(96 << 20);
  ASSERT_DONE(reload());
  check(96 << 20);
}

TEST_F(CgroupSystemdTest, DeviceRulesOutliveAReload) {
  if (user_) GTEST_SKIP() << "device rules need root";
  Contained box(settings());
  ASSERT_TRUE(box) << box.error();
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  oci::Resources resources;
  oci::DeviceRule deny;
  deny.access = "rwm";
  oci::DeviceRule kmsg_reads;
  kmsg_reads.allow = true;
  kmsg_reads.type = 'c';
  kmsg_reads.major = 1;
  kmsg_reads.minor = 11;
  kmsg_reads.access = "r";
  resources.devices = {deny, kmsg_reads};
  int ask[2], answers[2];
  ASSERT_EQ(::pipe(ask), 0);
  ASSERT_EQ(::pipe(answers), 0);
  auto pid = box.start(
      *plan,
      [&] {
        if (::fork() != 0) return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        auto outcome = [](const char* path, int flags) {
          Fd fd(::open(path, flags | O_CLOEXEC));
          if (fd) return 'y';
          return errno == EPERM ? 'n' : '?';
        };
        char byte;
        while (::read(ask[0], &byte, 1) == 1) {
          char found[3] = {outcome("/dev/null", O_RDWR), outcome("/dev/kmsg", O_RDONLY),
                           outcome("/dev/kmsg", O_WRONLY)};
          if (::write(answers[1], found, 3) != 3) ::_exit(5);
        }
        ::_exit(0);
      },
      &resources);
  ASSERT_DONE(pid);
  ASSERT_DONE(box->apply(resources));
  for (int round = 0; round < 2; ++round) {
    char found[4] = {};
    ASSERT_EQ(::write(ask[1], "x", 1), 1);
    ASSERT_EQ(::read(answers[0], found, 3), 3);
    EXPECT_STREQ(found, "yyn");
    ASSERT_DONE(reload());
  }
  for (int fd : {ask[0], ask[1], answers[0], answers[1]}) ::close(fd);
}

TEST_F(CgroupSystemdTest, TakesPropertiesFromAnnotations) {
  Settings made = settings();
  made.annotations["org.systemd.property.CollectMode"] = "'inactive-or-failed'";
  made.annotations["org.systemd.property.TimeoutStopSec"] = "7";
  made.annotations["org.systemd.property.MemoryHigh"] = "uint64 50331648";
  Contained box(made);
  ASSERT_TRUE(box) << box.error();
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  ASSERT_DONE(box.start(*plan));
  if (unified_) {
    EXPECT_EQ(content(box, "memory", "memory.high"), "50331648");
  }
  made.annotations["org.systemd.property.NoSuchThing"] = "1";
  made.container_id = cat("dhow-test-bad-", ::getpid());
  Contained bad(made);
  ASSERT_TRUE(bad) << bad.error();
  plan = bad->prepare(nullptr);
  ASSERT_DONE(plan);
  auto pid = bad.start(*plan);
  ASSERT_FALSE(pid);
  EXPECT_THAT(pid.error().message(), HasSubstr("NoSuchThing"));
}

TEST_F(CgroupSystemdTest, HasASubgroupWhenAsked) {
  if (!unified_) GTEST_SKIP() << "needs cgroup v2";
  Settings made = settings();
  made.annotations["run.oci.systemd.subgroup"] = "container";
  Contained box(made);
  ASSERT_TRUE(box) << box.error();
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  auto pid = box.start(*plan);
  ASSERT_DONE(pid);
  auto text = read_file(cat("/proc/", *pid, "/cgroup"));
  ASSERT_DONE(text);
  EXPECT_TRUE(trim(*text).ends_with(".scope/container")) << *text;
  oci::Resources update;
  update.pids_limit = 9;
  ASSERT_DONE(box->update(update));
  EXPECT_EQ(content(box, "pids", "pids.max"), "9");
  ASSERT_DONE(box->destroy());
  EXPECT_FALSE(box->exists());
}

TEST_F(CgroupSystemdTest, NestsSlices) {
  Settings made = settings();
  made.cgroups_path = cat("dhow-test", ::getpid(), ".slice:made:one");
  Contained box(made);
  ASSERT_TRUE(box) << box.error();
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  auto pid = box.start(*plan);
  ASSERT_DONE(pid);
  auto text = read_file(cat("/proc/", *pid, "/cgroup"));
  ASSERT_DONE(text);
  EXPECT_THAT(*text,
              HasSubstr(cat("/dhow.slice/dhow-test", ::getpid(), ".slice/made-one.scope\n")));
  ASSERT_DONE(box->destroy());
  // The slices stay, as they may hold others; this one is the test's own.
  SystemdClient client([this] { return connect_systemd(user_); });
  ASSERT_DONE(client.stop(cat("dhow-test", ::getpid(), ".slice")));
  ASSERT_DONE(client.stop("dhow.slice"));
}

TEST_F(CgroupSystemdTest, RefusesAScopeInUse) {
  Contained box(settings());
  ASSERT_TRUE(box) << box.error();
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  auto pid = box.start(*plan);
  ASSERT_DONE(pid);
  Settings same = box.settings();
  Contained second(same);
  auto refused = second->prepare(nullptr);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("container's cgroup is not empty"));
  ASSERT_DONE(second->destroy());
  EXPECT_TRUE(box->exists());
}

}  // namespace
}  // namespace dhow::cgroup
