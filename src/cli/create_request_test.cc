// SPDX-License-Identifier: Apache-2.0
#include "cli/create_request.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/credentials.h"
#include "oci/json_value.h"

namespace dhow::cli {
namespace {

// The body of a create for that command line of run, or the error.
std::string body(std::vector<std::string_view> words) {
  words.insert(words.begin(), "run");
  FoundCommand found = find_command(words);
  auto arguments =
      parse_arguments(flags_of(*found.command), std::span(words).subspan(found.words), true);
  if (!arguments) return arguments.error().message();
  auto request = make_create_request(*arguments, ConfigFile{}, arguments->boolean("detach"));
  return request ? request->body : request.error().message();
}

// The part of the body at a path of members.
std::string part(const std::vector<std::string_view>& words, std::vector<std::string_view> path) {
  std::string text = body(words);
  // From the last member named to the end of its value, by the parser.
  auto document = oci::JsonDocument::parse(text);
  EXPECT_TRUE(document.has_value()) << text;
  if (!document) return text;
  oci::JsonValue value = document->root();
  for (std::string_view name : path) value = value.find(name);
  if (auto string = value.as_string()) return std::string(*string);
  if (auto number = value.as_int64()) return std::to_string(*number);
  if (auto boolean = value.as_boolean()) return *boolean ? "true" : "false";
  std::string items;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value.kind() == oci::JsonKind::kArray) {
      items += std::string(value.item(i).as_string().value_or("{}")) + ";";
    } else {
      items += std::string(value.member(i).name) + "=" +
               std::string(value.member(i).value.as_string().value_or("{}")) + ";";
    }
  }
  return items;
}

TEST(CreateRequestTest, StreamsAreDockers) {
  EXPECT_EQ(part({"i"}, {"AttachStdout"}), "true");
  EXPECT_EQ(part({"i"}, {"AttachStdin"}), "false");
  EXPECT_EQ(part({"-i", "i"}, {"StdinOnce"}), "true");
  EXPECT_EQ(part({"-d", "-i", "i"}, {"StdinOnce"}), "false");
  EXPECT_EQ(part({"-d", "i"}, {"AttachStdout"}), "false");
  EXPECT_EQ(part({"-a", "STDERR", "i"}, {"AttachStdout"}), "false");
}

TEST(CreateRequestTest, TheProcessIsDescribed) {
  EXPECT_EQ(part({"i", "sh", "-c", "x"}, {"Cmd"}), "sh;-c;x;");
  EXPECT_EQ(part({"--entrypoint", "", "i"}, {"Entrypoint"}), ";");
  EXPECT_EQ(part({"-e", "A=1", "-e", "DHOW_TEST_NO_SUCH", "i"}, {"Env"}), "A=1;DHOW_TEST_NO_SUCH;");
  EXPECT_EQ(part({"-l", "a=1", "-l", "b", "-l", "a=2", "i"}, {"Labels"}), "b=;a=2;");
  EXPECT_EQ(
      part({"--health-cmd", "true", "--health-interval", "5s", "i"}, {"Healthcheck", "Interval"}),
      "5000000000");
}

TEST(CreateRequestTest, ResourcesAreNumbers) {
  EXPECT_EQ(part({"-m", "64m", "i"}, {"HostConfig", "Memory"}), "67108864");
  EXPECT_EQ(part({"--memory-swap", "-1", "i"}, {"HostConfig", "MemorySwap"}), "-1");
  EXPECT_EQ(part({"--cpus", "1.5", "i"}, {"HostConfig", "NanoCpus"}), "1500000000");
  EXPECT_EQ(part({"--restart", "on-failure:3", "i"},
                 {"HostConfig", "RestartPolicy", "MaximumRetryCount"}),
            "3");
  EXPECT_EQ(body({"--rm", "--restart", "always", "i"}),
            "conflicting options: cannot specify both --restart and --rm");
}

TEST(CreateRequestTest, PortsAreBound) {
  PortRequests ports;
  for (const char* text : {"80", "8080:80", "127.0.0.1:8081:81/udp", "[::1]:82:82",
                           "9000-9001:90-91", "7000-7005:70", "127.0.0.1::83"}) {
    auto parsed = parse_publish(text, ports);
    EXPECT_TRUE(parsed.has_value()) << text;
  }
  std::string all;
  for (const auto& one : ports.bindings)
    all += one.port + "<" + one.host_ip + ":" + one.host_port + " ";
  EXPECT_EQ(all,
            "80/tcp<: 80/tcp<:8080 81/udp<127.0.0.1:8081 82/tcp<::1:82 90/tcp<:9000 91/tcp<:9001 "
            "70/tcp<:7000-7005 83/tcp<127.0.0.1: ");
  for (const char* text : {"x", "80:x", "1-2:1-3", "80/foo", "70000"})
    EXPECT_FALSE(parse_publish(text, ports).has_value()) << text;
  PortRequests exposed;
  EXPECT_TRUE(parse_expose("10-12/udp", exposed).has_value());
  EXPECT_EQ(exposed.exposed.size(), 3U);
}

