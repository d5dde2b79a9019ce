// SPDX-License-Identifier: Apache-2.0
#include "runtime/landlock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/testing/deny_syscall.h"
#include "sys/testing/forked.h"

namespace dhow::runtime {
namespace {

using dhow::testing::deny_syscall;
using dhow::testing::in_child;
using dhow::testing::message_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string fault(std::string_view json) { return message_of(parse_landlock(json)); }

TEST(LandlockParseTest, ReadsEveryMember) {
  auto policy = parse_landlock(R"({
    "handledFs": ["execute", "read_file"],
    "handledNet": ["bind", "connect"],
    "scoped": ["signal", "abstract_unix_socket"],
    "paths": [{"paths": ["/usr", "/lib"], "access": ["ro", "execute"], "optional": true}],
    "ports": [{"ports": [0, 65535], "access": ["bind"]}],
    "bestEffort": true})");
  ASSERT_TRUE(policy) << policy.error().message();
  EXPECT_THAT(*policy->handled_fs, ElementsAre("execute", "read_file"));
  EXPECT_THAT(*policy->handled_net, ElementsAre("bind", "connect"));
  EXPECT_THAT(policy->scoped, ElementsAre("signal", "abstract_unix_socket"));
  ASSERT_EQ(policy->path_rules.size(), 1U);
  EXPECT_THAT(policy->path_rules[0].paths, ElementsAre("/usr", "/lib"));
  EXPECT_THAT(policy->path_rules[0].access, ElementsAre("ro", "execute"));
  EXPECT_TRUE(policy->path_rules[0].optional);
  ASSERT_EQ(policy->port_rules.size(), 1U);
  EXPECT_THAT(policy->port_rules[0].ports, ElementsAre(0, 65535));
  EXPECT_TRUE(policy->best_effort);
}

TEST(LandlockParseTest, FaultsNameTheirPlace) {
  EXPECT_EQ(fault(R"({"paths": [{"paths": ["/"], "access": ["ro", "fly"]}]})"),
            "landlock policy: $.paths[0].access[1]: unknown right \"fly\"");
  EXPECT_EQ(fault(R"({"paths": [{"paths": ["usr"], "access": ["ro"]}]})"),
            "landlock policy: $.paths[0].paths[0]: is not an absolute path");
  EXPECT_EQ(fault(R"({"paths": [{"paths": ["/"]}]})"),
            "landlock policy: $.paths[0].access: required");
  EXPECT_EQ(fault(R"({"paths": [{"access": ["ro"]}]})"),
            "landlock policy: $.paths[0].paths: required");
  EXPECT_EQ(fault(R"({"paths": [{"paths": [], "access": ["ro"]}]})"),
            "landlock policy: $.paths[0].paths: is empty");
  EXPECT_EQ(fault(R"({"paths": [{"paths": ["/"], "access": []}]})"),
            "landlock policy: $.paths[0].access: is empty");
  EXPECT_EQ(fault(R"({"paths": [{"paths": ["/"], "access": ["ro"], "maybe": 1}]})"),
            "landlock policy: $.paths[0].maybe: unknown member");
  EXPECT_EQ(fault(R"({"ports": [{"ports": [1], "access": ["ro"]}]})"),
            "landlock policy: $.ports[0].access[0]: unknown right \"ro\"");
  EXPECT_THAT(fault(R"({"ports": [{"ports": [65536], "access": ["bind"]}]})"),
              HasSubstr("$.ports[0].ports[0]: expected an unsigned 16-bit integer"));
  EXPECT_EQ(fault(R"({"scoped": ["pid"]})"), "landlock policy: $.scoped[0]: unknown scope \"pid\"");
  EXPECT_EQ(fault(R"({"handledFs": ["ro"]})"),
            "landlock policy: $.handledFs[0]: unknown right \"ro\"");
  EXPECT_EQ(
      fault(R"({"handledFs": ["execute"], "paths": [{"paths": ["/"], "access": ["read_dir"]}]})"),
      "landlock policy: $.paths[0].access[0]: right \"read_dir\" is not among the handled ones");
  EXPECT_EQ(fault(R"({"handledFs": [], "paths": [{"paths": ["/"], "access": ["ro"]}]})"),
            "landlock policy: $.handledFs: is empty, but there are path rules");
  EXPECT_EQ(fault("{}"), "landlock policy: $: restricts nothing");
  EXPECT_EQ(fault(R"({"bestEffort": true, "handledNet": []})"),
            "landlock policy: $: restricts nothing");
  EXPECT_THAT(fault("[]"), HasSubstr("landlock policy: $: expected"));
  EXPECT_THAT(fault("{"), HasSubstr("invalid JSON"));
}

// A folder that plays the root file system: data/file, bin/true and the folders open and shut.
class LandlockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (landlock_abi() == 0) GTEST_SKIP() << "the kernel has no Landlock, or it is turned off";
    char name[] = "/tmp/dhow-landlock-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    path_ = name;
    for (const char* folder : {"/open", "/shut"}) {
      ASSERT_TRUE(make_dirs(cat(path_, folder), 0755));
      ASSERT_TRUE(write_file(cat(folder, "/file")));
    }
  }
  void TearDown() override {
    if (path_.empty()) return;
    EXPECT_TRUE(remove_tree(*open_at(kCwd, "/tmp", O_PATH), std::string_view(path_).substr(5)));
  }

  bool write_file(const std::string& name, std::string_view content = "content") {
    auto made = open_at(kCwd, cat(path_, name), O_WRONLY | O_CREAT, 0755);
    return made && write_all(*made, content);
  }

  // Applies the policy in a child, then lets it act.
  std::string restricted(std::string_view json, const std::function<std::string()>& body) {
    return in_child([&]() -> std::string {
      auto policy = parse_landlock(json);
      if (!policy) return policy.error().message();
      if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "no_new_privs failed";
      auto status = apply_landlock(*policy, *DirFd::open(path_));
      return status ? body() : status.error().message();
    });
  }

  // "" or the errno of opening a file of the tree.
  std::string opened(std::string_view name, int flags) {
    auto file = open_at(kCwd, cat(path_, name), flags, 0644);
    return file ? "ok" : strerrorname_np(file.error().sys_errno());
  }

  std::string path_;
};

