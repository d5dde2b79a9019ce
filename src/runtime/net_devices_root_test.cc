// SPDX-License-Identifier: Apache-2.0
// A network namespace of the test plays the host, a child of it the container: nothing of the real
// host is touched, and all of it goes with the processes.
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>

#include "base/strings.h"
#include "runtime/net_devices.h"
#include "sys/fd.h"
#include "sys/testing/forked.h"

namespace dhow::runtime {
namespace {

using dhow::testing::in_child;
using dhow::testing::message_of;
using ::testing::HasSubstr;
using ::testing::StartsWith;

NetlinkSocket route_socket() { return *NetlinkSocket::open(NETLINK_ROUTE); }

Status make_veth(std::string_view name, std::string_view peer) {
  struct ifinfomsg header{};
  NetlinkRequest request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.header(header).attribute_text(IFLA_IFNAME, name);
  std::size_t info = request.begin_nested(IFLA_LINKINFO);
  request.attribute(IFLA_INFO_KIND, "veth");
  std::size_t data = request.begin_nested(IFLA_INFO_DATA);
  std::size_t other = request.begin_nested(VETH_INFO_PEER);
  request.header(header).attribute_text(IFLA_IFNAME, peer);
  request.end_nested(other);
  request.end_nested(data);
  request.end_nested(info);
  return route_socket().execute(std::move(request));
}

Status add_other_name(const char* device, std::string_view other) {
  struct ifinfomsg header{};
  header.ifi_index = static_cast<int>(if_nametoindex(device));
  NetlinkRequest request(RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND);
  request.header(header);
  std::size_t list = request.begin_nested(IFLA_PROP_LIST | NLA_F_NESTED);
  request.attribute_text(IFLA_ALT_IFNAME, other);
  request.end_nested(list);
  return route_socket().execute(std::move(request));
}

struct Address {
  int family;
  const char* text;
  unsigned char prefix;
  std::uint32_t flags = 0;
  std::uint32_t valid = 0xffffffff;  // seconds
  const char* label = nullptr;
};

Status add(const char* device, const Address& address) {
  struct ifaddrmsg header{};
  header.ifa_family = static_cast<unsigned char>(address.family);
  header.ifa_prefixlen = address.prefix;
  header.ifa_index = if_nametoindex(device);
  unsigned char bytes[16];
  inet_pton(address.family, address.text, bytes);
  std::string_view view(reinterpret_cast<char*>(bytes), address.family == AF_INET ? 4 : 16);
  struct ifa_cacheinfo times{address.valid, address.valid, 0, 0};
  NetlinkRequest request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  request.header(header).attribute(IFA_LOCAL, view).attribute(IFA_ADDRESS, view);
  request.attribute_number(IFA_FLAGS, address.flags);
  request.attribute(IFA_CACHEINFO, {reinterpret_cast<char*>(&times), sizeof times});
  if (address.label != nullptr) request.attribute_text(IFA_LABEL, address.label);
  return route_socket().execute(std::move(request));
}

Status set_flags(const char* device, unsigned flags, unsigned change) {
  struct ifinfomsg header{};
  header.ifi_index = static_cast<int>(if_nametoindex(device));
  header.ifi_flags = flags;
  header.ifi_change = change;
  NetlinkRequest request(RTM_NEWLINK, 0);
  request.header(header);
  return route_socket().execute(std::move(request));
}

// Names of all devices but lo and what the kernel makes by itself, with "up" or "down".
std::string devices() {
  struct ifinfomsg header{};
  NetlinkRequest request(RTM_GETLINK, 0);
  request.header(header);
  std::vector<std::string> lines;
  auto answer = route_socket().dump(request);
  if (!answer) return answer.error().message();
  for (const auto& message : *answer) {
    auto link = *message.header<struct ifinfomsg>();
    std::string_view name = *message.attribute(sizeof link, IFLA_IFNAME);
    name = name.substr(0, name.find('\0'));
    if ((link.ifi_flags & IFF_LOOPBACK) != 0 || !name.starts_with("t")) continue;
    lines.push_back(cat(name, (link.ifi_flags & IFF_UP) != 0 ? ":up" : ":down"));
  }
  std::ranges::sort(lines);
  return join(lines, " ");
}

// Global addresses of a device: "192.0.2.1/24 flags label".
std::string addresses(const char* device) {
  struct ifaddrmsg header{};
  NetlinkRequest request(RTM_GETADDR, 0);
  request.header(header);
  std::vector<std::string> lines;
  auto answer = route_socket().dump(request);
  if (!answer) return answer.error().message();
  for (const auto& message : *answer) {
    auto address = *message.header<struct ifaddrmsg>();
    if (address.ifa_index != if_nametoindex(device) || address.ifa_scope != 0) continue;
    char text[INET6_ADDRSTRLEN] = {};
    inet_ntop(address.ifa_family, message.attribute(sizeof address, IFA_ADDRESS)->data(), text,
              sizeof text);
    std::uint32_t flags = 0;
    memcpy(&flags, message.attribute(sizeof address, IFA_FLAGS)->data(), sizeof flags);
    std::string line = cat(&text[0], "/", address.ifa_prefixlen);
    if ((flags & IFA_F_PERMANENT) == 0) line += " timed";
    if ((flags & IFA_F_NOPREFIXROUTE) != 0) line += " noprefixroute";
    if ((flags & IFA_F_NODAD) != 0) line += " nodad";
    if (auto label = message.attribute(sizeof address, IFA_LABEL)) {
      line += cat(" ", label->substr(0, label->find('\0')));
    }
    lines.push_back(line);
  }
  std::ranges::sort(lines);
  return join(lines, ", ");
}

// A process in a network namespace of its own.
class Container {
 public:
  Container() {
    int ready[2];
    if (::pipe(ready) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(ready[0]);
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that crashes leaves nothing
      bool own = ::unshare(CLONE_NEWNET) == 0;
      std::ignore = ::write(ready[1], own ? "y" : "n", 1);
      while (true) ::pause();
    }
    ::close(ready[1]);
    char byte = 'n';
    std::ignore = ::read(ready[0], &byte, 1);
    ::close(ready[0]);
    good_ = byte == 'y';
  }
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;
  ~Container() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  bool good() const { return good_; }
  pid_t pid() const { return pid_; }

