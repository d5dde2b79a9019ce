// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/old_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/cgroup/folder.h"
#include "runtime/cgroup/testing/fake_host.h"

namespace dhow::cgroup {
namespace {

using ::testing::Optional;

struct Undoing {
  const char* file;
  const char* before;
  const char* value;
  const char* undone;
};

TEST(OldValues, AreWrittenAsTheirFilesTakeThem) {
  for (const Undoing& c : {
           Undoing{"pids.max", "max", "33", "max"},
           Undoing{"cpuset.cpus", "", "0", "\n"},
           Undoing{"cpu.max", "max 100000", "20000 50000", "max 100000"},
           Undoing{"memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3", "1", "0"},
           Undoing{"io.weight", "default 100\n8:0 50", "200", "100"},
           Undoing{"io.weight", "default 100\n8:0 50", "8:0 300", "8:0 50"},
           Undoing{"io.weight", "default 100\n8:0 50", "8:16 300", "8:16 default"},
           Undoing{"io.max", "8:0 rbps=1 wbps=max riops=max wiops=max", "8:0 rbps=2",
                   "8:0 rbps=1 wbps=max riops=max wiops=max"},
           Undoing{"io.max", "", "8:0 rbps=2", "8:0 rbps=max wbps=max riops=max wiops=max"},
           Undoing{"blkio.throttle.read_bps_device", "8:16 7", "8:0 5", "8:0 0"},
           Undoing{"blkio.throttle.read_bps_device", "8:16 7\n8:0 3", "8:0 5", "8:0 3"},
           Undoing{"net_prio.ifpriomap", "lo 0\neth0 2", "eth0 5", "eth0 2"},
       }) {
    EXPECT_THAT(undoing_value(c.file, c.before, c.value), Optional(std::string(c.undone)))
        << c.file << ": " << c.value;
  }
  EXPECT_EQ(undoing_value("io.latency", "", "8:0 target=10"), std::nullopt);
}

TEST(OldValues, ArePutBackFromTheLastToTheFirst) {
  testing::FakeHost host;
  auto folder = Folder::open(host.folder("box"), FsKind::kAny);
  ASSERT_TRUE(folder);
  host.put("box/pids.max", "20");
  host.put("box/cpu.idle", "0");
  ASSERT_TRUE(folder->write("pids.max", "25"));  // before anybody keeps account
  OldValues old;
  folder->keep_old_values(old);
  ASSERT_TRUE(folder->write("pids.max", "30"));
  ASSERT_TRUE(folder->write("cpu.idle", "1"));
  ASSERT_TRUE(folder->write("pids.max", "35"));
  EXPECT_FALSE(folder->write("memory.max", "64"));
  EXPECT_EQ(old.size(), 3U);
  put_back(old);
  EXPECT_EQ(host.get("box/pids.max"), "25");
  EXPECT_EQ(host.get("box/cpu.idle"), "0");
}

}  // namespace
}  // namespace dhow::cgroup
