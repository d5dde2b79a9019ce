// SPDX-License-Identifier: Apache-2.0
// Devices: nodes, the rules of the cgroup, network devices.
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/bundle.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;

class DevicesTest : public testing::Test {
 protected:
  Outcome run(std::string_view script) {
    bundle_.set_script(script);
    Container container(bundle_);
    return container.run();
  }
  json::array& devices() {
    if (!bundle_.linux().contains("devices")) bundle_.linux()["devices"] = json::array{};
    return bundle_.linux()["devices"].as_array();
  }
  json::array& rules() { return bundle_.resources()["devices"].as_array(); }
  Bundle bundle_;
};

TEST_F(DevicesTest, DefaultNodesAndLinks) {
  EXPECT_EQ(run("cd /dev; stat -c '%n %t:%T %a' null zero full random urandom tty; "
                "for l in ptmx fd stdin stdout stderr; do readlink $l; done; "
                "head -c 4 zero | wc -c")
                .out,
            "null 1:3 666\nzero 1:5 666\nfull 1:7 666\nrandom 1:8 666\nurandom 1:9 666\n"
            "tty 5:0 666\npts/ptmx\n/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n"
            "/proc/self/fd/2\n4\n");
  // Kernels may be built without it.
  EXPECT_EQ(run("readlink /dev/core").out, exists("/proc/kcore") ? "/proc/kcore\n" : "");
}

TEST_F(DevicesTest, ConfiguredNodesOfEachKind) {
  devices() =
      json::array{json::object{{"path", "/dev/kmsg2"},
                               {"type", "c"},
                               {"major", 1},
                               {"minor", 11},
                               {"fileMode", 416},
                               {"uid", 5},
                               {"gid", 6}},
                  json::object{{"path", "/dev/uchar"}, {"type", "u"}, {"major", 1}, {"minor", 3}},
                  json::object{{"path", "/dev/block"}, {"type", "b"}, {"major", 7}, {"minor", 99}},
                  json::object{{"path", "/elsewhere/fifo"}, {"type", "p"}, {"fileMode", 438}}};
  EXPECT_EQ(run("stat -c '%F %t:%T %a %u:%g' /dev/kmsg2; stat -c '%F %t:%T' /dev/uchar /dev/block; "
                "stat -c '%F %a' /elsewhere/fifo")
                .out,
            "character special file 1:b 640 5:6\ncharacter special file 1:3\n"
            "block special file 7:63\nfifo 666\n");
}

TEST_F(DevicesTest, FaultsAreNamed) {
  devices().push_back(json::object{{"path", "dev/x"}, {"type", "c"}, {"major", 1}, {"minor", 3}});
  EXPECT_THAT(run("true").err, HasSubstr("$.linux.devices[0].path"));
  devices()[0] = json::object{{"path", "/dev/x"}, {"type", "z"}, {"major", 1}, {"minor", 3}};
  EXPECT_THAT(run("true").err, HasSubstr("$.linux.devices[0].type"));
}

TEST_F(DevicesTest, NodesAreBoundInAUserNamespace) {
  bundle_.use_user_namespace(100000);
  EXPECT_EQ(run("echo x > /dev/null && head -c 3 /dev/zero | wc -c").out, "3\n");
}

// By attack: the node can be made, but only opened as the rules say.
TEST_F(DevicesTest, RulesHold) {
  bundle_.add_capabilities({"CAP_MKNOD", "CAP_SYSLOG"});
  rules().push_back(
      json::object{{"allow", true}, {"type", "c"}, {"major", 1}, {"minor", 11}, {"access", "r"}});
  EXPECT_EQ(run("busybox mknod /k c 1 11; true < /k && echo read; true 2>/dev/null > /k || echo "
                "no-write; "
                "busybox mknod /m c 1 1; (true < /m) 2>/dev/null || echo no-mem; "
                "echo x > /dev/null && echo null")
                .out,
            "read\nno-write\nno-mem\nnull\n");
}