  // Runs `body` in the container's namespace.
  std::string inside(const std::function<std::string()>& body) const {
    return in_child([&]() -> std::string {
      auto netns = open_at(kCwd, cat("/proc/", pid_, "/ns/net"), O_RDONLY);
      if (!netns || ::setns(netns->get(), CLONE_NEWNET) != 0) return "setns failed";
      return body();
    });
  }

 private:
  pid_t pid_ = -1;
  bool good_ = false;
};

class NetDevicesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    std::string text = in_host([](Container&) { return message_of(make_veth("t0", "tp")); });
    if (text != "") GTEST_SKIP() << "no veth devices here: " << text;
  }

  // Runs `body` in a namespace that plays the host.
  static std::string in_host(const std::function<std::string(Container&)>& body) {
    return in_child([&]() -> std::string {
      if (::unshare(CLONE_NEWNET) != 0) return "unshare failed";
      Container container;
      if (!container.good()) return "no container";
      return body(container);
    });
  }

  // The host has t1 (with addresses, up) and its peer tp.
  static std::string with_veth(const std::function<std::string(Container&)>& body) {
    return in_host([&](Container& container) -> std::string {
      if (auto s = make_veth("t1", "tp"); !s) return s.error().message();
      for (const Address& address :
           {Address{AF_INET, "192.0.2.1", 24}, Address{AF_INET, "192.0.2.2", 24, 0, 3600},
            Address{AF_INET, "198.51.100.1", 32, IFA_F_NOPREFIXROUTE, 0xffffffff, "t1:x"},
            Address{AF_INET6, "2001:db8::1", 64, IFA_F_NODAD},
            Address{AF_INET6, "fe80::77", 64, IFA_F_NODAD}}) {
        if (auto s = add("t1", address); !s) return s.error().message();
      }
      if (auto s = set_flags("t1", IFF_UP, IFF_UP); !s) return s.error().message();
      return body(container);
    });
  }
};

constexpr const char* kAddressesOfT1 =
    "192.0.2.1/24 t1, 192.0.2.2/24 timed t1, 198.51.100.1/32 noprefixroute t1:x, "
    "2001:db8::1/64 nodad";

