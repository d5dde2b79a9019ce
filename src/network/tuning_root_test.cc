// SPDX-License-Identifier: Apache-2.0
// What of an interface can be asked for beside its addresses.
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "network/testing/networks_fixture.h"
#include "network/tuning.h"
#include "sys/netlink.h"

namespace dhow::network {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class TuningTest : public LocalNetworksTest {
 protected:
  Result<Attachment> try_join(const Join& wanted) {
    AttachRequest request;
    request.container = request.name = "one";
    request.joins = {wanted};
    return networks_->attach(request);
  }
  Attachment join_tuned(const Join& wanted) {
    auto attached = try_join(wanted);
    EXPECT_TRUE(attached.has_value()) << attached.error().message();
    return attached ? std::move(*attached) : Attachment();
  }
};

// Bytes a second of the token bucket that an interface of the calling thread's namespace has, and
// how many may wait; 0: there is none.
std::pair<std::uint32_t, std::uint32_t> bucket_of(const std::string& name) {
  auto link = Links::open().value().find(name);
  auto socket = NetlinkSocket::open(NETLINK_ROUTE);
  NetlinkRequest request(RTM_GETQDISC, 0);
  struct tcmsg wanted{};
  wanted.tcm_ifindex = (*link)->index;
  request.header(wanted);
  auto answer = socket->dump(request);
  for (const NetlinkMessage& message : answer.value()) {
    auto header = message.header<struct tcmsg>();
    auto kind = message.attribute(sizeof(struct tcmsg), TCA_KIND);
    if (!header || header->tcm_ifindex != wanted.tcm_ifindex || !kind) continue;
    if (kind->substr(0, 3) != "tbf") continue;
    auto options = message.attribute(sizeof(struct tcmsg), TCA_OPTIONS);
    auto bytes = find_netlink_attribute(options.value_or(""), TCA_TBF_PARMS);
    struct tc_tbf_qopt parameters{};
    if (!bytes || bytes->size() < sizeof parameters) continue;
    std::memcpy(&parameters, bytes->data(), sizeof parameters);
    return {parameters.rate.rate, parameters.limit};
  }
  return {0, 0};
}

TEST_F(TuningTest, RatesAreThoseOfTheInterfaces) {
  Join wanted = join("bridge");
  wanted.ingress = {8'000'000, 800'000};
  wanted.egress = {1'600'000, 0};
  Attachment one = join_tuned(wanted);
  // A fortieth of a second's may wait, and the burst.
  EXPECT_THAT(bucket_of(one.endpoints.front().outside), Pair(1'000'000, 125'000));
  std::pair<std::uint32_t, std::uint32_t> inside;
  std::ignore = run_in_name_space(one.space, [&]() -> Status {
    inside = bucket_of("eth0");
    return {};
  });
  EXPECT_THAT(inside, Pair(200'000, 5'000 + 65'536));
  Attachment two = attach("two");
  EXPECT_THAT(bucket_of(two.endpoints.front().outside), Pair(0, 0));
}

// Of more than the bucket and what may wait behind it, the rest is dropped.
TEST_F(TuningTest, ABurstPassesAndTheRestDoesNot) {
  Join wanted = join("bridge");
  wanted.ingress = {8'000, 80'000};
  Attachment one = join_tuned(wanted);
  Attachment two = attach("two");
  Fd in = socket_in(one, 5000);
  Fd out = socket_in(two, 5000);
  // From then on both know where the other is, and nothing waits for that.
  ASSERT_TRUE(send_to(out, "first", address(one), 5000));
  EXPECT_EQ(receive_from(in), cat("first ", address(two)));
  const std::string kilobyte(1000, 'x');
  for (int i = 0; i < 100; ++i) send_to(out, kilobyte, address(one), 5000);
  char text[2000];
  int passed = 0;
  while (::recv(in.get(), text, sizeof text, MSG_DONTWAIT) > 0) ++passed;
  EXPECT_LT(passed, 50);
}

TEST_F(TuningTest, SysctlsOfTheInterfaceAreSet) {
  Join wanted = join("bridge");
  auto sysctls = parse_interface_sysctls(
      "net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.conf.IFNAME.rp_filter=2");
  ASSERT_TRUE(sysctls.has_value()) << sysctls.error().message();
  wanted.sysctls = *sysctls;
  Attachment one = join_tuned(wanted);
  std::string text;
  std::ignore = run_in_name_space(one.space, [&]() -> Status {
    for (const char* name : {"log_martians", "rp_filter"}) {
      text += read_file(cat("/proc/sys/net/ipv4/conf/eth0/", name), 16).value_or("none");
    }
    return {};
  });
  EXPECT_EQ(text, "1\n2\n");
}

TEST_F(TuningTest, SysctlsThatCanNotBeAreTold) {
  for (const char* text :
       {"net.ipv4.ip_forward=1", "net.ipv4.conf.eth0.rp_filter=1", "kernel.a.b.IFNAME.c=1",
        "net.ipv4.conf.IFNAME.=1", "net.ipv4.conf.IFNAME.../x=1", ""}) {
    auto sysctls = parse_interface_sysctls(text);
    ASSERT_FALSE(sysctls.has_value()) << text;
    EXPECT_THAT(sysctls.error().message(), HasSubstr("network interface sysctl"));
  }
  Join wanted = join("bridge");
  wanted.sysctls = {{"ipv4/conf/IFNAME/nothing_like_it", "1"}};
  auto attached = try_join(wanted);
  ASSERT_FALSE(attached.has_value());
  EXPECT_THAT(attached.error().message(),
              HasSubstr("set \"/proc/sys/net/ipv4/conf/eth0/nothing_like_it\""));
  EXPECT_THAT(networks_->endpoints_of_container("one"), IsEmpty());
}

TEST_F(TuningTest, MoreAddressesAreGiven) {
  Join wanted = join("bridge");
  wanted.link_local = {*parse_ip("169.254.7.7")};
  Attachment one = join_tuned(wanted);
  std::vector<std::string> addresses;
  std::ignore = run_in_name_space(one.space, [&]() -> Status {
    TRY_ASSIGN(Links links, Links::open());
    TRY_ASSIGN(auto link, links.find("eth0"));
    TRY_ASSIGN(auto found, links.addresses(link->index));
    for (const Address& address : found) {
      addresses.push_back(cat(address.address.text(), "/", address.bits));
    }
    return {};
  });
  EXPECT_THAT(addresses, UnorderedElementsAre("172.17.0.2/16", "169.254.7.7/16"));
}

}  // namespace
}  // namespace dhow::network
