// SPDX-License-Identifier: Apache-2.0
// The program as runtimes call it, in a network namespace of each test's own.
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "base/strings.h"
#include "network/cni/library.h"
#include "network/firewall.h"
#include "network/name_space.h"
#include "sys/netlink.h"
#include "sys/spawn.h"
#include "sys/testing/temp_dir.h"

namespace dhow::bridge_plugin {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string said_by(const std::vector<std::string>& command) {
  auto output = run_program(command);
  EXPECT_TRUE(output) << output.error().message();
  return output ? output->output + output->error_text : std::string();
}

class DhowCni : public testing::TempDirTest {
 protected:
  void SetUp() override {
    TempDirTest::SetUp();
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    const char* program = ::getenv("DHOW_CNI");
    ASSERT_NE(program, nullptr) << "DHOW_CNI is not set";
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
    ASSERT_TRUE(bring_loopback_up());
    for (Fd* space : {&one_, &two_}) {
      auto made = network::make_name_space([] { return bring_loopback_up(); });
      ASSERT_TRUE(made) << made.error().message();
      *space = std::move(*made);
    }
    cni::LibraryOptions options;
    std::string path = program;
    options.plugin_folders = {path.substr(0, path.rfind('/')), "/usr/lib/cni"};
    options.cache_folder = at("cache");
    library_ = std::make_unique<cni::Library>(options);
  }
  cni::NetworkConfig network(std::string_view more = R"("subnet":"10.66.0.0/24",)",
                             std::string_view version = "1.1.0") {
    auto parsed = cni::parse_network(
        cat(R"({"cniVersion":")", version, R"(","name":"net","plugins":[{"type":"dhow-cni",)", more,
            R"("capabilities":{"portMappings":true,"mac":true,"ips":true},"dataDir":")", path_,
            R"(/data"}]})"));
    EXPECT_TRUE(parsed) << parsed.error().message();
    return *parsed;
  }
  cni::Attachment attachment(const Fd& space, const std::string& container) {
    cni::Attachment result;
    result.container = container;
    result.interface = "eth0";
    result.netns = cat("/proc/", ::getpid(), "/fd/", space.get());
    return result;
  }
  cni::AddResult add(const cni::NetworkConfig& config, const cni::Attachment& one) {
    auto added = library_->add(config, one);
    EXPECT_TRUE(added) << added.error().message();
    cni::AddResult none;
    none.ips.emplace_back();
    return added ? *added : none;
  }
  static std::string inside(const Fd& space, const std::vector<std::string>& command) {
    std::string text;
    std::ignore = network::run_in_name_space(space, [&]() -> Status {
      text = said_by(command);
      return {};
    });
    return text;
  }
  static std::string bridge_setting(std::string_view name) {
    return said_by({"sh", "-c", cat("cat /proc/sys/net/ipv6/conf/dhc*/", name)});
  }
  // With a plugin that strace kills at the nth time that it opens something, or sends a message to
  // the kernel, for `command`.
  cni::Library deadly(std::string_view command, int nth) {
    std::filesystem::create_directory(at("bin"));
    std::string program = ::getenv("DHOW_CNI");
    put("bin/dhow-cni",
        // The search for leaks of sanitized builds can't be traced.
        cat("#!/bin/sh\nexport ASAN_OPTIONS=detect_leaks=0\n"
            "if [ \"$CNI_COMMAND\" = ",
            command,
            " ]; then exec strace -f -o /dev/null "
            "-e trace=openat,sendto,renameat,unlinkat -e "
            "inject=openat,sendto,renameat,unlinkat:signal=KILL:when=",
            nth, " ", program, "; fi\nexec ", program, "\n"));
    EXPECT_EQ(::chmod(at("bin/dhow-cni").c_str(), 0755), 0);
    cni::LibraryOptions options;
    options.plugin_folders = {at("bin")};
    options.cache_folder = at("cache");
    return cni::Library(options);
  }
  // Bridges stay for the next container.
  void expect_nothing_left() {
    EXPECT_THAT(said_by({"ip", "-o", "link"}), Not(HasSubstr("dhv")));
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(at("data"))) {
      if (entry.is_regular_file() && entry.path().filename() != ".lock") {
        files.push_back(entry.path());
      }
    }
    EXPECT_THAT(files, IsEmpty());
    EXPECT_THAT(said_by({"nft", "list", "tables"}), Not(HasSubstr("dhow-cni")));
  }

  Fd one_;
  Fd two_;
  std::unique_ptr<cni::Library> library_;
};