TEST_F(NetDevicesTest, MovesWithAddressesAndSetsUp) {
  EXPECT_EQ(with_veth([](Container& container) -> std::string {
              if (auto s = move_net_devices({{"t1", ""}}, container.pid()); !s) {
                return s.error().message();
              }
              return cat(devices(), "|", container.inside(devices), "|",
                         container.inside([] { return addresses("t1"); }));
            }),
            cat("tp:down|t1:up|", kAddressesOfT1));
}

TEST_F(NetDevicesTest, RenamesAndItsLabelsFollow) {
  EXPECT_EQ(with_veth([](Container& container) -> std::string {
              if (auto s = move_net_devices({{"t1", "tnew"}}, container.pid()); !s) {
                return s.error().message();
              }
              return cat(devices(), "|", container.inside(devices), "|",
                         container.inside([] { return addresses("tnew"); }));
            }),
            "tp:down|tnew:up|192.0.2.1/24 tnew, 192.0.2.2/24 timed tnew, 198.51.100.1/32 "
            "noprefixroute tnew:x, 2001:db8::1/64 nodad");
}

TEST_F(NetDevicesTest, NumbersTemplates) {
  EXPECT_EQ(with_veth([](Container& container) -> std::string {
              // Taken inside are t0 and t1 as names of devices, and t2 as an alternative name.
              std::string made = container.inside([]() -> std::string {
                if (auto s = make_veth("t0", "t1"); !s) return s.error().message();
                return message_of(add_other_name("t0", "t2"));
              });
              if (!made.empty()) return made;
              auto s = move_net_devices({{"t1", "t%d"}, {"tp", "tx%d"}}, container.pid());
              if (!s) return s.error().message();
              return container.inside(devices);
            }),
            "t0:down t1:down t3:up tx0:up");
}

TEST_F(NetDevicesTest, TakenNamesAreErrorsAndNothingMoves) {
  EXPECT_EQ(with_veth([](Container& container) -> std::string {
              std::string made = container.inside([] { return message_of(make_veth("tz", "ty")); });
              if (!made.empty()) return made;
              std::string text =
                  message_of(move_net_devices({{"t1", ""}, {"tp", "tz"}}, container.pid()));
              return cat(text, "|", devices(), "|", container.inside(devices), "|",
                         addresses("t1"));
            }),
            cat("move network device \"tp\" into the container as \"tz\": name \"tz\" is taken: "
                "file exists|t1:up tp:down|ty:down tz:down|",
                kAddressesOfT1));
}

TEST_F(NetDevicesTest, MissingDevicesAreNamed) {
  EXPECT_THAT(with_veth([](Container& container) {
                return message_of(move_net_devices({{"tnope", ""}}, container.pid()));
              }),
              StartsWith("move network device \"tnope\" into the container as \"tnope\": "));
}

TEST_F(NetDevicesTest, LoopbackMayNotLeave) {
  // In the kernel's own words, where it has any.
  EXPECT_THAT(with_veth([](Container& container) {
                return cat(message_of(move_net_devices({{"lo", "tlo"}}, container.pid())), "|",
                           devices());
              }),
              ::testing::AllOf(HasSubstr("invalid argument|"), HasSubstr("t1:up")));
}

TEST_F(NetDevicesTest, NamesAreCheckedFirst) {
  for (const char* name : {"a/b", "..", "sixteen-chars-xx", "a b", "a%", "a%s", "%d%d", "a:1"}) {
    EXPECT_EQ(message_of(move_net_devices({{"t1", name}}, getpid())),
              cat("bad network device name \"", name, "\""));
  }
}

TEST_F(NetDevicesTest, TheHostsNamespaceIsRefused) {
  EXPECT_EQ(
      with_veth([](Container&) { return message_of(move_net_devices({{"t1", ""}}, getpid())); }),
      "the container has no network namespace of its own");
}

TEST_F(NetDevicesTest, BringsLoopbackUp) {
  EXPECT_EQ(in_host([](Container&) -> std::string {
              if (auto s = bring_loopback_up(); !s) return s.error().message();
              // With lo up, its address can be connected to: nobody listens, which is told so.
              Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
              struct sockaddr_in address{};
              address.sin_family = AF_INET;
              address.sin_port = htons(1);
              address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
              int result = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                                     sizeof address);
              return result == 0 ? "connected" : strerrorname_np(errno);
            }),
            "ECONNREFUSED");
}

}  // namespace
}  // namespace dhow::runtime
