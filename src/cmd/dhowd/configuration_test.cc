// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cmd/dhowd/options.h"
#include "sys/file_io.h"

namespace dhow::dhowd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string fault_of(std::string_view text) {
  Configuration configuration;
  auto status = read_configuration(text, "/x.toml", configuration);
  return status ? std::string() : status.error().message();
}

TEST(ConfigurationTest, ReadsEveryKey) {
  Configuration configuration;
  auto status = read_configuration(R"(
root = "/data"
state = "/state"
hosts = ["unix:///a.sock", "tcp://127.0.0.1:2375"]
group = "wheel"
log-level = "debug"
log-format = "json"
default-runtime = "slow"
cgroup-parent = "/x"
cgroup-driver = "systemd"
userns-remap = "default"
seccomp-profile = "unconfined"
no-new-privileges = true
init = true
init-path = "/init"
shim = "/shim"
builtin-images = "/images"
default-shm-size = "128m"
log-driver = "local"
default-ipc-mode = "shareable"
default-cgroupns-mode = "host"
cdi-spec-dirs = ["/cdi"]
dns = ["10.0.0.1"]
dns-opts = ["ndots:1"]
dns-search = ["example"]
insecure-registries = ["r.io:5000"]
registry-config-dirs = ["/certs.d"]
[log-opts]
max-size = "1m"
[runtimes.slow]
binary = "/usr/bin/runc"
options = ["--debug"]
[default-ulimits.nofile]
soft = 1024
hard = 2048
)",
                                   "/x.toml", configuration);
  ASSERT_TRUE(status.has_value()) << status.error().message();
  const engine::EngineOptions& engine = configuration.engine;
  EXPECT_EQ(engine.root, "/data");
  EXPECT_EQ(engine.state, "/state");
  EXPECT_THAT(configuration.hosts, ElementsAre("unix:///a.sock", "tcp://127.0.0.1:2375"));
  EXPECT_EQ(configuration.group, "wheel");
  EXPECT_EQ(configuration.log_level, log::Level::kDebug);
  EXPECT_TRUE(configuration.json_log);
  EXPECT_EQ(engine.default_runtime, "slow");
  EXPECT_EQ(engine.runtimes.at("slow").binary, "/usr/bin/runc");
  EXPECT_THAT(engine.runtimes.at("slow").options, ElementsAre("--debug"));
  EXPECT_TRUE(engine.systemd_cgroup);
  EXPECT_EQ(engine.shm_size, std::int64_t{128} << 20);
  EXPECT_EQ(engine.log_options.at("max-size"), "1m");
  EXPECT_EQ(engine.ipc_mode, "shareable");
  EXPECT_EQ(engine.cgroupns_mode, "host");
  EXPECT_THAT(engine.default_ulimits, ElementsAre(engine::Ulimit{"nofile", 1024, 2048}));
  EXPECT_THAT(configuration.insecure_registries, ElementsAre("r.io:5000"));
  EXPECT_THAT(configuration.registry_folders, ElementsAre("/certs.d"));
}

TEST(ConfigurationTest, ReadsLimitsOfImagesAndContainers) {
  Configuration configuration;
  auto status = read_configuration(
      "strict-layers = true\nstorage-driver = \"vfs\"\nstorage-opts = [\"overlay2.size=10G\"]\n",
      "/x.toml", configuration);
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_TRUE(configuration.strict_layers);
  EXPECT_EQ(configuration.engine.storage_driver, "vfs");
  EXPECT_EQ(configuration.engine.root_size, std::int64_t{10} << 30);
  EXPECT_EQ(fault_of("strict-layers = 1"),
            "/x.toml: line 1: strict-layers: neither true nor false");
  EXPECT_EQ(fault_of("storage-opts = [\"dm.basesize=1G\"]"),
            "/x.toml: line 1: storage-opts: unknown option \"dm.basesize\"");
  EXPECT_EQ(fault_of("storage-opts = [\"overlay2.size=much\"]"),
            "/x.toml: line 1: storage-opts: \"overlay2.size=much\" has no size");
}

