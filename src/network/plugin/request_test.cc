// SPDX-License-Identifier: Apache-2.0
#include "network/plugin/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "network/plugin/plugin.h"
#include "network/plugin/records.h"

namespace dhow::bridge_plugin {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string fault_of(std::string_view json) {
  auto config = parse_config(json);
  return config ? std::string() : config.error().message();
}

TEST(PluginConfig, IsReadWithWhatTheRuntimeAdds) {
  auto config = parse_config(R"({"cniVersion":"1.0.0","name":"net","type":"dhow-cni",
      "subnet":"10.0.0.0/24","rangeStart":"10.0.0.9","mtu":1400,"ipMasq":false,
      "dns":{"nameservers":["10.0.0.1"]},"unknown":1,
      "runtimeConfig":{"ips":["10.0.0.7/24"],"mac":"02:00:00:00:00:01","portMappings":[
        {"hostPort":8080,"containerPort":80,"protocol":"TCP","hostIP":"127.0.0.1"}]},
      "cni.dev/valid-attachments":[{"containerID":"c","ifname":"eth0"}],
      "prevResult":{"ips":[{"address":"10.0.0.7/24"}]}})");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->gateway->text(), "10.0.0.1");
  EXPECT_EQ(config->first->text(), "10.0.0.9");
  EXPECT_FALSE(config->masquerade);
  EXPECT_EQ(config->wanted.at(0).text(), "10.0.0.7");
  EXPECT_EQ(config->ports.at(0).protocol, "tcp");
  EXPECT_EQ(config->valid->at(0), (Attachment{"c", "eth0"}));
  EXPECT_THAT(config->previous->ips, SizeIs(1));
}

TEST(PluginConfig, FaultsNameTheirPlace) {
  EXPECT_THAT(fault_of("{}"), HasSubstr("$.name: required"));
  EXPECT_THAT(fault_of(R"({"name":"../n"})"), HasSubstr("$.name"));
  EXPECT_THAT(fault_of(R"({"name":"n","subnet":"10.0.0.1/24"})"), HasSubstr("$.subnet"));
  EXPECT_THAT(fault_of(R"({"name":"n","subnet":"10.0.0.0/31"})"), HasSubstr("$.subnet"));
  EXPECT_THAT(fault_of(R"({"name":"n","subnet":"10.0.0.0/24","gateway":"10.0.1.1"})"),
              HasSubstr("$.gateway: not in the subnet"));
  EXPECT_THAT(fault_of(R"({"name":"n","bridge":"a/b"})"), HasSubstr("$.bridge"));
  EXPECT_THAT(fault_of(R"({"name":"n","dataDir":"x"})"), HasSubstr("$.dataDir"));
  EXPECT_THAT(fault_of(R"({"name":"n","runtimeConfig":{"mac":"x"}})"),
              HasSubstr("$.runtimeConfig.mac"));
  EXPECT_THAT(fault_of(R"({"name":"n","runtimeConfig":{"portMappings":[{"containerPort":1,
                           "protocol":"icmp"}]}})"),
              HasSubstr("$.runtimeConfig.portMappings[0].protocol"));
  EXPECT_THAT(fault_of(R"({"name":"n","runtimeConfig":{"ips":["fd00::1"]}})"),
              HasSubstr("$.runtimeConfig.ips"));
}

TEST(PluginConfig, NamesAreTheSameEachTimeAndFit) {
  Config config;
  config.name = "net";
  EXPECT_EQ(bridge_of(config), bridge_of(config));
  EXPECT_THAT(bridge_of(config), SizeIs(15));
  EXPECT_THAT(outside_of("net", {"c1", "eth0"}), SizeIs(15));
  EXPECT_NE(outside_of("net", {"c1", "eth0"}), outside_of("net", {"c1", "eth1"}));
  EXPECT_NE(outside_of("net", {"c1", "eth0"}), outside_of("ten", {"c1", "eth0"}));
  config.bridge = "br7";
  EXPECT_EQ(bridge_of(config), "br7");
}

TEST(PluginRecord, IsReadAsItWasWritten) {
  Record record;
  record.network = "net";
  record.attachment = {"c", "eth0"};
  record.bridge = "b";
  record.addresses = {"10.0.0.2/24"};
  record.ports = {{8080, 80, "tcp", ""}};
  auto read = parse_record(record_text(record));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(record_text(*read), record_text(record));
  EXPECT_FALSE(parse_record("{}"));
}

TEST(PluginCalls, FailuresAreToldInTheSpecificationsWay) {
  Environment environment;
  environment.command = "VERSION";
  EXPECT_THAT(run(environment, "").output, HasSubstr(R"("supportedVersions":["0.1.0",)"));
  environment.command = "ADD";
  Answer answer = run(environment, "{");
  EXPECT_EQ(answer.exit_code, 1);
  EXPECT_THAT(answer.output, HasSubstr(R"("code":7,"msg":"invalid JSON)"));
  EXPECT_THAT(run(environment, R"({"cniVersion":"3.0.0","name":"n"})").output,
              HasSubstr(R"("code":1,)"));
  EXPECT_THAT(run(environment, R"({"cniVersion":"1.0.0","name":"n"})").output,
              HasSubstr(R"("code":4,"msg":"the variable CNI_CONTAINERID)"));
  environment.container = "c";
  EXPECT_THAT(run(environment, R"({"name":"n"})").output, HasSubstr("CNI_IFNAME"));
  environment.interface = "eth0";
  EXPECT_THAT(run(environment, R"({"name":"n"})").output, HasSubstr("CNI_NETNS"));
  environment.netns = "/x";
  environment.command = "TWIST";
  EXPECT_THAT(run(environment, R"({"name":"n"})").output, HasSubstr("unknown command \\\"TWIST"));
}

}  // namespace
}  // namespace dhow::bridge_plugin
