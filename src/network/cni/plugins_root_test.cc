// SPDX-License-Identifier: Apache-2.0
// The reference plugins (Debian's containernetworking-plugins), in a network namespace of each
// test's own.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "base/strings.h"
#include "network/cni/library.h"
#include "sys/netlink.h"
#include "sys/spawn.h"
#include "sys/testing/temp_dir.h"

namespace dhow::cni {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr const char* kStock = "/usr/lib/cni";

std::string output_of(const std::vector<std::string>& command) {
  auto output = run_program(command);
  EXPECT_TRUE(output) << output.error().message();
  if (!output) return {};
  return output->exit_code == 0 ? output->output : output->output + output->error_text;
}

// Runs `body` in a thread that is in that namespace.
void in_space(const Fd& space, const std::function<void()>& body) {
  std::thread([&] {
    ASSERT_EQ(::setns(space.get(), CLONE_NEWNET), 0);
    body();
  }).join();
}

class StockPlugins : public testing::TempDirTest {
 protected:
  void SetUp() override {
    TempDirTest::SetUp();
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    if (::access(cat(kStock, "/bridge").c_str(), X_OK) != 0) {
      GTEST_SKIP() << "the package containernetworking-plugins is not installed";
    }
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
    ASSERT_TRUE(bring_loopback_up());
    std::thread([&] {
      ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
      space_ = std::move(*open_at(kCwd, "/proc/thread-self/ns/net", O_RDONLY));
    }).join();
    LibraryOptions options;
    options.plugin_folders = {kStock};
    options.cache_folder = at("cache");
    library_ = std::make_unique<Library>(options);
  }
  // With addresses of host-local that are kept in the test's folder.
  NetworkConfig network(std::string_view main, std::string_view more = "",
                        std::string_view version = "1.0.0") {
    auto parsed = parse_network(cat(R"({"cniVersion":")", version, R"(","name":"net","plugins":[{)",
                                    main, R"(,"ipam":{"type":"host-local","dataDir":")", path_,
                                    R"(/ipam","ranges":[[{"subnet":"10.77.0.0/24"}]],
                                    "routes":[{"dst":"0.0.0.0/0"}]}})",
                                    more, "]}"));
    EXPECT_TRUE(parsed) << parsed.error().message();
    return *parsed;
  }
  Attachment attachment(const std::string& container = "c1") {
    Attachment one;
    one.container = container;
    one.interface = "eth0";
    one.netns = cat("/proc/", ::getpid(), "/fd/", space_.get());
    return one;
  }
  AddResult add(const NetworkConfig& config, const Attachment& one) {
    auto result = library_->add(config, one);
    EXPECT_TRUE(result) << result.error().message();
    return result ? *result : AddResult();
  }
  // Everything but what bridges and host-local keep for the next one.
  void expect_nothing_left() {
    auto cached = library_->cache().list();
    ASSERT_TRUE(cached);
    EXPECT_THAT(*cached, IsEmpty());
    EXPECT_THAT(output_of({"ip", "-o", "link"}), Not(HasSubstr("veth")));
    in_space(space_, [] { EXPECT_THAT(output_of({"ip", "-o", "link"}), Not(HasSubstr("eth0"))); });
    std::vector<std::string> leases;
    if (std::filesystem::exists(at("ipam/net"))) {
      for (const auto& entry : std::filesystem::directory_iterator(at("ipam/net"))) {
        if (entry.path().filename().string().starts_with("10.")) leases.push_back(entry.path());
      }
    }
    EXPECT_THAT(leases, IsEmpty());
  }

  Fd space_;
  std::unique_ptr<Library> library_;
};

constexpr std::string_view kBridge = R"("type":"bridge","bridge":"cni0","isGateway":true)";