TEST(CreateRequestTest, VolumesAndMounts) {
  EXPECT_EQ(part({"-v", "/a:/b:ro", "-v", "/c", "-v", "name:/d", "i"}, {"HostConfig", "Binds"}),
            "/a:/b:ro;name:/d;");
  EXPECT_EQ(part({"-v", "/c", "i"}, {"Volumes"}), "/c={};");
  EXPECT_EQ(part({"--tmpfs", "/t:size=1m", "i"}, {"HostConfig", "Tmpfs"}), "/t=size=1m;");
  oci::JsonWriter json;
  ASSERT_TRUE(write_mount("type=bind,src=/a,dst=/b,ro,bind-propagation=rshared", json).has_value());
  EXPECT_EQ(
      json.text(),
      R"({"Type":"bind","Source":"/a","Target":"/b","ReadOnly":true,"BindOptions":{"Propagation":"rshared"}})");
  oci::JsonWriter bad;
  EXPECT_EQ(write_mount("type=bind,src=/a", bad).error().message(), "target is required");
  oci::JsonWriter mapped;
  ASSERT_TRUE(write_mount("type=bind,src=/a,dst=/b,idmap=uids=0-1-2;gids=0-1-2", mapped));
  EXPECT_NE(mapped.text().find(R"("BindOptions":{"IDMap":"uids=0-1-2;gids=0-1-2"})"),
            std::string::npos)
      << mapped.text();
  EXPECT_EQ(write_mount("type=tmpfs,dst=/b,idmap=uids=0-1-2", bad).error().message(),
            "cannot mix 'idmap' with mount type 'tmpfs'");
  EXPECT_EQ(write_mount("type=bind,src=/a,dst=/b,image-subpath=x", bad).error().message(),
            "cannot mix 'image-*' options with mount type 'bind'");
}

TEST(CreateRequestTest, NetworksAndTheirSettings) {
  EXPECT_EQ(part({"i"}, {"HostConfig", "NetworkMode"}), "default");
  EXPECT_EQ(part({"--network", "name=n,alias=a,ip=10.0.0.2", "i"}, {"HostConfig", "NetworkMode"}),
            "n");
  EXPECT_EQ(part({"--network", "name=n,alias=a,ip=10.0.0.2", "i"},
                 {"NetworkingConfig", "EndpointsConfig", "n", "IPAMConfig", "IPv4Address"}),
            "10.0.0.2");
  EXPECT_EQ(part({"--network", "n", "--network-alias", "x", "i"},
                 {"NetworkingConfig", "EndpointsConfig", "n", "Aliases"}),
            "x;");
  EXPECT_EQ(part({"--net", "none", "i"}, {"HostConfig", "NetworkMode"}), "none");
}

TEST(CreateRequestTest, IsolationIsPassedOn) {
  EXPECT_EQ(part({"--cap-add", "ALL", "--cap-drop", "CHOWN", "i"}, {"HostConfig", "CapDrop"}),
            "CHOWN;");
  EXPECT_EQ(
      part({"--add-host", "a=1.2.3.4", "--add-host", "b:::1", "i"}, {"HostConfig", "ExtraHosts"}),
      "a:1.2.3.4;b:::1;");
  EXPECT_EQ(
      part({"--security-opt", "no-new-privileges", "--security-opt", "seccomp=unconfined", "i"},
           {"HostConfig", "SecurityOpt"}),
      "no-new-privileges;seccomp=unconfined;");
  EXPECT_EQ(body({"--security-opt", "foo", "i"}), "Invalid --security-opt: \"foo\"");
  EXPECT_EQ(part({"--device", "vendor.com/gpu=0", "i"}, {"HostConfig", "DeviceRequests"}), "{};");
}

