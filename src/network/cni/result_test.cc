// SPDX-License-Identifier: Apache-2.0
#include "network/cni/result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "network/cni/cache.h"
#include "network/cni/plugin.h"

namespace dhow::cni {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// Of the specification 1.1, with everything in it.
constexpr std::string_view kFull = R"({"cniVersion":"1.1.0",
  "interfaces":[{"name":"br0","mac":"00:11:22:33:44:55"},
                {"name":"eth0","mac":"99:88:77:66:55:44","mtu":1400,"sandbox":"/run/netns/x",
                 "socketPath":"/run/s","pciID":"0000:00:1f.6"}],
  "ips":[{"address":"10.1.0.5/16","gateway":"10.1.0.1","interface":1},
         {"address":"2001:db8::5/64","interface":1}],
  "routes":[{"dst":"0.0.0.0/0"},
            {"dst":"::/0","gw":"2001:db8::1","mtu":1300,"advmss":1200,"priority":7,"table":9,
             "scope":253}],
  "dns":{"nameservers":["10.1.0.1"],"domain":"a.b","search":["a.b"],"options":["ndots:2"]}})";

TEST(Result, ReadsAndWritesTheNewestVersion) {
  auto result = parse_result(kFull);
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result->version, kNewest);
  ASSERT_THAT(result->interfaces, SizeIs(2));
  EXPECT_EQ(result->interfaces[1].mtu, 1400U);
  EXPECT_EQ(result->interfaces[1].pci_id, "0000:00:1f.6");
  ASSERT_THAT(result->ips, SizeIs(2));
  EXPECT_EQ(result->ips[0].gateway, "10.1.0.1");
  EXPECT_EQ(result->ips[1].interface, 1U);
  EXPECT_EQ(result->routes[1].table, 9);
  EXPECT_THAT(result->dns.options, ElementsAre("ndots:2"));
  std::string text = result_text(*result, kNewest);
  auto again = parse_result(text);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(result_text(*again, kNewest), text);
  EXPECT_THAT(text, HasSubstr(R"("advmss":1200,"priority":7,"table":9,"scope":253)"));
}

TEST(Result, HasOnlyWhatItsVersionHasWordsFor) {
  auto result = parse_result(kFull);
  ASSERT_TRUE(result);
  std::string older = result_text(*result, {0, 4, 0});
  EXPECT_THAT(older, HasSubstr(R"("version":"6","address":"2001:db8::5/64")"));
  EXPECT_THAT(older, Not(HasSubstr("mtu")));
  EXPECT_THAT(older, Not(HasSubstr("pciID")));
  EXPECT_EQ(result_text(*result, {0, 2, 0}),
            R"({"cniVersion":"0.2.0","ip4":{"ip":"10.1.0.5/16","gateway":"10.1.0.1",)"
            R"("routes":[{"dst":"0.0.0.0/0"}]},"ip6":{"ip":"2001:db8::5/64",)"
            R"("routes":[{"dst":"::/0","gw":"2001:db8::1"}]},"dns":{"nameservers":["10.1.0.1"],)"
            R"("domain":"a.b","search":["a.b"],"options":["ndots:2"]}})");
}

TEST(Result, ReadsTheOldShape) {
  for (std::string_view version : {R"("cniVersion":"0.2.0",)", R"("cniVersion":"0.1.0",)", ""}) {
    std::string text = "{" + std::string(version) +
                       R"("ip4":{"ip":"10.0.0.2/24","gateway":"10.0.0.1",
                          "routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1"}]},
                          "ip6":{"ip":"fd00::2/64"}})";
    auto result = parse_result(text);
    ASSERT_TRUE(result) << result.error().message();
    ASSERT_THAT(result->ips, SizeIs(2));
    EXPECT_EQ(result->ips[0].address, "10.0.0.2/24");
    EXPECT_EQ(result->ips[1].address, "fd00::2/64");
    ASSERT_THAT(result->routes, SizeIs(1));
    EXPECT_EQ(result->routes[0].gw, "10.0.0.1");
  }
}