TEST_F(LandlockTest, AllowsOnlyWhatTheRulesSay) {
  EXPECT_EQ(restricted(R"({"paths": [{"paths": ["/open"], "access": ["ro"]}]})",
                       [this] {
                         return cat(opened("/open/file", O_RDONLY), " ",
                                    opened("/open/file", O_WRONLY), " ",
                                    opened("/open", O_RDONLY | O_DIRECTORY), " ",
                                    opened("/open/new", O_WRONLY | O_CREAT), " ",
                                    opened("/shut/file", O_RDONLY), " ",
                                    opened("/shut", O_RDONLY | O_DIRECTORY));
                       }),
            "ok EACCES ok EACCES EACCES EACCES");
}

TEST_F(LandlockTest, ReadWriteMakesAndRemoves) {
  EXPECT_EQ(restricted(R"({"paths": [{"paths": ["/open"], "access": ["rw"]}]})",
                       [this]() -> std::string {
                         std::string text = cat(opened("/open/new", O_WRONLY | O_CREAT), " ",
                                                opened("/shut/new", O_WRONLY | O_CREAT));
                         int made = mkdir(cat(path_, "/open/dir").c_str(), 0755);
                         int moved = rename(cat(path_, "/open/new").c_str(),
                                            cat(path_, "/open/dir/new").c_str());
                         int away = rename(cat(path_, "/open/file").c_str(),
                                           cat(path_, "/shut/away").c_str());
                         int removed = unlink(cat(path_, "/shut/file").c_str());
                         return cat(text, " ", made, moved, away, removed);
                       }),
            landlock_abi() >= 2 ? "ok EACCES 00-1-1" : "ok EACCES 0-1-1-1");
}

