// SPDX-License-Identifier: Apache-2.0
//
// dhow-rootless-check: networks of an engine of an ordinary user, in the guest "cgroup2" of
// tests/vm. As root first, which gives the guest a neighbour; then as the ordinary user, whose
// tests call that one and are called by him. One shard only.

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <gtest/gtest.h>
#include <string>

#include "vm/engine.h"

namespace {

using dhow::vm::say;
using dhow::vm::sh;

constexpr const char* kGuest = "192.0.2.1";
constexpr const char* kNeighbour = "192.0.2.2";
constexpr const char* kFetch = "/var/tmp/fetch";

bool is_root() { return geteuid() == 0; }

// A folder of a web server that tells who calls, by the path /cgi-bin/who.
std::string server_in(const std::string& folder) {
  return "mkdir -p " + folder +
         "/cgi-bin; printf \"#!/bin/sh\\necho\\necho you are \\$REMOTE_ADDR\\n\" >" + folder +
         "/cgi-bin/who; chmod -R a+rx " + folder;
}

// What a web server answers to the path /PATH. The guest's busybox is static, and its wget ends by
// a signal where it looks for a name service.
std::string fetch(const std::string& address, const std::string& port, const std::string& path) {
  return std::string(kFetch) + " " + address + " " + port + " " + path;
}

std::string you_are(const std::string& address) { return "you are [::ffff:" + address + "]"; }

TEST(Neighbour, IsThere) {
  if (!is_root()) GTEST_SKIP() << "root has made him";
  say("ip netns add neighbour; ip link add eth0 type veth peer name eth0 netns neighbour");
  const std::string there = "ip netns exec neighbour ";
  for (const std::string link : {"lo", "eth0"}) {
    say("ip link set " + link + " up; " + there + "ip link set " + link + " up");
  }
  const std::string guest = kGuest;
  const std::string neighbour = kNeighbour;
  say("ip addr add " + guest + "/24 dev eth0; ip route add default via " + neighbour);
  say(there + "ip addr add " + neighbour + "/24 dev eth0");
  const std::string folder = "/var/tmp/neighbour";
  say(server_in(folder));
  say(std::string("cat >") + kFetch + R"( <<'END'
#!/bin/bash
exec 3<>/dev/tcp/$1/$2 || exit
printf 'GET /%s HTTP/1.0\r\n\r\n' "$3" >&3
sed '1,/^\r*$/d' <&3
END)");
  // He can be asked what he gets from a port of the guest.
  say("printf '#!/bin/sh\\necho\\n" + fetch(guest, "$QUERY_STRING", "cgi-bin/who") + " 2>&1\\n' >" +
      folder + "/cgi-bin/ask; chmod a+rx " + kFetch + " " + folder + "/cgi-bin/ask");
  say(there + "busybox httpd -h " + folder + " -p 80");
  EXPECT_EQ(say(fetch(neighbour, "80", "cgi-bin/who")), you_are(guest));
}

// The program that is the way out is the parameter.
class Rootless : public dhow::vm::EngineTest, public testing::WithParamInterface<const char*> {
 protected:
  Rootless() : EngineTest(std::string(getenv("DHOW_E2E_TMP")) + "/" + GetParam()) {}

  void SetUp() override {
    if (is_root()) GTEST_SKIP() << "for the ordinary user";
    EngineTest::SetUp();
  }
  void start() { EngineTest::start(std::string("rootless-network = \"") + GetParam() + "\""); }

  static std::string answer_here() { return sh(fetch("127.0.0.1", "8080", "cgi-bin/who")).text; }
  static std::string answer_at_neighbour() {
    return sh(fetch(kNeighbour, "80", "cgi-bin/ask?8080")).text;
  }
  // In a container that is removed afterwards.
  static std::string answer_inside(const std::string& flags, const std::string& host) {
    return say(dhow("run --rm " + flags + " busybox wget -qO- http://" + host + "/cgi-bin/who"));
  }
};

TEST_P(Rootless, PortsArePublished) {
  start();
  say(dhow("network create --subnet 10.7.0.0/24 mine"));
  say(dhow("run -d --name web --network mine -p 8080:80 busybox sh -c '" + server_in("/www") +
           "; exec httpd -f -h /www'"));
  say(dhow("exec web sh -c 'until grep -q \":0050 .* 0A \" /proc/net/tcp6; do :; done'"));
  // By the program that was asked for, and no other.
  EXPECT_EQ(
      say("grep -c 'reach the outside by " + std::string(GetParam()) + "' " + place_ + "/log"),
      "1");
  EXPECT_EQ(answer_inside("", kNeighbour), you_are(kGuest));
  EXPECT_EQ(answer_inside("--network mine --ip 10.7.0.9", "web"), you_are("10.7.0.9"));
  // The guest's loopback is spoken for by the bridge.
  EXPECT_EQ(answer_here(), you_are("10.7.0.1"));
  EXPECT_EQ(answer_at_neighbour(), you_are(kNeighbour));
  stop(SIGKILL);
  EXPECT_EQ(answer_at_neighbour(), you_are(kNeighbour));
  start();
  EXPECT_EQ(answer_at_neighbour(), you_are(kNeighbour));
  EXPECT_NE(sh(dhow("run --rm -p 8080:80 busybox true")).text.find("port is already allocated"),
            std::string::npos);
  say(dhow("rm -f web"));
  EXPECT_NE(answer_here().find("Connection refused"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(By, Rootless, testing::Values("pasta", "slirp4netns"),
                         [](const auto& of) { return std::string(of.param); });

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