// As the docker command line tells of them, in front of any question to the engine.
TEST(CreateRequestTest, ValuesThatAreWrongAreToldInDockersWords) {
  auto flag = [](std::string_view name, std::string_view value) {
    return body({name, value, "i"});
  };
  auto fault = [](std::string_view name, std::string_view value, std::string_view why) {
    return cat("invalid argument ", quoted(value), " for ", quoted(name), " flag: ", why);
  };
  struct Case {
    std::string_view name;
    std::string_view value;
    std::string_view why;
  };
  for (const Case& one : {
           Case{"--add-host", "foo", "bad format for add-host: \"foo\""},
           Case{"--add-host", "a:1.2.3", "invalid IP address in add-host: \"1.2.3\""},
           Case{"--blkio-weight-device", "/dev/x:5", "invalid weight for device: /dev/x:5"},
           Case{"--device-cgroup-rule", "foo", "invalid device cgroup format 'foo'"},
           Case{"--device-cgroup-rule", "c 1:x r", "invalid device cgroup format 'c 1:x r'"},
           Case{"--device-read-bps", "foo", "bad format: foo"},
           Case{"--device-read-iops", "/dev/x:1k",
                "invalid rate for device: /dev/x:1k. The correct format is "
                "<device-path>:<number>. Number must be a positive integer"},
           Case{"--dns", "foo", "IP address is not correctly formatted: foo"},
           Case{"--gpus", "foo",
                "invalid count (foo): value must be either \"all\" or an integer: invalid syntax"},
           Case{"--link", "a:b:c", "bad format for links: a:b:c"},
           Case{"--mount", "foo=bar", "unexpected key 'foo' in 'foo=bar'"},
           Case{"--memory-swap", "-2", "invalid size: '-2'"},
           Case{"--shm-size", "-1", "invalid size: '-1'"},
           Case{"--sysctl", "foo=1", "sysctl 'foo=1' is not allowed"},
           Case{"--ulimit", "foo=1", "invalid ulimit type: foo"},
           Case{"--ulimit", "nofile=10:5",
                "ulimit soft limit must be less than or equal to hard limit: 10 > 5"},
       }) {
    EXPECT_EQ(flag(one.name, one.value), fault(one.name, one.value, one.why));
  }
  EXPECT_EQ(flag("--label", "=x"), fault("-l, --label", "=x", "invalid label '=x': empty name"));
  EXPECT_EQ(flag("--pid", "foo"), "--pid: invalid PID mode");
  EXPECT_EQ(flag("--uts", "container:x"), "--uts: invalid UTS mode");
  EXPECT_EQ(flag("--userns", "foo"), "--userns: invalid USER mode");
  EXPECT_EQ(flag("--cgroupns", "foo"), "--cgroupns: invalid CGROUP mode");
  EXPECT_EQ(flag("--device", "/dev/null:/dev/x:foo"), "bad mode specified: foo");
  EXPECT_EQ(flag("--device", "foo/bar"), "foo/bar is not an absolute path");
  EXPECT_EQ(flag("--memory-swappiness", "101"),
            "invalid value: 101. Valid memory swappiness range is 0-100");
  EXPECT_EQ(flag("--mac-address", "foo"), "foo is not a valid mac address");
  EXPECT_EQ(flag("-v", ":/x"), "invalid spec: :/x: empty section between colons");
  EXPECT_EQ(flag("--expose", "99999"),
            "invalid range format for --expose: 99999, error: strconv.ParseUint: parsing "
            "\"99999\": value out of range");
  EXPECT_EQ(body({"--log-driver", "none", "--log-opt", "max-size=1m", "i"}),
            "invalid logging opts for driver none");
}

TEST(CreateRequestTest, ValuesThatAreRightAreTaken) {
  for (std::vector<std::string_view> words :
       std::vector<std::vector<std::string_view>>{{"--add-host", "a:host-gateway"},
                                                  {"--add-host", "a=[::1]"},
                                                  {"--device-cgroup-rule", "c 1:* rwm"},
                                                  {"--dns", "::1"},
                                                  {"--memory-swap", "-1"},
                                                  {"--sysctl", "net.ipv4.ip_forward=1"},
                                                  {"--cgroupns", "private"},
                                                  {"--mac-address", "02-42-ac-11-00-02"},
                                                  {"--gpus", "device=a,capabilities=compute"}}) {
    words.push_back("i");
    EXPECT_TRUE(body(words).starts_with("{")) << words[0] << " " << words[1] << ": " << body(words);
  }
  EXPECT_EQ(part({"--network", "none", "--link", "a", "i"}, {"HostConfig", "Links"}), "a;");
  EXPECT_EQ(part({"--cpus", "-1", "i"}, {"HostConfig", "NanoCpus"}), "-1000000000");
}

TEST(CredentialsTest, RegistriesHaveDockersKeys) {
  EXPECT_EQ(registry_key(""), "https://index.docker.io/v1/");
  EXPECT_EQ(registry_key("docker.io"), "https://index.docker.io/v1/");
  EXPECT_EQ(registry_key("https://r.example:5000/v2/"), "r.example:5000");
  EXPECT_EQ(registry_of_image("busybox"), "https://index.docker.io/v1/");
  EXPECT_EQ(registry_of_image("localhost:5000/a/b"), "localhost:5000");
}

}  // namespace
}  // namespace dhow::cli