TEST(Result, OneWithoutAVersionIsOfTheOneThatWasAskedIn) {
  auto result = parse_result(R"({"ips":[{"address":"10.0.0.2/24"}]})", {1, 0, 0});
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_THAT(result->ips, SizeIs(1));
}

TEST(Result, FaultsNameTheirPlace) {
  auto message = [](std::string_view text) {
    auto result = parse_result(text);
    return result ? std::string() : result.error().message();
  };
  EXPECT_THAT(message(R"({"cniVersion":"1.0.0","ips":[{"address":"10.0.0.2"}]})"),
              HasSubstr("$.ips[0].address"));
  EXPECT_THAT(message(R"({"cniVersion":"1.0.0","ips":[{"address":"10.0.0.2/33"}]})"),
              HasSubstr("$.ips[0].address"));
  EXPECT_THAT(message(R"({"cniVersion":"1.0.0","ips":[{"address":"1.1.1.1/8","interface":0}]})"),
              HasSubstr("$.ips"));
  EXPECT_THAT(message(R"({"cniVersion":"1.0.0","routes":[{"dst":"0.0.0.0/0","gw":"x"}]})"),
              HasSubstr("$.routes[0].gw"));
  EXPECT_THAT(message(R"({"cniVersion":"9.0.0"})"), HasSubstr("unknown version"));
  EXPECT_THAT(message("[]"), HasSubstr("expected"));
  EXPECT_THAT(message(""), HasSubstr("invalid JSON"));
}

TEST(PluginAnswers, ErrorsAreReadAsFarAsTheyAreSome) {
  auto error = parse_plugin_error(R"({"cniVersion":"1.0.0","code":7,"msg":"bad","details":"d"})");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->text(), "bad; d (CNI error 7)");
  EXPECT_FALSE(parse_plugin_error("panic: x"));
  EXPECT_FALSE(parse_plugin_error(R"({"msg":"no code"})"));
  EXPECT_FALSE(parse_plugin_error(R"({"code":-1})"));
  std::string huge(100'000, 'x');
  error = parse_plugin_error(R"({"code":100,"msg":")" + huge + R"("})");
  ASSERT_TRUE(error);
  EXPECT_THAT(error->message, SizeIs(4096));
}

TEST(PluginAnswers, VersionsThatWeNeverHeardOfDoNotHurt) {
  auto versions =
      parse_versions(R"({"cniVersion":"1.0.0","supportedVersions":["0.4.0","x","9.9.9"]})");
  ASSERT_TRUE(versions);
  EXPECT_THAT(*versions, ElementsAre(Version{0, 4, 0}, Version{9, 9, 9}));
  EXPECT_FALSE(parse_versions("{}"));
}

TEST(Cache, IsReadAsItWasWritten) {
  CachedAttachment one;
  one.key = {"net", "c1", "eth0"};
  one.netns = "/run/netns/x";
  one.config = R"({"name":"net"})";
  one.args = {{"K8S_POD_NAME", "p"}};
  one.capabilities = {{"mac", "\"00:11:22:33:44:55\""}};
  one.result = R"({"cniVersion":"1.0.0"})";
  std::string text = cache_text(one);
  EXPECT_THAT(text, HasSubstr(R"("kind":"cniCacheV1")"));
  EXPECT_THAT(text, HasSubstr(R"("config":"eyJuYW1lIjoibmV0In0=")"));
  EXPECT_THAT(text, HasSubstr(R"("cniArgs":[["K8S_POD_NAME","p"]])"));
  auto read = parse_cached(text);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(cache_text(*read), text);
  EXPECT_EQ(read->config, one.config);
  for (std::string_view bad :
       {R"({"kind":"other"})", R"({"kind":"cniCacheV1"})", "{}", "", "[1]",
        R"({"kind":"cniCacheV1","networkName":"n","containerId":"c","ifName":"e","config":"%"})"}) {
    EXPECT_FALSE(parse_cached(bad)) << bad;
  }
}

}  // namespace
}  // namespace dhow::cni