TEST_F(DhowCni, ContainersReachOneAnotherAndTheHost) {
  cni::NetworkConfig config = network();
  auto status = library_->status(config);
  EXPECT_TRUE(status && status->is_ready) << status->reason;
  cni::AddResult first = add(config, attachment(one_, "c1"));
  EXPECT_EQ(first.ips.at(0).address, "10.66.0.2/24");
  EXPECT_EQ(first.ips.at(0).gateway, "10.66.0.1");
  EXPECT_EQ(first.interfaces.at(2).mac, "02:42:0a:42:00:02");
  EXPECT_EQ(add(config, attachment(two_, "c2")).ips.at(0).address, "10.66.0.3/24");
  for (const char* address : {"10.66.0.1", "10.66.0.3"}) {
    EXPECT_THAT(inside(one_, {"busybox", "ping", "-c1", "-W5", address}),
                HasSubstr("1 packets received"));
  }
  EXPECT_THAT(inside(one_, {"ip", "route"}), HasSubstr("default via 10.66.0.1"));
  auto checked = library_->check("net", attachment(one_, "c1"));
  EXPECT_TRUE(checked) << checked.error().message();
  inside(one_, {"ip", "address", "flush", "dev", "eth0"});
  EXPECT_THAT(library_->check("net", attachment(one_, "c1")).error().message(),
              HasSubstr("does not have the address 10.66.0.2/24"));
  EXPECT_TRUE(library_->remove("net", attachment(one_, "c1")));
  EXPECT_TRUE(library_->remove("net", attachment(one_, "c1"), &config));
  EXPECT_EQ(add(config, attachment(one_, "c3")).ips.at(0).address, "10.66.0.2/24");
  EXPECT_TRUE(library_->remove("net", attachment(one_, "c3")));
  cni::Attachment gone = attachment(two_, "c2");
  gone.netns.clear();
  EXPECT_TRUE(library_->remove("net", gone));
  expect_nothing_left();
}

TEST_F(DhowCni, PortsArePublishedAndNotTwice) {
  cni::NetworkConfig config = network();
  cni::Attachment web = attachment(one_, "web");
  cni::Capabilities capabilities;
  capabilities.port_mappings = {{8099, 80, "tcp", ""}};
  capabilities.mac = "02:11:22:33:44:55";
  capabilities.ips = {"10.66.0.77"};
  web.capabilities = capabilities.args();
  EXPECT_EQ(add(config, web).ips.at(0).address, "10.66.0.77/24");
  EXPECT_THAT(inside(one_, {"ip", "link", "show", "eth0"}), HasSubstr("02:11:22:33:44:55"));
  std::thread server([&] {
    inside(one_, {"timeout", "30", "busybox", "nc", "-l", "-p", "80", "-e", "echo", "hello"});
  });
  inside(one_,
         {"sh", "-c", "until grep -q ':0050 .* 0A ' /proc/net/tcp /proc/net/tcp6; do :; done"});
  EXPECT_EQ(trim(said_by({"bash", "-c", "cat </dev/tcp/127.0.0.1/8099"})), "hello");
  server.join();
  cni::Attachment other = attachment(two_, "other");
  capabilities.ips.clear();
  other.capabilities = capabilities.args();
  auto refused = library_->add(config, other);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(),
              HasSubstr("port 8099/tcp of the host leads to 10.66.0.77"));
  EXPECT_TRUE(library_->remove("net", web));
  expect_nothing_left();
}

TEST_F(DhowCni, AddressesOfAnotherPlugin) {
  cni::NetworkConfig config =
      network(cat(R"("ipam":{"type":"host-local","dataDir":")", path_,
                  R"(/ipam","ranges":[[{"subnet":"10.67.0.0/24"}],[{"subnet":"fd67::/64"}]]},)"),
              "1.0.0");
  cni::AddResult result = add(config, attachment(one_, "c1"));
  ASSERT_THAT(result.ips, SizeIs(2));
  EXPECT_EQ(result.ips[1].address, "fd67::2/64");
  EXPECT_THAT(inside(one_, {"busybox", "ping", "-c1", "-W5", "fd67::1"}),
              HasSubstr("1 packets received"));
  EXPECT_TRUE(library_->remove("net", attachment(one_, "c1")));
  EXPECT_FALSE(std::filesystem::exists(at("ipam/net/10.67.0.2")));
  expect_nothing_left();
}