TEST(ConfigurationTest, ReadsNetworks) {
  Configuration configuration;
  auto status = read_configuration(R"(
bridge = "dhow1"
bip = "10.1.0.1/24"
ipv6 = true
fixed-cidr-v6 = "fd00:17::/64"
firewall-table = "mine"
open-host-firewall = true
rootless-network = "slirp4netns"
cni-plugin-dirs = ["/p", "/q"]
cni-conf-dir = "/n"
default-address-pools = [{ base = "10.2.0.0/16", size = 25 }]
)",
                                   "/x.toml", configuration);
  ASSERT_TRUE(status.has_value()) << status.error().message();
  const engine::EngineOptions& engine = configuration.engine;
  EXPECT_EQ(engine.bridge, "dhow1");
  EXPECT_EQ(engine.bridge_address, "10.1.0.1/24");
  EXPECT_EQ(engine.firewall_table, "mine");
  EXPECT_TRUE(engine.opens_host_firewall);
  EXPECT_EQ(engine.rootless_uplink, "slirp4netns");
  EXPECT_TRUE(engine.ipv6);
  EXPECT_EQ(engine.bridge_subnet6, "fd00:17::/64");
  EXPECT_THAT(engine.cni_plugins, ::testing::ElementsAre("/p", "/q"));
  EXPECT_EQ(engine.cni_networks, "/n");
  ASSERT_EQ(engine.address_pools.size(), 1U);
  EXPECT_EQ(engine.address_pools[0].base, "10.2.0.0/16");
  EXPECT_EQ(engine.address_pools[0].size, 25);
  EXPECT_EQ(fault_of("default-address-pools = 1"),
            "/x.toml: line 1: default-address-pools: not an array of tables");
  EXPECT_THAT(fault_of("default-address-pools = [{ bits = 1 }]"),
              ::testing::EndsWith("default-address-pools.bits: unknown key"));
}

TEST(ConfigurationTest, NothingIsFine) { EXPECT_EQ(fault_of(""), ""); }

TEST(ConfigurationTest, FaultsNameFileLineAndKey) {
  EXPECT_EQ(fault_of("\nrot = \"/x\""), "/x.toml: line 2: rot: unknown key");
  EXPECT_EQ(fault_of("root = 1"), "/x.toml: line 1: root: not a string");
  EXPECT_EQ(fault_of("init = 1"), "/x.toml: line 1: init: neither true nor false");
  EXPECT_EQ(fault_of("hosts = \"x\""), "/x.toml: line 1: hosts: not an array of strings");
  EXPECT_EQ(fault_of("hosts = [1]"), "/x.toml: line 1: hosts: not an array of strings");
  EXPECT_EQ(fault_of("log-level = \"loud\""),
            "/x.toml: line 1: log-level: \"loud\" is none of: debug, info, warning, error");
  EXPECT_EQ(fault_of("default-ipc-mode = \"x\""),
            "/x.toml: line 1: default-ipc-mode: \"x\" is none of: private, shareable");
  EXPECT_EQ(fault_of("rootless-network = \"x\""),
            "/x.toml: line 1: rootless-network: \"x\" is none of: , pasta, slirp4netns");
  EXPECT_EQ(fault_of("default-shm-size = \"x\""), "/x.toml: line 1: default-shm-size: not a size");
  EXPECT_EQ(fault_of("default-shm-size = -1"), "/x.toml: line 1: default-shm-size: not a size");
  EXPECT_EQ(fault_of("default-shm-size = \"9999999999t\""),
            "/x.toml: line 1: default-shm-size: not a size");
  EXPECT_EQ(fault_of("[runtimes.x]\nbin = \"y\""), "/x.toml: line 2: runtimes.x.bin: unknown key");
  EXPECT_EQ(fault_of("[default-ulimits.nofile]\nsoft = \"y\""),
            "/x.toml: line 2: default-ulimits.nofile.soft: not a number");
  EXPECT_EQ(fault_of("log-opts = 1"), "/x.toml: line 1: log-opts: not a table");
  EXPECT_THAT(fault_of("root = "), ::testing::StartsWith("/x.toml: line 1: "));
}

Parsed parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "dhowd");
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  return parse_command_line(static_cast<int>(arguments.size()), pointers.data());
}

TEST(CommandLineTest, ReadsEveryOption) {
  Parsed parsed =
      parse({"--config", "/c", "--root=/r", "--state", "/s", "-H", "unix:///a", "--host",
             "unix:///b", "--log-level", "error", "--idle-exit", "60", "--ready-fd=7", "--check"});
  EXPECT_EQ(parsed.exit_code, std::nullopt);
  EXPECT_EQ(parsed.line.file, "/c");
  EXPECT_EQ(parsed.line.root, "/r");
  EXPECT_EQ(parsed.line.state, "/s");
  EXPECT_THAT(parsed.line.hosts, ElementsAre("unix:///a", "unix:///b"));
  EXPECT_EQ(parsed.line.log_level, "error");
  EXPECT_EQ(parsed.line.idle_exit, 60);
  EXPECT_EQ(parsed.line.ready_fd, 7);
  EXPECT_TRUE(parsed.line.check);
}

