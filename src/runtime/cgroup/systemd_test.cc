// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/systemd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/cgroup/gvariant.h"
#include "runtime/cgroup/systemd_properties.h"
#include "runtime/cgroup/testing/fake_host.h"
#include "runtime/cgroup/testing/fake_systemd.h"

namespace dhow::cgroup {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::FakeHost;
using testing::FakeSystemd;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(GVariantText, Values) {
  EXPECT_EQ(parse_gvariant("true").value(), DbusValue::boolean(true));
  EXPECT_EQ(parse_gvariant(" 5 ").value(), DbusValue::int32(5));
  EXPECT_EQ(parse_gvariant("-5").value(), DbusValue::int32(-5));
  EXPECT_EQ(parse_gvariant("0x10").value(), DbusValue::int32(16));
  EXPECT_EQ(parse_gvariant("1.5").value(), (DbusValue{"d", 1.5}));
  EXPECT_EQ(parse_gvariant("'a b'").value(), DbusValue::string("a b"));
  EXPECT_EQ(parse_gvariant("\"it's\"").value(), DbusValue::string("it's"));
  EXPECT_EQ(parse_gvariant("'it\\'s'").value(), DbusValue::string("it's"));
  EXPECT_EQ(parse_gvariant("uint64 18446744073709551615").value(), DbusValue::uint64(UINT64_MAX));
  EXPECT_EQ(parse_gvariant("@t 5").value(), DbusValue::uint64(5));
  EXPECT_EQ(parse_gvariant("byte 255").value(), (DbusValue{"y", std::uint64_t{255}}));
  EXPECT_EQ(parse_gvariant("objectpath '/x'").value(), DbusValue::path("/x"));
  EXPECT_EQ(parse_gvariant("['a', 'b']").value(),
            DbusValue::array("s", {DbusValue::string("a"), DbusValue::string("b")}));
  EXPECT_EQ(parse_gvariant("@as []").value(), DbusValue::array("s", {}));
  EXPECT_EQ(parse_gvariant("@at [1]").value(), DbusValue::array("t", {DbusValue::uint64(1)}));
  EXPECT_EQ(parse_gvariant("[('a', true)]").value().signature, "a(sb)");
  EXPECT_EQ(parse_gvariant("@a(st) [('a', 5)]").value().signature, "a(st)");
  EXPECT_EQ(parse_gvariant("(1,)").value().signature, "(i)");
}

TEST(GVariantText, Refuses) {
  for (const char* bad : {"", "'a", "5 6", "nosuch 5", "byte 256", "uint64 -1", "[1, 'a']", "[]",
                          "5000000000", "@as [1]", "(", "@", "{'a': 1}", "1.2.3", "uint64 'a'",
                          "@(", "[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]"}) {
    EXPECT_FALSE(parse_gvariant(bad)) << bad;
  }
}

TEST(UnitProperties, FromAnnotations) {
  EXPECT_THAT(parse_unit_property("CollectMode", "'inactive'").value(),
              Pair("CollectMode", DbusValue::string("inactive")));
  EXPECT_THAT(parse_unit_property("TimeoutStopSec", "7").value(),
              Pair("TimeoutStopUSec", DbusValue::uint64(7'000'000)));
  EXPECT_THAT(parse_unit_property("TimeoutStopSec", "0.5").value(),
              Pair("TimeoutStopUSec", DbusValue::uint64(500'000)));
  EXPECT_THAT(parse_unit_property("TimeoutStopSec", "uint64 2").value(),
              Pair("TimeoutStopUSec", DbusValue::uint64(2'000'000)));
  EXPECT_THAT(parse_unit_property("TimeoutStopUSec", "uint64 2").value(),
              Pair("TimeoutStopUSec", DbusValue::uint64(2)));
  EXPECT_FALSE(parse_unit_property("TimeoutStopSec", "'x'"));
  EXPECT_FALSE(parse_unit_property("TimeoutStopSec", "-1"));
  EXPECT_FALSE(parse_unit_property("Bad-Name", "1"));
  EXPECT_FALSE(parse_unit_property("", "1"));
}

TEST(UnitProperties, QuotaIsInWholePercents) {
  EXPECT_EQ(quota_per_second(50'000, 100'000), 500'000U);
  EXPECT_EQ(quota_per_second(33'300, 90'000), 370'000U);
  EXPECT_EQ(quota_per_second(1, 1'000'000), 10'000U);
  EXPECT_EQ(quota_per_second(-1, 100'000), UINT64_MAX);
  EXPECT_EQ(quota_per_second(50'000, 0), 500'000U);
}

TEST(UnitProperties, ListsAreBits) {
  EXPECT_THAT(list_bits("0-2,9").value(), ElementsAre(7, 2));
  EXPECT_FALSE(list_bits("x"));
  EXPECT_FALSE(list_bits("70000"));
}

std::vector<std::string> names_of(const std::vector<UnitProperty>& properties) {
  std::vector<std::string> names;
  for (const auto& [name, value] : properties) {
    auto number = value.as_unsigned();
    names.push_back(number != nullptr ? cat(name, "=", *number) : name);
  }
  return names;
}

TEST(UnitProperties, OfLimits) {
  oci::Resources resources;
  resources.memory.emplace();
  resources.memory->limit = 1000;
  resources.memory->swap = 1500;
  resources.memory->reservation = 10;
  resources.cpu.emplace();
  resources.cpu->shares = 1024;
  resources.cpu->quota = 50'000;
  resources.cpu->period = 100'000;
  resources.cpu->cpus = "0";
  resources.pids_limit = 0;
  resources.block_io.emplace();
  resources.block_io->weight = 10;
  resources.unified["memory.high"] = "max";
  auto at = [&](int version, bool unified) {
    return names_of(
        limit_properties(resources, unified, [version] { return Result<int>(version); }).value());
  };
  EXPECT_THAT(at(252, true),
              ElementsAre("MemoryMax=1000", "MemoryLow=10", "MemorySwapMax=500", "CPUWeight=100",
                          "CPUQuotaPeriodUSec=100000", "CPUQuotaPerSecUSec=500000", "AllowedCPUs",
                          "TasksMax=1", "IOWeight=1", "MemoryHigh=18446744073709551615"));
  EXPECT_THAT(at(241, true), ElementsAre("MemoryMax=1000", "MemoryLow=10", "MemorySwapMax=500",
                                         "CPUWeight=100", "CPUQuotaPerSecUSec=500000", "TasksMax=1",
                                         "IOWeight=1", "MemoryHigh=18446744073709551615"));
  EXPECT_THAT(at(244, false), ElementsAre("MemoryLimit=1000", "CPUShares=1024",
                                          "CPUQuotaPeriodUSec=100000", "CPUQuotaPerSecUSec=500000",
                                          "AllowedCPUs", "TasksMax=1", "BlockIOWeight=10"));
}

TEST(UnitProperties, OfIdleCgroups) {
  oci::Resources resources;
  resources.cpu.emplace();
  resources.cpu->idle = 1;
  resources.cpu->shares = 1024;
  EXPECT_THAT(names_of(limit_properties(resources, true, [] { return Result<int>(252); }).value()),
              ElementsAre("CPUWeight=0"));
  EXPECT_THAT(names_of(limit_properties(resources, true, [] { return Result<int>(251); }).value()),
              ElementsAre());
}

std::vector<std::string> allowed_devices(const std::vector<UnitProperty>& properties) {
  std::vector<std::string> lines = {*properties[0].second.as_string()};
  for (const DbusValue& item : *properties[1].second.members()) {
    const auto& pair = *item.members();
    lines.push_back(cat(*pair[0].as_string(), " ", *pair[1].as_string()));
  }
  return lines;
}

TEST(UnitProperties, OfDevices) {
  constexpr std::string_view kDevices =
      "Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  8 sd\n259 blkext\n";
  oci::DeviceRule deny;
  oci::DeviceRule disks{true, 'b', 8, std::nullopt, "r"};
  oci::DeviceRule unknown{true, 'b', 9, std::nullopt, "r"};
  auto policy = make_device_policy({deny, disks, unknown});
  ASSERT_TRUE(policy);
  auto lines = allowed_devices(device_properties(*policy, kDevices));
  EXPECT_EQ(lines.front(), "strict");
  EXPECT_THAT(lines, Contains("block-sd r"));
  EXPECT_THAT(lines, Contains("char-* m"));
  EXPECT_THAT(lines, Contains("char-pts rwm"));
  EXPECT_THAT(lines, Contains("/dev/char/1:3 rwm"));
  EXPECT_EQ(lines.size(), 12U);
  oci::DeviceRule allow;
  allow.allow = true;
  policy = make_device_policy({allow, {false, 'b', 8, 0, "w"}});
  ASSERT_TRUE(policy);
  EXPECT_THAT(allowed_devices(device_properties(*policy, kDevices)), ElementsAre("auto"));
}

class SystemdManagerTest : public ::testing::Test {
 protected:
  SystemdManagerTest() {
    host_.put("cgroup.controllers", "");
    host_.put("../self_cgroup", "0::/x\n");
    settings_.kind = ManagerKind::kSystemd;
    settings_.container_id = "id";
    settings_.program_name = "runc";
  }
  std::unique_ptr<Cgroup> make() {
    auto layout = detect_layout(host_.view);
    EXPECT_TRUE(layout);
    auto made = make_systemd(settings_, host_.view, *layout, systemd_.connector());
    EXPECT_TRUE(made) << made.error().message();
    return made ? std::move(*made) : nullptr;
  }

  FakeHost host_;
  FakeSystemd systemd_{DbusConnection::Kind::kPeer};
  Settings settings_;
};

TEST_F(SystemdManagerTest, KnowsWhereTheScopeIs) {
  auto box = make();
  ASSERT_TRUE(box);
  EXPECT_EQ(box->location().scope, "runc-id.scope");
  EXPECT_EQ(box->location().paths.at(""), host_.path("system.slice/runc-id.scope"));
  EXPECT_FALSE(box->location().user_manager);
  EXPECT_THAT(systemd_.calls(), ElementsAre());
}

TEST_F(SystemdManagerTest, AsksTheUsersManagerForItsCgroup) {
  settings_.rootless = true;
  auto box = make();
  ASSERT_TRUE(box);
  EXPECT_EQ(box->location().paths.at(""),
            host_.path("user.slice/manager/user.slice/runc-id.scope"));
  EXPECT_TRUE(box->location().user_manager);
}

TEST_F(SystemdManagerTest, GivesTheProcessToAScope) {
  settings_.cgroups_path = "a-b.slice:cri:name";
  settings_.annotations["org.systemd.property.TimeoutStopSec"] = "3";
  auto box = make();
  ASSERT_TRUE(box);
  ASSERT_TRUE(box->prepare(nullptr));
  host_.folder("a.slice/a-b.slice/cri-name.scope");  // as systemd would
  oci::Resources resources;
  resources.memory.emplace();
  resources.memory->limit = 5;
  auto attached = box->attach(1234, &resources);
  ASSERT_TRUE(attached) << attached.error().message();
  std::vector<std::string> names;
  auto properties = systemd_.properties();
  for (const DbusValue& property : properties) {
    names.push_back(*property.members()->front().as_string());
  }
  EXPECT_THAT(names,
              ElementsAre("Description", "Slice", "Delegate", "PIDs", "MemoryAccounting",
                          "CPUAccounting", "TasksAccounting", "IOAccounting", "DefaultDependencies",
                          "TimeoutStopUSec", "MemoryMax", "DevicePolicy", "DeviceAllow"));
  const DbusValue& pids = (*properties[3].members())[1].members()->front();
  EXPECT_EQ(pids, DbusValue::array("u", {DbusValue::uint32(1234)}));
}

TEST_F(SystemdManagerTest, UpdatesTheUnitAndTheFiles) {
  auto box = make();
  ASSERT_TRUE(box);
  host_.folder("system.slice/runc-id.scope");
  host_.put("system.slice/runc-id.scope/pids.max", "");
  oci::Resources resources;
  resources.pids_limit = 7;
  ASSERT_TRUE(box->update(resources));
  EXPECT_THAT(systemd_.calls(), ElementsAre("SetUnitProperties runc-id.scope"));
  EXPECT_EQ(host_.get("system.slice/runc-id.scope/pids.max"), "7");
}

TEST_F(SystemdManagerTest, UpdatesBothOrNeither) {
  auto box = make();
  ASSERT_TRUE(box);
  host_.folder("system.slice/runc-id.scope");
  host_.put("system.slice/runc-id.scope/pids.max", "20");
  oci::Resources resources;
  resources.pids_limit = 30;
  systemd_.fail_next("org.freedesktop.DBus.Error.InvalidArgs", "no such limit");
  auto refused = box->update(resources);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("no such limit"));
  EXPECT_EQ(host_.get("system.slice/runc-id.scope/pids.max"), "20");
  std::size_t calls = systemd_.calls().size();
  resources.hugepage_limits = {{"3MB", 1}};
  EXPECT_FALSE(box->update(resources));
  EXPECT_EQ(host_.get("system.slice/runc-id.scope/pids.max"), "20");
  EXPECT_EQ(systemd_.calls().size(), calls) << "systemd knows of a limit that can't be had";
}

TEST_F(SystemdManagerTest, StopsTheUnit) {
  auto box = make();
  ASSERT_TRUE(box);
  ASSERT_TRUE(box->destroy());
  EXPECT_THAT(systemd_.calls(),
              ElementsAre("StopUnit runc-id.scope", "ResetFailedUnit runc-id.scope"));
}

TEST_F(SystemdManagerTest, SubgroupsStayInTheScope) {
  settings_.annotations["run.oci.systemd.subgroup"] = "container";
  auto box = make();
  ASSERT_TRUE(box);
  EXPECT_EQ(box->location().paths.at(""), host_.path("system.slice/runc-id.scope/container"));
  settings_.annotations["run.oci.systemd.subgroup"] = "../x";
  auto layout = detect_layout(host_.view);
  ASSERT_TRUE(layout);
  auto refused = make_systemd(settings_, host_.view, *layout, systemd_.connector());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("bad sub cgroup path"));
}

}  // namespace
}  // namespace dhow::cgroup