// Else a container could say that it is a router, and the host would send by it.
TEST_F(DhowCni, NobodyListensToRouters) {
  if (::access("/proc/sys/net/ipv6", F_OK) != 0) GTEST_SKIP() << "this kernel has no IPv6";
  add(network(), attachment(one_, "c1"));
  EXPECT_EQ(bridge_setting("disable_ipv6"), "1\n");
  EXPECT_TRUE(library_->remove("net", attachment(one_, "c1")));
  // The bridge is there already.
  cni::NetworkConfig config =
      network(cat(R"("ipam":{"type":"host-local","dataDir":")", path_,
                  R"(/ipam","ranges":[[{"subnet":"10.67.0.0/24"}],[{"subnet":"fd67::/64"}]]},)"),
              "1.0.0");
  add(config, attachment(one_, "c2"));
  EXPECT_EQ(bridge_setting("disable_ipv6"), "0\n");
  EXPECT_EQ(bridge_setting("accept_ra"), "0\n");
  EXPECT_EQ(bridge_setting("accept_dad"), "0\n");
  EXPECT_EQ(inside(one_, {"cat", "/proc/sys/net/ipv6/conf/eth0/accept_ra"}), "0\n");
  EXPECT_EQ(inside(one_, {"cat", "/proc/sys/net/ipv6/conf/eth0/accept_dad"}), "0\n");
  EXPECT_TRUE(library_->remove("net", attachment(one_, "c2")));
  expect_nothing_left();
}

// A bridge that is somebody else's keeps what he has said of it.
TEST_F(DhowCni, TheIpv6OfABridgeOfAnotherStays) {
  if (::access("/proc/sys/net/ipv6", F_OK) != 0) GTEST_SKIP() << "this kernel has no IPv6";
  said_by({"ip", "link", "add", "br7", "type", "bridge"});
  add(network(R"("bridge":"br7","subnet":"10.66.0.0/24",)"), attachment(one_, "c1"));
  EXPECT_EQ(said_by({"cat", "/proc/sys/net/ipv6/conf/br7/disable_ipv6"}), "0\n");
  EXPECT_TRUE(library_->remove("net", attachment(one_, "c1")));
  expect_nothing_left();
}

TEST_F(DhowCni, AddressesOfAnotherPluginThatAreNoneAreRefused) {
  std::filesystem::create_directory(at("bin"));
  put("bin/fake", cat("#!/bin/sh\n[ $CNI_COMMAND = DEL ] || cat ", at("answer"), "\n"));
  ASSERT_EQ(::chmod(at("bin/fake").c_str(), 0755), 0);
  std::string program = ::getenv("DHOW_CNI");
  cni::LibraryOptions options;
  options.plugin_folders = {program.substr(0, program.rfind('/')), at("bin")};
  options.cache_folder = at("cache");
  cni::Library library(options);
  for (const char* address : {"", "::ffff:10.0.0.2/120"}) {
    put("answer", cat(R"({"cniVersion":"1.0.0","ips":[{"address":"10.67.0.2/24"},{"address":")",
                      address, R"("}]})"));
    auto refused =
        library.add(network(R"("ipam":{"type":"fake"},)", "1.0.0"), attachment(one_, "c1"));
    ASSERT_FALSE(refused) << address;
    EXPECT_EQ(refused.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(refused.error().message(),
                HasSubstr(cat("the plugin fake has given ", quoted(address))));
    EXPECT_THAT(said_by({"ip", "-o", "link"}), Not(HasSubstr("dhc")));
    expect_nothing_left();
  }
}

TEST_F(DhowCni, FailuresLeaveNothing) {
  cni::Attachment nowhere = attachment(one_, "c1");
  nowhere.netns = at("missing");
  EXPECT_THAT(library_->add(network(), nowhere).error().message(),
              HasSubstr("no such file or directory"));
  EXPECT_THAT(library_->add(network(""), attachment(one_, "c1")).error().message(),
              HasSubstr("$.subnet: required"));
  cni::NetworkConfig small = network(R"("subnet":"10.66.0.0/30",)");
  add(small, attachment(one_, "c1"));
  EXPECT_THAT(library_->add(small, attachment(two_, "c2")).error().message(),
              HasSubstr("no address left in 10.66.0.0/30"));
  EXPECT_TRUE(library_->remove("net", attachment(one_, "c1")));
  expect_nothing_left();
}

TEST_F(DhowCni, CollectsWhatIsNotValid) {
  cni::NetworkConfig config = network();
  add(config, attachment(one_, "c1"));
  add(config, attachment(two_, "c2"));
  // As after a loss of what the runtime knew.
  std::filesystem::remove_all(at("cache"));
  auto collected = library_->collect(config, {{"c2", "eth0"}});
  EXPECT_TRUE(collected) << collected.error().message();
  EXPECT_THAT(inside(one_, {"ip", "-o", "link"}), Not(HasSubstr("eth0")));
  EXPECT_THAT(inside(two_, {"ip", "-o", "link"}), HasSubstr("eth0"));
  EXPECT_TRUE(library_->collect(config, {}));
  expect_nothing_left();
}

