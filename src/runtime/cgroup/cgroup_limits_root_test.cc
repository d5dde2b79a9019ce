// SPDX-License-Identifier: Apache-2.0
// What the kernel makes of the limits, and what it tells.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#include "runtime/cgroup/testing/root_fixture.h"

namespace dhow::cgroup {
namespace {

using testing::CgroupRootTest;
using testing::Contained;
using ::testing::HasSubstr;

TEST_F(CgroupRootTest, WritesLimits) {
  Contained box;
  ASSERT_TRUE(box) << box.error();
  ASSERT_DONE(box->prepare(nullptr));
  oci::Resources resources;
  resources.memory.emplace();
  resources.memory->limit = 64 << 20;
  resources.pids_limit = 17;
  resources.cpu.emplace();
  resources.cpu->shares = 1024;
  resources.cpu->quota = 50'000;
  resources.cpu->period = 100'000;
  resources.cpu->cpus = "0";
  ASSERT_DONE(box->apply(resources));
  EXPECT_EQ(content(box, "memory", unified_ ? "memory.max" : "memory.limit_in_bytes"),
            cat(64 << 20));
  EXPECT_EQ(content(box, "pids", "pids.max"), "17");
  EXPECT_EQ(content(box, "cpuset", "cpuset.cpus"), "0");
  if (unified_) {
    EXPECT_EQ(content(box, "cpu", "cpu.weight"), "100");
    EXPECT_EQ(content(box, "cpu", "cpu.max"), "50000 100000");
  } else {
    EXPECT_EQ(content(box, "cpu", "cpu.shares"), "1024");
    EXPECT_EQ(content(box, "cpu", "cpu.cfs_quota_us"), "50000");
  }
  // A later value replaces, growing and shrinking, and what isn't named stays.
  for (std::int64_t limit : {std::int64_t{128} << 20, std::int64_t{32} << 20}) {
    oci::Resources update;
    update.memory.emplace();
    update.memory->limit = limit;
    update.memory->swap = limit;
    ASSERT_DONE(box->apply(update));
    EXPECT_EQ(content(box, "memory", unified_ ? "memory.max" : "memory.limit_in_bytes"),
              cat(limit));
  }
  EXPECT_EQ(content(box, "pids", "pids.max"), "17");
  oci::Resources no_limit;
  no_limit.pids_limit = -1;
  ASSERT_DONE(box->apply(no_limit));
  EXPECT_EQ(content(box, "pids", "pids.max"), "max");
}

TEST_F(CgroupRootTest, RejectsMemoryBelowUse) {
  Contained box;
  ASSERT_TRUE(box) << box.error();
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  auto pid = box.start(*plan, [] {
    constexpr std::size_t kSize = 8 << 20;
    void* memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    static_cast<void>(memory);
  });
  ASSERT_DONE(pid);
  oci::Resources update;
  update.memory.emplace();
  update.memory->limit = 1 << 20;
  update.memory->check_before_update = true;
  auto rejected = box->apply(update);
  ASSERT_FALSE(rejected);
  EXPECT_THAT(rejected.error().message(), HasSubstr("rejecting memory limit 1048576 <= usage "));
}

TEST_F(CgroupRootTest, UnifiedResources) {
  Contained box;
  ASSERT_TRUE(box) << box.error();
  ASSERT_DONE(box->prepare(nullptr));
  oci::Resources resources;
  resources.unified = {{"pids.max", "23"}};
  auto done = box->apply(resources);
  if (!unified_) {
    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().message(), HasSubstr("cannot use unified on cgroup v1"));
    return;
  }
  ASSERT_DONE(done);
  EXPECT_EQ(content(box, "pids", "pids.max"), "23");
  resources.unified = {{"nosuch.max", "1"}};
  done = box->apply(resources);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message(), HasSubstr("controller \"nosuch\" not available"));
  resources.unified = {{"../pids.max", "1"}};
  done = box->apply(resources);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message(), HasSubstr("must be a file name"));
}

TEST_F(CgroupRootTest, HugePagesWhereverTheControllerIs) {
  Contained box;
  ASSERT_TRUE(box) << box.error();
  ASSERT_DONE(box->prepare(nullptr));
  // On v2 those that the cgroups above pass on; beside v1 the manager passes them on itself.
  auto controllers = read_file(unified_ ? cat(box->location().paths.at(""), "/cgroup.controllers")
                                        : std::string("/sys/fs/cgroup/unified/cgroup.controllers"));
  if (!controllers || controllers->find("hugetlb") == std::string::npos) {
    GTEST_SKIP() << "no hugetlb controller in reach";
  }
  oci::Resources resources;
  resources.hugepage_limits = {{"2MB", 4 << 20}};
  ASSERT_DONE(box->apply(resources));
  auto text = read_file(cat(box->location().paths.at(""), "/hugetlb.2MB.max"));
  ASSERT_DONE(text);
  EXPECT_EQ(trim(*text), cat(4 << 20));
  auto stats = box->stats_json();
  ASSERT_DONE(stats);
  EXPECT_THAT(*stats, HasSubstr("\"hugetlb\":{"));
  EXPECT_THAT(*stats, HasSubstr("\"2MB\":{\"failcnt\":0}"));
}