TEST_F(LandlockTest, ExecIsARightOfItsOwn) {
  // Scripts of an interpreter that isn't there: the right is looked at before that is noticed.
  ASSERT_TRUE(write_file("/open/program", "#!/no/such/interpreter\n"));
  ASSERT_TRUE(write_file("/shut/program", "#!/no/such/interpreter\n"));
  auto run = [this](const char* name) -> std::string {
    std::string path = cat(path_, name);
    char* arguments[] = {path.data(), nullptr};
    execv(path.c_str(), arguments);
    return strerrorname_np(errno);
  };
  constexpr const char* kPolicy =
      R"({"handledFs": ["execute"], "paths": [{"paths": ["/open"], "access": ["exec"]}]})";
  EXPECT_EQ(restricted(kPolicy, [&] { return run("/open/program"); }), "ENOENT");
  EXPECT_EQ(restricted(kPolicy, [&] { return run("/shut/program"); }), "EACCES");
  // Only execution is handled, so everything else stays as it was.
  EXPECT_EQ(restricted(kPolicy, [&] { return opened("/shut/file", O_RDWR); }), "ok");
}

TEST_F(LandlockTest, HandledWithoutRulesDeniesEverything) {
  EXPECT_EQ(restricted(R"({"handledFs": ["read_file"]})",
                       [this] {
                         return cat(opened("/open/file", O_RDONLY), " ",
                                    opened("/open/file", O_WRONLY));
                       }),
            "EACCES ok");
}

TEST_F(LandlockTest, PathsStayInsideTheRoot) {
  // A link to the host's root, as an image may have it, leads to the container's root.
  ASSERT_EQ(symlink("/shut", cat(path_, "/link").c_str()), 0);
  EXPECT_EQ(restricted(R"({"paths": [{"paths": ["/link", "/../../open"], "access": ["ro"]}]})",
                       [this] {
                         return cat(opened("/open/file", O_RDONLY), " ",
                                    opened("/shut/file", O_RDONLY));
                       }),
            "ok ok");
}

TEST_F(LandlockTest, MissingPathsAreErrorsUnlessOptional) {
  auto done = [] { return std::string("applied"); };
  EXPECT_EQ(restricted(R"({"paths": [{"paths": ["/nope"], "access": ["ro"]}]})", done),
            "landlock: allow access to \"/nope\": open \"/nope\": no such file or directory");
  EXPECT_EQ(
      restricted(R"({"paths": [{"paths": ["/nope"], "access": ["ro"], "optional": true}]})", done),
      "applied");
}

TEST_F(LandlockTest, FileRulesTakeGroupsButNoFolderRights) {
  EXPECT_EQ(restricted(R"({"paths": [{"paths": ["/open/file"], "access": ["rw"]}]})",
                       [this] {
                         return cat(opened("/open/file", O_RDWR | O_TRUNC), " ",
                                    opened("/shut/file", O_RDONLY));
                       }),
            "ok EACCES");
  EXPECT_EQ(restricted(R"({"paths": [{"paths": ["/open/file"], "access": ["make_dir"]}]})",
                       [] { return std::string("applied"); }),
            "landlock: allow access to \"/open/file\": a right of the rule is for folders: not a "
            "directory");
}

TEST_F(LandlockTest, NeedsNoNewPrivilegesOrTheCapability) {
  EXPECT_EQ(in_child([this]() -> std::string {
              auto policy = parse_landlock(R"({"handledFs": ["execute"]})");
              DirFd root = *DirFd::open(path_);
              if (geteuid() == 0 && setresuid(4321, 4321, 4321) != 0) return "setresuid failed";
              return message_of(apply_landlock(*policy, root));
            }),
            "landlock: restrict process: needs noNewPrivileges or CAP_SYS_ADMIN: operation not "
            "permitted");
}