// Without a word of the engine's table or bridges, whatever that does.
TEST_F(DhowCni, LeavesTheEnginesFirewallAlone) {
  network::FirewallState state;
  network::Firewall engine("dhow", {}, [&] { return state; });
  ASSERT_TRUE(engine.rebuild());
  cni::NetworkConfig config = network();
  add(config, attachment(one_, "c1"));
  std::string tables = said_by({"nft", "list", "tables"});
  EXPECT_THAT(tables, HasSubstr("table inet dhow\n"));
  EXPECT_THAT(tables, HasSubstr("table inet dhow-cni-"));
  EXPECT_TRUE(library_->remove("net", attachment(one_, "c1")));
  EXPECT_THAT(said_by({"nft", "list", "tables"}), HasSubstr("table inet dhow\n"));
  expect_nothing_left();
}

// A kill after each of its first changes to the machine: what is left, a DEL takes away.
TEST_F(DhowCni, ADeathInTheMiddleLeavesWhatADelTakesAway) {
  cni::NetworkConfig config = network();
  bool has_ended = false;
  int nth = 0;
  while (!has_ended && ++nth < 200) {
    cni::Library library = deadly("ADD", nth);
    auto added = library.add(config, attachment(one_, "c1"));
    has_ended = added.has_value();
    if (has_ended) {
      EXPECT_TRUE(library.remove("net", attachment(one_, "c1")));
    }
    ASSERT_NO_FATAL_FAILURE(expect_nothing_left()) << nth;
  }
  EXPECT_TRUE(has_ended);
  // Each of them was a death at another place.
  EXPECT_GT(nth, 10);
}

TEST_F(DhowCni, ADeathOfACollectionIsMadeGoodByTheNext) {
  cni::NetworkConfig config = network();
  cni::Attachment web = attachment(one_, "web");
  cni::Capabilities capabilities;
  capabilities.port_mappings = {{8099, 80, "tcp", ""}};
  web.capabilities = capabilities.args();
  bool has_ended = false;
  int nth = 0;
  while (!has_ended && ++nth < 200) {
    add(config, web);
    add(config, attachment(two_, "c2"));
    std::filesystem::remove_all(at("cache"));
    has_ended = deadly("GC", nth).collect(config, {}).has_value();
    if (!has_ended) {
      EXPECT_TRUE(library_->collect(config, {}));
    }
    ASSERT_NO_FATAL_FAILURE(expect_nothing_left()) << nth;
  }
  EXPECT_TRUE(has_ended);
  EXPECT_GT(nth, 10);
}

// $1: a folder for everything, $2: the plugin. What ctr says of the container's addresses.
constexpr std::string_view kByContainerd = R"sh(
set -e
mount --make-rprivate /
mkdir -p /etc/cni /opt/cni /var/lib/cni
for folder in /etc/cni /opt/cni /var/lib/cni; do mount -t tmpfs cni $folder; done
mkdir -p /etc/cni/net.d /opt/cni/bin "$1/rootfs/bin"
cp "$2" /usr/lib/cni/loopback /opt/cni/bin/
cp "$(command -v busybox)" "$1/rootfs/bin/ip"
cat >/etc/cni/net.d/1.conflist <<CONF
{"cniVersion": "1.0.0", "name": "mynet",
 "plugins": [{"type": "dhow-cni", "subnet": "10.90.0.0/24", "dataDir": "$1/data"}]}
CONF
cat >"$1/config.toml" <<CONF
version = 2
root = "$1/root"
state = "$1/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$1/socket"
CONF
containerd --config "$1/config.toml" >"$1/log" 2>&1 &
trap 'kill $!; wait $!' EXIT
until ctr -a "$1/socket" version >/dev/null 2>&1; do kill -0 $!; sleep 0.1; done
ctr -a "$1/socket" run --rm --cni --cgroup "/${1##*/}" --rootfs "$1/rootfs" "${1##*/}" /bin/ip -4 -o address
)sh";

TEST_F(DhowCni, ContainerdCallsIt) {
  for (const char* program : {"/usr/bin/containerd", "/usr/bin/ctr", "/usr/lib/cni/loopback"}) {
    if (::access(program, X_OK) != 0) GTEST_SKIP() << program << " is not installed";
  }
  EXPECT_THAT(said_by({"timeout", "60", "unshare", "--mount", "bash", "-c",
                       std::string(kByContainerd), "bash", path_, ::getenv("DHOW_CNI")}),
              HasSubstr("inet 10.90.0.2/24"));
  expect_nothing_left();
}

}  // namespace
}  // namespace dhow::bridge_plugin