TEST_F(StockPlugins, ABridgeWithAddresses) {
  NetworkConfig config = network(kBridge);
  EXPECT_TRUE(library_->status(config)->is_ready);
  AddResult result = add(config, attachment());
  ASSERT_THAT(result.ips, SizeIs(1));
  EXPECT_EQ(result.ips[0].address, "10.77.0.2/24");
  EXPECT_EQ(result.ips[0].gateway, "10.77.0.1");
  ASSERT_TRUE(result.ips[0].interface);
  EXPECT_EQ(result.interfaces[*result.ips[0].interface].name, "eth0");
  in_space(space_, [] {
    EXPECT_THAT(output_of({"ip", "-4", "address", "show", "eth0"}), HasSubstr("10.77.0.2/24"));
    EXPECT_THAT(output_of({"ip", "route"}), HasSubstr("default via 10.77.0.1"));
  });
  EXPECT_THAT(output_of({"busybox", "ping", "-c1", "-W5", "10.77.0.2"}),
              HasSubstr("1 packets received"));
  auto checked = library_->check("net", attachment());
  EXPECT_TRUE(checked) << checked.error().message();
  in_space(space_, [] { output_of({"ip", "address", "flush", "dev", "eth0"}); });
  EXPECT_THAT(library_->check("net", attachment()).error().message(),
              HasSubstr(R"(plugin type="bridge" name="net" failed (check): )"));
  ASSERT_TRUE(library_->remove("net", attachment()));
  ASSERT_TRUE(library_->remove("net", attachment(), &config));
  expect_nothing_left();
}

TEST_F(StockPlugins, ANamespaceThatIsGoneIsNoObstacle) {
  NetworkConfig config = network(kBridge);
  add(config, attachment());
  space_.reset();
  Attachment gone = attachment();
  gone.netns.clear();
  auto removed = library_->remove("net", gone);
  EXPECT_TRUE(removed) << removed.error().message();
  EXPECT_FALSE(std::filesystem::exists(at("ipam/net/10.77.0.2")));
}

TEST_F(StockPlugins, AChainOfThemWithCapabilities) {
  NetworkConfig config =
      network(kBridge,
              R"(,{"type":"portmap","capabilities":{"portMappings":true},"snat":true},
         {"type":"firewall"},
         {"type":"tuning","capabilities":{"mac":true},
          "sysctl":{"net.ipv4.conf.eth0.arp_filter":"1"}})");
  Attachment one = attachment();
  Capabilities capabilities;
  capabilities.mac = "c2:11:22:33:44:55";
  capabilities.port_mappings = {{8099, 80, "tcp", ""}};
  one.capabilities = capabilities.args();
  AddResult result = add(config, one);
  in_space(space_, [] {
    EXPECT_THAT(output_of({"ip", "link", "show", "eth0"}), HasSubstr("c2:11:22:33:44:55"));
    EXPECT_THAT(output_of({"sysctl", "-n", "net.ipv4.conf.eth0.arp_filter"}), HasSubstr("1"));
  });
  std::string rules = output_of({"iptables-save"});
  EXPECT_THAT(rules, HasSubstr("--to-destination 10.77.0.2:80"));
  EXPECT_THAT(rules, HasSubstr("-A CNI-FORWARD -s 10.77.0.2/32"));
  ASSERT_TRUE(library_->remove("net", one));
  rules = output_of({"iptables-save"});
  EXPECT_THAT(rules, Not(HasSubstr("10.77.0.2")));
  EXPECT_THAT(rules, Not(HasSubstr("8099")));
  expect_nothing_left();
}

TEST_F(StockPlugins, AFailureInTheMiddleLeavesNothing) {
  // tuning refuses a name that is none of net's.
  NetworkConfig config = network(kBridge, R"(,{"type":"tuning","sysctl":{"kernel.nothing":"1"}})");
  auto result = library_->add(config, attachment());
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message(), HasSubstr(R"(plugin type="tuning" name="net" failed)"));
  expect_nothing_left();
}

TEST_F(StockPlugins, AddressesThatAreAskedFor) {
  NetworkConfig config = network(R"("type":"ptp","capabilities":{"ips":true})");
  Attachment one = attachment();
  Capabilities capabilities;
  capabilities.ips = {"10.77.0.44/24"};
  one.capabilities = capabilities.args();
  EXPECT_EQ(add(config, one).ips[0].address, "10.77.0.44/24");
  auto taken = library_->add(config, [&] {
    Attachment other = one;
    other.container = "c2";
    return other;
  }());
  ASSERT_FALSE(taken);
  EXPECT_THAT(taken.error().message(), HasSubstr("10.77.0.44"));
  ASSERT_TRUE(library_->remove("net", one));
  expect_nothing_left();
}

