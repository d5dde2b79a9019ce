// SPDX-License-Identifier: Apache-2.0
#include "network/cni/config.h"

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sys/testing/temp_dir.h"

namespace dhow::cni {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

std::vector<std::string> types_of(const NetworkConfig& network) {
  std::vector<std::string> types;
  for (const PluginConfig& plugin : network.plugins) types.push_back(plugin.type);
  return types;
}

std::string fault_of(std::string_view json) {
  auto network = parse_network(json);
  return network ? std::string() : network.error().message();
}

TEST(Config, ReadsAList) {
  auto network = parse_network(R"({"cniVersion":"0.4.0","cniVersions":["1.0.0","7.0.0","0.4.0"],
      "name":"net","disableCheck":true,"disableGC":"true","unknown":[1],
      "plugins":[{"type":"bridge","capabilities":{"mac":true,"ips":false}},{"type":"tuning"}]})");
  ASSERT_TRUE(network) << network.error().message();
  EXPECT_EQ(network->name, "net");
  EXPECT_EQ(network->version, (Version{1, 0, 0}));
  EXPECT_THAT(network->versions, ElementsAre(Version{0, 4, 0}, Version{1, 0, 0}));
  EXPECT_TRUE(network->disable_check);
  EXPECT_TRUE(network->disable_gc);
  EXPECT_THAT(types_of(*network), ElementsAre("bridge", "tuning"));
  EXPECT_THAT(network->plugins[0].capabilities, UnorderedElementsAre("mac"));
  auto again = parse_network(network_text(*network));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(network_text(*again), network_text(*network));
}

TEST(Config, OnePluginIsAListOfOne) {
  auto network = parse_network(R"({"name":"n","type":"loopback"})");
  ASSERT_TRUE(network) << network.error().message();
  EXPECT_EQ(network->version, kOldest);
  EXPECT_THAT(types_of(*network), ElementsAre("loopback"));
}

TEST(Config, FaultsNameTheirPlace) {
  EXPECT_THAT(fault_of(R"({"plugins":[{"type":"x"}]})"), HasSubstr("$.name: required"));
  EXPECT_THAT(fault_of(R"({"name":"../x","plugins":[{"type":"x"}]})"), HasSubstr("$.name"));
  EXPECT_THAT(fault_of(R"({"name":"n","plugins":[]})"), HasSubstr("there are no plugins"));
  EXPECT_THAT(fault_of(R"({"name":"n"})"), HasSubstr("there are no plugins"));
  EXPECT_THAT(fault_of(R"({"name":"n","plugins":[{"type":"../sh"}]})"),
              HasSubstr("$.plugins[0].type: not a plugin's name"));
  EXPECT_THAT(fault_of(R"({"name":"n","plugins":[{}]})"), HasSubstr("$.plugins[0].type"));
  EXPECT_THAT(fault_of(R"({"name":"n","plugins":[7]})"), HasSubstr("$.plugins[0]"));
  EXPECT_THAT(fault_of(R"({"name":"n","cniVersion":"2.0.0","plugins":[{"type":"x"}]})"),
              HasSubstr("version 2.0.0 is none that we know"));
  EXPECT_THAT(fault_of(R"({"name":"n","cniVersion":"one","plugins":[{"type":"x"}]})"),
              HasSubstr("$.cniVersion: not a version"));
  EXPECT_THAT(fault_of(R"({"name":"n","disableCheck":3,"plugins":[{"type":"x"}]})"),
              HasSubstr("$.disableCheck"));
  EXPECT_THAT(fault_of("{"), HasSubstr("invalid JSON"));
}

TEST(Config, WhatWeDoNotKnowGoesToThePlugin) {
  auto network = parse_network(R"({"cniVersion":"1.0.0","name":"net","plugins":[
      {"type":"x","name":"other","cniVersion":"0.1.0","n":1.5,"big":18446744073709551615,
       "neg":-3,"o":{"a":[null,true,"\u0000"]},"capabilities":{"mac":true},"prevResult":{"a":1}}]})");
  ASSERT_TRUE(network) << network.error().message();
  PluginInput input;
  input.previous = R"({"cniVersion":"1.0.0"})";
  EXPECT_EQ(plugin_input(*network, network->plugins[0], input),
            R"({"type":"x","n":1.5,"big":18446744073709551615,"neg":-3,)"
            R"("o":{"a":[null,true,"\u0000"]},"cniVersion":"1.0.0","name":"net",)"
            R"("prevResult":{"cniVersion":"1.0.0"}})");
}

