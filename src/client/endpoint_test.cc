// SPDX-License-Identifier: Apache-2.0
#include "client/endpoint.h"

#include <gtest/gtest.h>

namespace dhow::client {
namespace {

TEST(EndpointTest, ReadsASocket) {
  auto endpoint = parse_endpoint("unix:///run/x.sock");
  ASSERT_TRUE(endpoint.has_value());
  EXPECT_EQ(endpoint->kind, Endpoint::Kind::kUnix);
  EXPECT_EQ(endpoint->address, "/run/x.sock");
  EXPECT_EQ(endpoint->text, "unix:///run/x.sock");
}

TEST(EndpointTest, ReadsHostsAndPorts) {
  struct {
    const char* text;
    const char* host;
    const char* port;
  } cases[] = {
      {"tcp://example:99", "example", "99"},
      {"tcp://example", "example", "2375"},
      {"example:1234", "example", "1234"},
      {":4243", "localhost", "4243"},
      {"tcp://[::1]:7", "::1", "7"},
      {"tcp://[fe80::2]", "fe80::2", "2375"},
      {"http://10.0.0.1:80/", "10.0.0.1", "80"},
  };
  for (const auto& one : cases) {
    auto endpoint = parse_endpoint(one.text);
    ASSERT_TRUE(endpoint.has_value()) << one.text << ": " << endpoint.error().message();
    EXPECT_EQ(endpoint->kind, Endpoint::Kind::kTcp) << one.text;
    EXPECT_EQ(endpoint->address, one.host) << one.text;
    EXPECT_EQ(endpoint->port, one.port) << one.text;
  }
}

TEST(EndpointTest, RefusesWhatItCannotReach) {
  EXPECT_EQ(parse_endpoint("fd://").error().code(), Code::kUnimplemented);
  EXPECT_EQ(parse_endpoint("ftp://host").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(parse_endpoint("tcp://host:port").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(parse_endpoint("tcp://[::1").error().code(), Code::kInvalidArgument);
}

TEST(EndpointTest, ReadsWhereSshLeads) {
  auto endpoint = parse_endpoint("ssh://joe@host.test:2222/run/other.sock");
  ASSERT_TRUE(endpoint.has_value()) << endpoint.error().message();
  EXPECT_EQ(endpoint->kind, Endpoint::Kind::kSsh);
  EXPECT_EQ(endpoint->user, "joe");
  EXPECT_EQ(endpoint->address, "host.test");
  EXPECT_EQ(endpoint->port, "2222");
  EXPECT_EQ(endpoint->remote, "/run/other.sock");
  auto plain = parse_endpoint("ssh://host");
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(plain->user + plain->port + plain->remote, "");
  // Nothing that ssh could take for an option of its own.
  for (const char* wrong : {"ssh://", "ssh://-oProxyCommand=x", "ssh://-l@host",
                            "ssh://joe:pw@host", "ssh://host:port", "ssh://host?x=y"}) {
    auto refused = parse_endpoint(wrong);
    ASSERT_FALSE(refused.has_value()) << wrong;
    EXPECT_EQ(refused.error().code(), Code::kInvalidArgument) << wrong;
  }
}

TEST(EndpointTest, TlsHasAPortOfItsOwn) {
  EXPECT_EQ(parse_endpoint("tcp://host", true).value().port, "2376");
  EXPECT_EQ(parse_endpoint("tcp://host:1", true).value().port, "1");
}

}  // namespace
}  // namespace dhow::client