TEST_F(StockPlugins, OldVersionsAreSpokenToo) {
  for (std::string_view version : {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0"}) {
    NetworkConfig config = network(kBridge, "", version);
    AddResult result = add(config, attachment());
    ASSERT_THAT(result.ips, SizeIs(1)) << version;
    EXPECT_TRUE(result.ips[0].address.starts_with("10.77.0.")) << version;
    auto removed = library_->remove("net", attachment());
    EXPECT_TRUE(removed) << version << ": " << removed.error().message();
  }
  expect_nothing_left();
}

TEST_F(StockPlugins, OneThatIsTooOldForTheVersionSaysSo) {
  auto versions = library_->plugins().versions("bridge");
  ASSERT_TRUE(versions) << versions.error().message();
  EXPECT_THAT(*versions, Contains(Version{1, 0, 0}));
  if (std::ranges::find(*versions, kNewest) != versions->end()) {
    GTEST_SKIP() << "they speak the newest";
  }
  auto result = library_->add(network(kBridge, "", "1.1.0"), attachment());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), Code::kFailedPrecondition) << result.error().message();
  expect_nothing_left();
  NetworkConfig several = network(kBridge, "", "1.1.0");
  several.versions = {{0, 4, 0}, {1, 0, 0}, {1, 1, 0}};
  add(several, attachment());
  ASSERT_TRUE(library_->remove("net", attachment()));
  expect_nothing_left();
}

TEST_F(StockPlugins, CollectTakesAwayWhatNobodyWants) {
  NetworkConfig config = network(kBridge);
  add(config, attachment("c1"));
  Attachment other = attachment("c2");
  other.interface = "eth1";
  add(config, other);
  ASSERT_TRUE(library_->collect(config, {{"c1", "eth0"}}));
  in_space(space_, [] {
    std::string links = output_of({"ip", "-o", "link"});
    EXPECT_THAT(links, HasSubstr("eth0"));
    EXPECT_THAT(links, Not(HasSubstr("eth1")));
  });
  ASSERT_TRUE(library_->collect(config, {}));
  expect_nothing_left();
}

TEST_F(StockPlugins, TheOtherKinds) {
  ASSERT_EQ(output_of({"ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1"}), "");
  for (std::string_view main :
       {R"("type":"macvlan","master":"up0")", R"("type":"ipvlan","master":"up0")",
        R"("type":"vlan","master":"up0","vlanId":7)"}) {
    auto result = library_->add(network(main), attachment());
    // Not every kernel has them all.
    if (!result && result.error().message().find("not supported") != std::string::npos) continue;
    ASSERT_TRUE(result) << main << ": " << result.error().message();
    EXPECT_THAT(result->ips, SizeIs(1)) << main;
    auto removed = library_->remove("net", attachment());
    EXPECT_TRUE(removed) << main << ": " << removed.error().message();
  }
  auto loopback = parse_network(R"({"cniVersion":"1.0.0","name":"lo","type":"loopback"})");
  Attachment lo = attachment();
  lo.interface = "lo";
  add(*loopback, lo);
  in_space(space_, [] {
    EXPECT_THAT(output_of({"ip", "address", "show", "lo"}), HasSubstr("127.0.0.1/8"));
  });
  ASSERT_TRUE(library_->remove("lo", lo));
  // A device of the host's, there and back.
  auto device =
      parse_network(R"({"cniVersion":"1.0.0","name":"net","type":"host-device","device":"up0"})");
  add(*device, attachment());
  in_space(space_, [] { EXPECT_THAT(output_of({"ip", "-o", "link"}), HasSubstr("eth0")); });
  ASSERT_TRUE(library_->remove("net", attachment()));
  EXPECT_THAT(output_of({"ip", "-o", "link"}), HasSubstr("up0"));
  expect_nothing_left();
}

}  // namespace
}  // namespace dhow::cni