TEST(Config, CapabilitiesGoOnlyToPluginsThatHaveThem) {
  auto network = parse_network(R"({"name":"n","plugins":[
      {"type":"a","capabilities":{"portMappings":true,"mac":true}},
      {"type":"b","runtimeConfig":{"kept":1}}]})");
  ASSERT_TRUE(network);
  Capabilities all;
  all.port_mappings = {{8080, 80, "tcp", "127.0.0.1"}};
  all.bandwidth = {1000, 2000, 3000, 4000};
  all.ip_ranges = {{{"10.0.0.0/24", "10.0.0.2", "10.0.0.9", "10.0.0.1"}}};
  all.dns_servers = {"10.0.0.1"};
  all.dns_searches = {"a.b"};
  all.dns_options = {"ndots:1"};
  all.ips = {"10.0.0.3/24"};
  all.mac = "00:11:22:33:44:55";
  all.infiniband_guid = "c2:11";
  all.device_id = "0000:01:00.0";
  all.aliases = {"web"};
  all.cgroup_path = "/a/b";
  all.pod_annotations = {{"k", "v"}};
  PluginInput input;
  input.capabilities = all.args();
  EXPECT_THAT(input.capabilities, SizeIs(11));
  EXPECT_EQ(input.capabilities["bandwidth"],
            R"({"ingressRate":1000,"ingressBurst":2000,"egressRate":3000,"egressBurst":4000})");
  EXPECT_EQ(input.capabilities["ipRanges"],
            R"([[{"subnet":"10.0.0.0/24","rangeStart":"10.0.0.2","rangeEnd":"10.0.0.9",)"
            R"("gateway":"10.0.0.1"}]])");
  EXPECT_EQ(input.capabilities["dns"],
            R"({"servers":["10.0.0.1"],"searches":["a.b"],"options":["ndots:1"]})");
  EXPECT_EQ(input.capabilities["aliases"], R"(["web"])");
  EXPECT_EQ(input.capabilities["io.kubernetes.cri.pod-annotations"], R"({"k":"v"})");
  EXPECT_EQ(plugin_input(*network, network->plugins[0], input),
            R"({"type":"a","cniVersion":"0.1.0","name":"n","runtimeConfig":)"
            R"({"mac":"00:11:22:33:44:55","portMappings":[{"hostPort":8080,"containerPort":80,)"
            R"("protocol":"tcp","hostIP":"127.0.0.1"}]}})");
  EXPECT_EQ(plugin_input(*network, network->plugins[1], input),
            R"({"type":"b","runtimeConfig":{"kept":1},"cniVersion":"0.1.0","name":"n"})");
  EXPECT_THAT(Capabilities().args(), IsEmpty());
}

class ConfigFiles : public testing::TempDirTest {};

TEST_F(ConfigFiles, AreReadInTheOrderOfTheirNames) {
  put("20-b.conflist", R"({"name":"b","plugins":[{"type":"x"}]})");
  put("10-a.conf", R"({"name":"a","type":"x"})");
  put("30-c.json", R"({"name":"c","plugins":[{"type":"x"}]})");
  put("05-readme.txt", "no");
  auto files = network_files(path_);
  ASSERT_TRUE(files);
  EXPECT_THAT(*files, ElementsAre(at("10-a.conf"), at("20-b.conflist"), at("30-c.json")));
  EXPECT_EQ(find_network(path_, "")->name, "a");
  EXPECT_EQ(find_network(path_, "c")->name, "c");
  EXPECT_EQ(find_network(path_, "d").error().code(), Code::kNotFound);
  EXPECT_EQ(find_network(at("missing"), "").error().code(), Code::kNotFound);
  put("00-torn.conflist", "{");
  EXPECT_EQ(find_network(path_, "c")->name, "c");
  EXPECT_THAT(find_network(path_, "d").error().message(), HasSubstr("00-torn.conflist"));
}

TEST_F(ConfigFiles, PluginsMayHaveFilesOfTheirOwn) {
  ASSERT_EQ(::mkdir(at("net").c_str(), 0755), 0);
  put("net/2.conf", R"({"type":"second"})");
  put("net/1.conf", R"({"type":"first"})");
  put("net/3.json", R"({"type":"third"})");
  put("a.conflist", R"({"name":"net","plugins":[{"type":"inline"}]})");
  EXPECT_THAT(types_of(*load_network(at("a.conflist"))), ElementsAre("inline", "first", "second"));
  put("b.conflist", R"({"name":"net"})");
  EXPECT_THAT(types_of(*load_network(at("b.conflist"))), ElementsAre("first", "second"));
  put("c.conflist",
      R"({"name":"net","loadOnlyInlinedPlugins":true,"plugins":[{"type":"inline"}]})");
  EXPECT_THAT(types_of(*load_network(at("c.conflist"))), ElementsAre("inline"));
  // What is written down stands for itself.
  auto text = network_text(*load_network(at("a.conflist")));
  put("d.conflist", text);
  EXPECT_THAT(types_of(*load_network(at("d.conflist"))), ElementsAre("inline", "first", "second"));
  put("net/2.conf", R"({"no":"type"})");
  EXPECT_THAT(load_network(at("a.conflist")).error().message(), HasSubstr("net/2.conf"));
}

}  // namespace
}  // namespace dhow::cni
