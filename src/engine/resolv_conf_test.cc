// SPDX-License-Identifier: Apache-2.0
#include "engine/resolv_conf.h"

#include <gtest/gtest.h>

namespace dhow::engine {
namespace {

TEST(ResolvConf, IsReadAsMobyDoes) {
  ResolvConf conf = ResolvConf::parse(
      "# a comment\n;another\nnameserver\t10.0.0.1\nnameserver fd00::1 \ndomain a.example\n"
      "search b.example\tc.example\noptions edns0\noptions  trust-ad\nsortlist 10.0.0.0\n"
      "nameserver\n\n");
  EXPECT_EQ(conf.servers, (std::vector<std::string>{"10.0.0.1", "fd00::1"}));
  EXPECT_EQ(conf.search, (std::vector<std::string>{"b.example", "c.example"}));
  EXPECT_EQ(conf.text(),
            "nameserver 10.0.0.1\nnameserver fd00::1\nsearch b.example c.example\n"
            "options edns0 trust-ad\nsortlist 10.0.0.0\n");
  EXPECT_TRUE(conf.has_option("edns0"));
  EXPECT_FALSE(conf.has_option("edns"));
  EXPECT_EQ(ResolvConf::parse("").text(), "");
}

TEST(ResolvConf, PointsToTheResolver) {
  ResolvConf conf = ResolvConf::parse("nameserver 10.0.0.1\noptions edns0\n");
  point_to_resolver(conf);
  EXPECT_EQ(conf.text(), "nameserver 127.0.0.11\noptions edns0 ndots:0\n");
  for (const char* bad : {"ndots", "ndots:", "ndots:x", "ndots:-1"}) {
    conf.options = {bad};
    point_to_resolver(conf);
    EXPECT_EQ(conf.options, std::vector<std::string>{"ndots:0"}) << bad;
  }
  conf.options = {"ndots:3"};
  point_to_resolver(conf);
  EXPECT_EQ(conf.options, std::vector<std::string>{"ndots:3"});
}

TEST(ResolvConf, LoopbackOfTheHostLeadsNowhere) {
  EngineOptions engine;
  HostConfig host;
  ResolvConf conf = ResolvConf::parse("nameserver 127.0.0.53\nnameserver 10.0.0.1\n");
  leave_loopback(conf, host, engine);
  EXPECT_EQ(conf.servers, std::vector<std::string>{"10.0.0.1"});
  conf.servers = {"127.0.0.1", "::1"};
  leave_loopback(conf, host, engine);
  EXPECT_EQ(conf.servers, (std::vector<std::string>{"8.8.8.8", "8.8.4.4"}));
  host.dns = {"127.0.0.1"};  // what is asked for is taken
  conf.servers = host.dns;
  leave_loopback(conf, host, engine);
  EXPECT_EQ(conf.servers, host.dns);
}

}  // namespace
}  // namespace dhow::engine