// "" or the errno of binding or connecting to a port of the loopback address.
std::string use_port(std::uint16_t port, bool connects) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  struct sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<const sockaddr*>(&address);
  int result = connects ? ::connect(socket.get(), generic, sizeof address)
                        : ::bind(socket.get(), generic, sizeof address);
  return result == 0 ? "ok" : strerrorname_np(errno);
}

TEST_F(LandlockTest, PortsAreBoundAndConnectedByRule) {
  if (landlock_abi() < 4) GTEST_SKIP() << "Landlock of this kernel has no network rights";
  // Port 0 lets the kernel choose, so no port has to be free. Port 1 has no server: a connection
  // that is allowed is refused by nobody being there.
  EXPECT_EQ(restricted(R"({"ports": [{"ports": [0], "access": ["bind"]},
                                     {"ports": [1], "access": ["connect"]}]})",
                       [] {
                         return cat(use_port(0, false), " ", use_port(1, false), " ",
                                    use_port(2, true), " ",
                                    use_port(1, true) == "EACCES" ? "denied" : "allowed");
                       }),
            "ok EACCES EACCES allowed");
  // Only what the rules name is handled.
  EXPECT_NE(restricted(R"({"ports": [{"ports": [0], "access": ["bind"]}]})",
                       [] { return use_port(2, true); }),
            "EACCES");
}

TEST_F(LandlockTest, ScopesSignalsAndAbstractSockets) {
  if (landlock_abi() < 6) GTEST_SKIP() << "Landlock of this kernel has no scopes";
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  struct sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // The kernel chooses a free abstract name.
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(sa_family_t)), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  socklen_t size = sizeof address;
  ASSERT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  auto act = [&] {
    Fd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int connected = connect(client.get(), reinterpret_cast<sockaddr*>(&address), size);
    std::string text = connected == 0 ? "ok" : strerrorname_np(errno);
    int sent = kill(getppid(), 0);
    return cat(text, " ", sent == 0 ? "ok" : strerrorname_np(errno));
  };
  EXPECT_EQ(restricted(R"({"scoped": ["signal"]})", act), "ok EPERM");
  EXPECT_EQ(restricted(R"({"scoped": ["abstract_unix_socket"]})", act), "EPERM ok");
  EXPECT_EQ(restricted(R"({"scoped": ["signal", "abstract_unix_socket"]})", act), "EPERM EPERM");
}

TEST_F(LandlockTest, WhatTheKernelLacksIsAnErrorOrLeftOut) {
  auto apply_without = [this](std::string_view json) {
    return in_child([&]() -> std::string {
      if (!deny_syscall(SYS_landlock_create_ruleset, ENOSYS)) return "seccomp failed";
      return message_of(apply_landlock(*parse_landlock(json), *DirFd::open(path_)));
    });
  };
  EXPECT_EQ(apply_without(R"({"handledFs": ["execute"]})"),
            "landlock: not in this kernel, or turned off");
  EXPECT_EQ(apply_without(R"({"handledFs": ["execute"], "bestEffort": true})"), "");
}

TEST_F(LandlockTest, RightsOfNewerKernelsAreErrorsOrLeftOut) {
  int abi = landlock_abi();
  if (abi >= 6) GTEST_SKIP() << "this kernel has all rights";
  EXPECT_EQ(restricted(R"({"scoped": ["signal"]})", [] { return std::string("applied"); }),
            cat("landlock: right \"signal\" needs version 6 of the interface, this kernel has "
                "version ",
                abi));
  EXPECT_EQ(restricted(R"({"scoped": ["signal"], "handledFs": ["read_file"], "bestEffort": true})",
                       [this] { return opened("/open/file", O_RDONLY); }),
            "EACCES");
}

TEST_F(LandlockTest, OpenDescriptorsKeepWorking) {
  Fd file = *open_at(kCwd, cat(path_, "/shut/file"), O_RDWR);
  EXPECT_EQ(restricted(R"({"paths": [{"paths": ["/open"], "access": ["ro"]}]})",
                       [&] { return *read_all(file); }),
            "content");
}

}  // namespace
}  // namespace dhow::runtime
