// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/devices.h"

#include <linux/bpf.h>

#include <array>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/cgroup/testing/fake_host.h"

namespace dhow::cgroup {
namespace {

using ::testing::ElementsAre;
using testing::FakeHost;
using ::testing::HasSubstr;
using testing::observe_writes;
using testing::observed_writes;
using ::testing::SizeIs;

// Runs a program as the kernel would, with just the instructions that device programs need. Any
// other instruction, and a run past the end, is an answer of -1.
int run(const std::vector<bpf_insn>& program, const bpf_cgroup_dev_ctx& context) {
  std::array<std::uint64_t, 11> r{};
  const std::uint32_t words[3] = {context.access_type, context.major, context.minor};
  for (std::size_t at = 0; at < program.size(); ++at) {
    const bpf_insn& insn = program[at];
    auto low = [&r](unsigned number) { return static_cast<std::uint32_t>(r[number]); };
    auto immediate = static_cast<std::uint32_t>(insn.imm);
    switch (insn.code) {
      case BPF_LDX | BPF_MEM | BPF_W:
        if (insn.src_reg != 1 || insn.off % 4 != 0 || insn.off / 4 > 2) return -1;
        r[insn.dst_reg] = words[insn.off / 4];
        break;
      case BPF_ALU | BPF_MOV | BPF_X:
        r[insn.dst_reg] = low(insn.src_reg);
        break;
      case BPF_ALU | BPF_MOV | BPF_K:
        r[insn.dst_reg] = immediate;
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        r[insn.dst_reg] = low(insn.dst_reg) & immediate;
        break;
      case BPF_ALU | BPF_RSH | BPF_K:
        r[insn.dst_reg] = low(insn.dst_reg) >> immediate;
        break;
      case BPF_JMP32 | BPF_JNE | BPF_K:
        if (low(insn.dst_reg) != immediate) at += static_cast<std::size_t>(insn.off);
        break;
      case BPF_JMP32 | BPF_JEQ | BPF_K:
        if (low(insn.dst_reg) == immediate) at += static_cast<std::size_t>(insn.off);
        break;
      case BPF_JMP | BPF_EXIT:
        return static_cast<int>(r[0]);
      default:
        return -1;
    }
  }
  return -1;
}

oci::DeviceRule rule(bool allow, char type, std::optional<std::int64_t> major,
                     std::optional<std::int64_t> minor, std::string access) {
  return {allow, type, major, minor, std::move(access)};
}

class DeviceProgramTest : public ::testing::Test {
 protected:
  void use(const std::vector<oci::DeviceRule>& rules) {
    auto policy = make_device_policy(rules);
    ASSERT_TRUE(policy) << policy.error().message();
    program_ = build_device_program(*policy);
  }
  int ask(char type, std::uint32_t major, std::uint32_t minor, std::uint32_t access) const {
    bpf_cgroup_dev_ctx context{};
    context.access_type =
        (access << 16) |
        static_cast<std::uint32_t>(type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
    context.major = major;
    context.minor = minor;
    return run(program_, context);
  }

  std::vector<bpf_insn> program_;
};

TEST_F(DeviceProgramTest, WithoutRulesOnlyTheDefaultDevices) {
  use({});
  for (std::uint32_t minor : {3U, 5U, 7U, 8U, 9U}) EXPECT_EQ(ask('c', 1, minor, kAccessAll), 1);
  EXPECT_EQ(ask('c', 5, 0, kAccessAll), 1);
  EXPECT_EQ(ask('c', 5, 2, kAccessAll), 1);
  EXPECT_EQ(ask('c', 136, 77, kAccessAll), 1);
  EXPECT_EQ(ask('c', 1, 1, kAccessRead), 0);
  EXPECT_EQ(ask('b', 1, 3, kAccessRead), 0);
  EXPECT_EQ(ask('b', 8, 0, kAccessRead), 0);
  EXPECT_EQ(ask('b', 8, 0, kAccessMknod), 1);
  EXPECT_EQ(ask('c', 10, 200, kAccessMknod), 1);
  EXPECT_EQ(ask('c', 10, 200, kAccessMknod | kAccessRead), 0);
}

TEST_F(DeviceProgramTest, TheLastRuleWins) {
  use({rule(false, 'a', {}, {}, "rwm"), rule(true, 'b', 8, {}, "rwm"),
       rule(false, 'b', 8, 1, "w")});
  EXPECT_EQ(ask('b', 8, 0, kAccessAll), 1);
  EXPECT_EQ(ask('b', 8, 1, kAccessRead), 1);
  EXPECT_EQ(ask('b', 8, 1, kAccessWrite), 0);
  EXPECT_EQ(ask('b', 8, 1, kAccessRead | kAccessWrite), 0);
  EXPECT_EQ(ask('b', 9, 0, kAccessRead), 0);
  use({rule(true, 'b', 8, 1, "w"), rule(false, 'a', {}, {}, "rwm")});
  EXPECT_EQ(ask('b', 8, 1, kAccessWrite), 0);
}

TEST_F(DeviceProgramTest, BitsAddUpOverRules) {
  use({rule(true, 'c', 200, 1, "r"), rule(true, 'c', 200, {}, "w")});
  EXPECT_EQ(ask('c', 200, 1, kAccessRead | kAccessWrite), 1);
  EXPECT_EQ(ask('c', 200, 1, kAccessAll), 1);  // anybody may mknod
  EXPECT_EQ(ask('c', 200, 2, kAccessRead | kAccessWrite), 0);
  EXPECT_EQ(ask('c', 200, 2, kAccessWrite), 1);
}

TEST_F(DeviceProgramTest, EverythingBut) {
  use({rule(true, 'a', {}, {}, ""), rule(false, 'c', 1, 11, "w"), rule(false, 'a', 7, {}, "")});
  EXPECT_EQ(ask('c', 1, 11, kAccessRead), 1);
  EXPECT_EQ(ask('c', 1, 11, kAccessWrite), 0);
  EXPECT_EQ(ask('c', 7, 0, kAccessMknod), 0);
  EXPECT_EQ(ask('b', 7, 9, kAccessRead), 0);
  EXPECT_EQ(ask('b', 8, 0, kAccessAll), 1);
  use({rule(true, 'a', {}, {}, "rwm")});
  EXPECT_EQ(ask('c', 123, 45, kAccessAll), 1);
}

TEST_F(DeviceProgramTest, BothKindsByPart) {
  use({rule(true, 'a', {}, {}, "r"), rule(false, 'a', 9, 9, "r"), rule(true, 'a', -1, 50, "w")});
  EXPECT_EQ(ask('b', 1, 2, kAccessRead), 1);
  EXPECT_EQ(ask('c', 1, 2, kAccessRead), 1);
  EXPECT_EQ(ask('c', 9, 9, kAccessRead), 0);
  EXPECT_EQ(ask('b', 77, 50, kAccessWrite), 1);
  EXPECT_EQ(ask('b', 77, 51, kAccessWrite), 0);
}

TEST_F(DeviceProgramTest, LargeNumbersCompareWhole) {
  use({rule(true, 'c', 0xffffffff, 0x80000000, "rw")});
  EXPECT_EQ(ask('c', 0xffffffff, 0x80000000, kAccessRead), 1);
  EXPECT_EQ(ask('c', 0x7fffffff, 0x80000000, kAccessRead), 0);
}

TEST(DevicePolicy, RefusesNonsense) {
  EXPECT_FALSE(make_device_policy({rule(true, 'x', 1, 1, "r")}));
  EXPECT_FALSE(make_device_policy({rule(true, 'c', -2, 1, "r")}));
  EXPECT_FALSE(make_device_policy({rule(true, 'c', 1, std::int64_t{1} << 32, "r")}));
  EXPECT_FALSE(make_device_policy({rule(true, 'c', 1, 1, "rx")}));
}

TEST(DeviceFiles, AreWrittenInOrder) {
  FakeHost host;
  std::string path = host.folder("devices");
  host.put("devices/devices.allow", "");
  host.put("devices/devices.deny", "");
  auto folder = Folder::open(path, FsKind::kAny);
  ASSERT_TRUE(folder);
  auto policy = make_device_policy({rule(false, 'a', {}, {}, "rwm"), rule(true, 'b', 8, {}, "r"),
                                    rule(true, 'a', 7, 1, "w"), rule(false, 'b', 8, {}, "r")});
  ASSERT_TRUE(policy);
  observe_writes();
  ASSERT_TRUE(apply_devices_v1(*folder, *policy));
  ASSERT_THAT(observed_writes(), SizeIs(15));
  observed_writes().resize(7);
  EXPECT_THAT(observed_writes(),
              ElementsAre("devices.deny=a", "devices.allow=b 8:* r", "devices.allow=c 7:1 w",
                          "devices.allow=b 7:1 w", "devices.deny=b 8:* r", "devices.allow=c *:* m",
                          "devices.allow=b *:* m"));
}

TEST(DeviceFiles, CantHoldExceptionsToExceptions) {
  FakeHost host;
  auto folder = Folder::open(host.folder("devices"), FsKind::kAny);
  ASSERT_TRUE(folder);
  auto policy = make_device_policy({rule(true, 'b', 8, {}, "rw"), rule(false, 'b', 8, 1, "w")});
  ASSERT_TRUE(policy);
  observe_writes();
  auto refused = apply_devices_v1(*folder, *policy);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kUnimplemented);
  EXPECT_THAT(refused.error().message(), HasSubstr("no exceptions to exceptions"));
  EXPECT_THAT(observed_writes(), SizeIs(0));
}

}  // namespace
}  // namespace dhow::cgroup