TEST_F(DevicesTest, EverythingMayBeAllowed) {
  bundle_.add_capabilities({"CAP_MKNOD", "CAP_SYSLOG"});
  rules() = json::array{json::object{{"allow", true}, {"access", "rwm"}}};
  EXPECT_EQ(run("busybox mknod /k c 1 11; true < /k && true > /k && echo both").out, "both\n");
}

TEST_F(DevicesTest, LaterRulesWin) {
  bundle_.add_capabilities({"CAP_MKNOD", "CAP_SYSLOG"});
  rules().push_back(
      json::object{{"allow", true}, {"type", "c"}, {"major", 1}, {"minor", 11}, {"access", "rw"}});
  rules().push_back(
      json::object{{"allow", false}, {"type", "c"}, {"major", 1}, {"minor", 11}, {"access", "w"}});
  EXPECT_EQ(
      run("busybox mknod /k c 1 11; true < /k && echo read; true 2>/dev/null > /k || echo no-write")
          .out,
      "read\nno-write\n");
}

// A dummy link of the host; gone with the network namespace that it moved to.
class Link {
 public:
  explicit Link(const std::string& suffix)
      : name_("dh" + std::to_string(::getpid() % 1000000) + suffix) {
    made_ = run_command({"ip", "link", "add", name_, "type", "dummy"}).code == 0;
  }
  ~Link() {
    if (on_host()) run_command({"ip", "link", "del", name_});
  }
  bool made() const { return made_; }
  bool on_host() const { return exists("/sys/class/net/" + name_); }
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  bool made_;
};

TEST_F(DevicesTest, NetworkDevicesMove) {
  DHOW_NEEDS(has_command("ip"), "ip is not installed");
  Link plain("a"), renamed("b");
  DHOW_NEEDS(plain.made() && renamed.made(), "the kernel has no dummy network devices");
  run_command({"ip", "address", "add", "10.99.7.1/24", "dev", plain.name()});
  bundle_.linux()["netDevices"] =
      json::object{{plain.name(), json::object{}}, {renamed.name(), {{"name", "eth7"}}}};
  bundle_.set_args({"/bin/testbox", "wait"});
  Container container(bundle_);
  container.start_detached();
  EXPECT_FALSE(plain.on_host());
  EXPECT_FALSE(renamed.on_host());
  std::string links = container.exec({"/bin/ls", "/sys/class/net"}).out;
  EXPECT_THAT(links, AllOf(HasSubstr(plain.name() + "\n"), HasSubstr("eth7\n")));
  EXPECT_THAT(container.exec({"/bin/cat", "/proc/net/fib_trie"}).out, HasSubstr("10.99.7.1"));
  EXPECT_THAT(container.exec({"/bin/cat", "/sys/class/net/eth7/flags"}).out,
              testing::ContainsRegex("[13579bdf]\n$"))
      << "it is up";
}

TEST_F(DevicesTest, NetworkDeviceFaults) {
  bundle_.linux()["netDevices"] = json::object{{"dhnosuch0", json::object{}}};
  Outcome outcome = run("true");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("dhnosuch0"));
  bundle_.linux()["netDevices"] = json::object{{"lo", {{"name", "a/b"}}}};
  EXPECT_THAT(run("true").err, HasSubstr("$.linux.netDevices"));
  bundle_.linux()["netDevices"] = json::object{{"dhnosuch0", json::object{}}};
  bundle_.remove_namespace("network");
  EXPECT_THAT(run("true").err, HasSubstr("$.linux.netDevices: needs a network namespace"));
}

TEST_F(DevicesTest, LoopbackOfANewNamespaceIsUp) {
  EXPECT_THAT(run("cat /sys/class/net/lo/flags").out, testing::ContainsRegex("^0x[0-9a-f]*9\n"));
}

}  // namespace
}  // namespace dhow::e2e