TEST(CommandLineTest, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(parse({"--nothing"}).exit_code, 2);
  EXPECT_EQ(parse({"--idle-exit", "x"}).exit_code, 2);
  EXPECT_EQ(parse({"--idle-exit", "-1"}).exit_code, 2);
  EXPECT_EQ(parse({"more"}).exit_code, 2);
  EXPECT_EQ(parse({"--version"}).exit_code, 0);
}

TEST(CommandLineTest, GoesOverTheFile) {
  CommandLine line;
  line.root = "/r";
  line.state = "/s";
  line.file = "/dev/null";
  auto configuration = load_configuration(line);
  ASSERT_TRUE(configuration.has_value()) << configuration.error().message();
  EXPECT_EQ(configuration->engine.root, "/r");
  EXPECT_THAT(configuration->hosts, ElementsAre("unix:///s/docker.sock"));
  line.root = "r";
  EXPECT_FALSE(load_configuration(line).has_value());
  line.root = "/r";
  line.file = "/nonexistent";
  EXPECT_FALSE(load_configuration(line).has_value());
  line.file = "/dev/null";
  line.log_level = "loud";
  EXPECT_FALSE(load_configuration(line).has_value());
}

std::string load_fault(const std::string& text, const std::vector<std::string>& words = {}) {
  char name[] = "/tmp/dhow-toml-XXXXXX";
  Fd file(::mkstemp(name));
  EXPECT_TRUE(write_all(file, "root = \"/r\"\nstate = \"/s\"\n" + text));
  std::vector<std::string> arguments = {"dhowd", "--config", name};
  arguments.insert(arguments.end(), words.begin(), words.end());
  std::vector<char*> line;
  for (std::string& word : arguments) line.push_back(word.data());
  Parsed parsed = parse_command_line(static_cast<int>(line.size()), line.data());
  EXPECT_FALSE(parsed.exit_code);
  auto loaded = load_configuration(parsed.line);
  ::unlink(name);
  return loaded ? "" : loaded.error().message();
}

TEST(ConfigurationTest, TheNetworkIsServedWithTlsOrBySayingSo) {
  const std::string host = "hosts = [\"tcp://127.0.0.1:1\"]\n";
  const std::string files = "tlscert = \"/c\"\ntlskey = \"/k\"\n";
  EXPECT_THAT(load_fault(host), ::testing::HasSubstr("who can connect to it is root"));
  EXPECT_EQ(load_fault(host + "tls = false\n"), "");
  EXPECT_EQ(load_fault(host, {"--tls=false"}), "");
  EXPECT_THAT(load_fault(host + "tls = true\n"), ::testing::HasSubstr("needs tlscert and tlskey"));
  EXPECT_EQ(load_fault(host + files + "tls = true\n"), "");
  EXPECT_THAT(load_fault(host + files + "tlsverify = true\n"),
              ::testing::HasSubstr("tlsverify needs tlscacert"));
  EXPECT_EQ(load_fault(host + files, {"--tlsverify", "--tlscacert", "/a"}), "");
  EXPECT_THAT(load_fault(host + files, {"--tlsverify", "--tlscacert", "/a", "--tls=false"}),
              ::testing::HasSubstr("without sense"));
  // A socket that is passed is known later.
  auto settled = [](Configuration configuration) {
    auto status = settle_network(configuration, "it");
    return status ? std::string() : status.error().message();
  };
  Configuration passed;
  EXPECT_THAT(settled(passed), ::testing::StartsWith("it: who can connect to it is root"));
  passed.tls_files = {{}, "/c", "/k"};
  passed.tls = true;
  EXPECT_EQ(settled(passed), "");
  passed.tls_verify = true;
  EXPECT_EQ(settled(passed), "it: tlsverify needs tlscacert");
  passed.tls_files.authority = "/a";
  EXPECT_EQ(settled(passed), "");
  passed.tls.reset();
  EXPECT_EQ(settled(passed), "");
  passed.tls = false;
  EXPECT_THAT(settled(passed), ::testing::HasSubstr("without sense"));
  // Without an address of the network nothing is asked.
  EXPECT_EQ(load_fault("hosts = [\"unix:///x.sock\"]\n"), "");
}

}  // namespace
}  // namespace dhow::dhowd
