// SPDX-License-Identifier: Apache-2.0
#include "sys/netlink.h"

#include <linux/rtnetlink.h>
#include <string.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>

#include "base/strings.h"

namespace dhow {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string attribute(std::uint16_t type, std::string_view bytes) {
  std::uint16_t start[2] = {static_cast<std::uint16_t>(4 + bytes.size()), type};
  std::string text(reinterpret_cast<char*>(start), sizeof start);
  text += bytes;
  text.resize((text.size() + 3) & ~std::size_t{3});
  return text;
}

TEST(NetlinkAttributeTest, FindsThemInTheirPadding) {
  std::string run = attribute(1, "abc") + attribute(2, "") + attribute(3, "12345");
  EXPECT_EQ(find_netlink_attribute(run, 1), "abc");
  EXPECT_EQ(find_netlink_attribute(run, 2), "");
  EXPECT_EQ(find_netlink_attribute(run, 3), "12345");
  EXPECT_EQ(find_netlink_attribute(run, 4), std::nullopt);
  // The top bits say how the content is encoded, not what it is.
  EXPECT_EQ(find_netlink_attribute(attribute(7 | 0x8000, "x"), 7), "x");
}

TEST(NetlinkAttributeTest, CollectsTexts) {
  std::string run =
      attribute(1, std::string_view("a\0", 2)) + attribute(2, "no") + attribute(1, "b");
  EXPECT_THAT(netlink_texts(run, 1), ElementsAre("a", "b"));
}

TEST(NetlinkAttributeTest, StopsAtNonsense) {
  std::string cut = attribute(1, "abcdef");
  cut.resize(cut.size() - 4);
  EXPECT_EQ(find_netlink_attribute(cut, 1), std::nullopt);
  EXPECT_EQ(find_netlink_attribute(std::string_view("\0\0\1\0", 4), 1), std::nullopt);
  EXPECT_EQ(find_netlink_attribute(std::string_view("\3\0\1\0", 4), 1), std::nullopt);
  EXPECT_EQ(find_netlink_attribute("abc", 1), std::nullopt);
  EXPECT_THAT(netlink_texts("", 1), IsEmpty());
  // The last attribute may lack its padding.
  EXPECT_EQ(find_netlink_attribute(std::string_view("\5\0\1\0x", 5), 1), "x");
}

TEST(NetlinkSocketTest, ListsTheLoopbackInterface) {
  auto socket = NetlinkSocket::open(NETLINK_ROUTE);
  ASSERT_TRUE(socket) << socket.error().message();
  NetlinkRequest request(RTM_GETLINK, 0);
  request.header(ifinfomsg{});
  auto links = socket->dump(request);
  ASSERT_TRUE(links) << links.error().message();
  bool found = false;
  for (const NetlinkMessage& link : *links) {
    auto header = link.header<ifinfomsg>();
    ASSERT_TRUE(header);
    if ((header->ifi_flags & IFF_LOOPBACK) == 0) continue;
    found = true;
    EXPECT_EQ(link.attribute(sizeof(ifinfomsg), IFLA_IFNAME), std::string_view("lo\0", 3));
  }
  EXPECT_TRUE(found);
}

TEST(NetlinkSocketTest, FailuresHaveReasonAndErrno) {
  auto socket = NetlinkSocket::open(NETLINK_ROUTE);
  ASSERT_TRUE(socket);
  NetlinkRequest request(RTM_GETLINK, 0);
  request.header(ifinfomsg{});
  request.attribute_text(IFLA_IFNAME, "dhow-no-such");
  auto answer = socket->request(std::move(request));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().sys_errno(), ENODEV);
  EXPECT_THAT(answer.error().message(), HasSubstr("no such device"));
  // The socket goes on after a failure.
  NetlinkRequest again(RTM_GETLINK, 0);
  again.header(ifinfomsg{});
  again.attribute_text(IFLA_IFNAME, "lo");
  auto found = socket->request(std::move(again));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->size(), 1U);
}

TEST(NetlinkSocketTest, FailuresCarryTheKernelsWords) {
  auto socket = NetlinkSocket::open(NETLINK_ROUTE);
  ASSERT_TRUE(socket);
  // A dump of addresses takes nothing but an interface in its header.
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_prefixlen = 1;
  NetlinkRequest request(RTM_GETADDR, 0);
  request.header(header);
  auto answer = socket->dump(request);
  if (answer) GTEST_SKIP() << "this kernel does not check dumps (before 4.20)";
  EXPECT_EQ(answer.error().sys_errno(), EINVAL);
  EXPECT_THAT(answer.error().message(), HasSubstr("header for address dump request"));
}

}  // namespace
}  // namespace dhow