TEST_F(CgroupRootTest, DeviceRulesHold) {
  if (::geteuid() != 0) GTEST_SKIP() << "device rules need root";
  Contained box;
  ASSERT_TRUE(box) << box.error();
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  oci::Resources resources;
  oci::DeviceRule deny;
  deny.access = "rwm";
  oci::DeviceRule kmsg_reads;
  kmsg_reads.type = 'c';
  kmsg_reads.major = 1;
  kmsg_reads.minor = 11;
  kmsg_reads.allow = true;
  kmsg_reads.access = "r";
  resources.devices = {deny, kmsg_reads};
  ASSERT_DONE(box->apply_devices(resources));
  ASSERT_DONE(box->apply_devices(resources));  // a second time replaces the first
  int answers[2];
  ASSERT_EQ(::pipe(answers), 0);
  auto pid = box.start(*plan, [&answers] {
    auto outcome = [](const char* path, int flags) {
      Fd fd(::open(path, flags | O_CLOEXEC));
      if (fd) return 'y';
      return errno == EPERM ? 'n' : '?';
    };
    char found[3] = {outcome("/dev/null", O_RDWR), outcome("/dev/kmsg", O_RDONLY),
                     outcome("/dev/kmsg", O_WRONLY)};
    if (::write(answers[1], found, 3) != 3) ::_exit(5);
  });
  ASSERT_DONE(pid);
  char found[4] = {};
  ASSERT_EQ(::read(answers[0], found, 3), 3);
  ::close(answers[0]);
  ::close(answers[1]);
  EXPECT_STREQ(found, "yyn");
}

TEST_F(CgroupRootTest, TellsOfAnOutOfMemoryKill) {
  Contained box;
  ASSERT_TRUE(box) << box.error();
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  oci::Resources resources;
  resources.memory.emplace();
  resources.memory->limit = 16 << 20;
  resources.memory->swap = 16 << 20;
  ASSERT_DONE(box->apply(resources));
  auto watch = box->watch_oom();
  ASSERT_DONE(watch);
  auto before = box->oom_kill_count();
  ASSERT_DONE(before);
  EXPECT_EQ(*before, 0U);
  int go[2], ended[2];
  ASSERT_EQ(::pipe(go), 0);
  ASSERT_EQ(::pipe(ended), 0);
  auto pid = box.start(*plan, [&go, &ended] {
    if (::fork() != 0) {
      ::close(ended[1]);
      return;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    char byte;
    if (::read(go[0], &byte, 1) != 1) ::_exit(1);
    constexpr std::size_t kSize = 64 << 20;
    ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1,
           0);
    ::_exit(0);
  });
  ASSERT_DONE(pid);
  ::close(ended[1]);
  char byte = 'x';
  ASSERT_EQ(::write(go[1], &byte, 1), 1);
  pollfd waited{.fd = watch->fd.get(), .events = POLLIN, .revents = 0};
  // On v2 other changes of the counters wake the watcher too.
  while (true) {
    ASSERT_EQ(::poll(&waited, 1, 30'000), 1) << "no notice of the kill";
    auto taken = watch->take();
    ASSERT_DONE(taken);
    if (*taken) break;
  }
  ASSERT_EQ(::read(ended[0], &byte, 1), 0);  // the victim had the other end
  auto count = box->oom_kill_count();
  ASSERT_DONE(count);
  EXPECT_EQ(*count, 1U);
  ::close(ended[0]);
  ::close(go[0]);
  ::close(go[1]);
}

TEST_F(CgroupRootTest, TellsNumbers) {
  Contained box;
  ASSERT_TRUE(box) << box.error();
  auto plan = box->prepare(nullptr);
  ASSERT_DONE(plan);
  oci::Resources resources;
  resources.memory.emplace();
  resources.memory->limit = 64 << 20;
  resources.pids_limit = 17;
  ASSERT_DONE(box->apply(resources));
  ASSERT_DONE(box.start(*plan));
  auto stats = box->stats_json();
  ASSERT_DONE(stats);
  EXPECT_THAT(*stats, HasSubstr("\"pids\":{\"current\":1,\"limit\":17}"));
  EXPECT_THAT(*stats, HasSubstr(cat("\"memory\":{")));
  EXPECT_THAT(*stats, HasSubstr(cat("\"limit\":", 64 << 20)));
  EXPECT_THAT(*stats, HasSubstr("\"intel_rdt\":{},\"network_interfaces\":null}"));
}

}  // namespace
}  // namespace dhow::cgroup
