// SPDX-License-Identifier: Apache-2.0
// Namespaces: new ones, those to join, mappings, clocks.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/bundle.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;

std::string link_of(const std::string& path) {
  char target[128];
  ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  return size < 0 ? "" : std::string(target, static_cast<std::size_t>(size));
}

std::string namespace_of(int pid, const std::string& file) {
  return link_of("/proc/" + std::to_string(pid) + "/ns/" + file);
}

struct Kind {
  const char* type;  // in the configuration
  const char* file;  // below /proc/PID/ns
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.type; }

class NamespaceKind : public testing::TestWithParam<Kind> {
 protected:
  NamespaceKind() : bundle_({"/bin/testbox", "wait"}) {}
  void prepare(Bundle& bundle) {
    if (std::string_view(GetParam().type) == "user") bundle.use_user_namespace(100000);
    // Without these a container may lack what its mounts need; the type's own is judged alone.
    bundle.remove_mount("/dev/mqueue");
    bundle.config().erase("hostname");
  }
  Bundle bundle_;
};

TEST_P(NamespaceKind, IsNewWhenListed) {
  prepare(bundle_);
  bundle_.add_namespace(GetParam().type);
  Container container(bundle_);
  container.start_detached();
  EXPECT_NE(namespace_of(container.pid(), GetParam().file),
            namespace_of(::getpid(), GetParam().file));
  Outcome inside =
      container.exec({"/bin/readlink", "/proc/self/ns/" + std::string(GetParam().file)});
  EXPECT_EQ(inside.out, namespace_of(container.pid(), GetParam().file) + "\n");
}

TEST_P(NamespaceKind, IsTheCallersWhenNotListed) {
  std::string_view type = GetParam().type;
  DHOW_NEEDS(type != "mount", "a container without a mount namespace has its own test");
  bundle_.remove_namespace(type);
  bundle_.remove_mount("/dev/mqueue");
  bundle_.config().erase("hostname");
  if (type == "pid") bundle_.remove_mount("/proc");
  Container container(bundle_);
  container.start_detached();
  EXPECT_EQ(namespace_of(container.pid(), GetParam().file),
            namespace_of(::getpid(), GetParam().file));
}

TEST_P(NamespaceKind, IsJoinedByPath) {
  std::string type = GetParam().type;
  DHOW_NEEDS(type != "mount", "the paths of the root would be of another tree");
  prepare(bundle_);
  bundle_.add_namespace(type);
  Container first(bundle_);
  first.start_detached();
  Bundle other({"/bin/testbox", "wait"});
  prepare(other);
  if (type == "pid") other.remove_mount("/proc");
  other.add_namespace(type, "/proc/" + std::to_string(first.pid()) + "/ns/" + GetParam().file);
  if (type == "user") {
    other.linux().erase("uidMappings");
    other.linux().erase("gidMappings");
  }
  Container second(other);
  second.start_detached();
  int pid = second.pid();
  EXPECT_EQ(namespace_of(pid, GetParam().file), namespace_of(first.pid(), GetParam().file));
  // The end of a pid namespace waits until each of its processes is reaped.
  EXPECT_EQ(second.remove().code, 0);
  ::waitpid(pid, nullptr, 0);
}

TEST_P(NamespaceKind, TwiceIsAnError) {
  prepare(bundle_);
  bundle_.add_namespace(GetParam().type);
  bundle_.linux()["namespaces"].as_array().push_back(json::object{{"type", GetParam().type}});
  Container container(bundle_);
  Outcome outcome = container.create();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("a second namespace of type " + std::string(GetParam().type)));
}

TEST_P(NamespaceKind, OfAnotherTypeIsAnError) {
  std::string wrong = std::string_view(GetParam().type) == "ipc" ? "uts" : "ipc";
  bundle_.config().erase("hostname");
  bundle_.add_namespace(GetParam().type, "/proc/" + std::to_string(::getpid()) + "/ns/" + wrong);
  Container container(bundle_);
  Outcome outcome = container.create();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("namespace"));
  EXPECT_FALSE(exists(container.state_dir()));
}

INSTANTIATE_TEST_SUITE_P(Config, NamespaceKind,
                         testing::Values(Kind{"pid", "pid"}, Kind{"network", "net"},
                                         Kind{"mount", "mnt"}, Kind{"ipc", "ipc"},
                                         Kind{"uts", "uts"}, Kind{"user", "user"},
                                         Kind{"cgroup", "cgroup"}, Kind{"time", "time"}),
                         [](const testing::TestParamInfo<Kind>& kind) {
                           return std::string(kind.param.type);
                         });

// As network plug-ins keep them: a file that a namespace is bound to.
TEST(Namespaces, PathMayBeABoundFile) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container first(bundle);
  first.start_detached();
  TempDir folder;
  std::string file = folder.path() + "/net";
  write_text(file, "");
  std::string source = "/proc/" + std::to_string(first.pid()) + "/ns/net";
  ASSERT_EQ(::mount(source.c_str(), file.c_str(), nullptr, MS_BIND, nullptr), 0);
  Bundle other({"/bin/testbox", "wait"});
  other.add_namespace("network", file);
  {
    Container second(other);
    second.start_detached();
    EXPECT_EQ(namespace_of(second.pid(), "net"), namespace_of(first.pid(), "net"));
  }
  EXPECT_EQ(::umount2(file.c_str(), MNT_DETACH), 0);
}

TEST(Namespaces, MissingPathIsNamed) {
  Bundle bundle;
  bundle.add_namespace("network", "/run/no-such-namespace");
  Container container(bundle);
  Outcome outcome = container.create();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("/run/no-such-namespace"));
}

TEST(Namespaces, UnknownTypeIsNamed) {
  Bundle bundle;
  bundle.add_namespace("space");
  Container container(bundle);
  EXPECT_THAT(container.create().err, HasSubstr("$.linux.namespaces"));
}

TEST(Namespaces, ClocksHaveTheirOffsets) {
  DHOW_NEEDS(exists("/proc/self/timens_offsets"), "the kernel has no time namespaces");
  Bundle bundle({"/bin/testbox", "wait"});
  bundle.add_namespace("time");
  bundle.linux()["timeOffsets"] = json::object{{"monotonic", {{"secs", 7200}, {"nanosecs", 5}}},
                                               {"boottime", {{"secs", 3000000}}}};
  Container container(bundle);
  container.start_detached();
  std::string uptime = container.exec({"/bin/cat", "/proc/uptime"}).out;
  EXPECT_GT(std::stod(uptime), 3000000);
  std::string offsets = read_text("/proc/" + std::to_string(container.pid()) + "/timens_offsets");
  EXPECT_THAT(offsets, testing::ContainsRegex("monotonic +7200 +5"));
  EXPECT_THAT(offsets, testing::ContainsRegex("boottime +3000000 +0"));

  bundle.remove_namespace("time");
  Container without(bundle);
  EXPECT_THAT(without.create().err, HasSubstr("$.linux.timeOffsets"));
}

TEST(Namespaces, UserMappings) {
  DHOW_NEEDS(is_root(), "maps a range of ids, which needs root");
  Bundle bundle({"/bin/testbox", "wait"});
  bundle.use_user_namespace(200000, 1000);
  bundle.linux()["gidMappings"] =
      json::array{json::object{{"containerID", 0}, {"hostID", 200000}, {"size", 500}},
                  json::object{{"containerID", 500}, {"hostID", 300000}, {"size", 500}}};
  Container container(bundle);
  container.start_detached();
  std::string base = "/proc/" + std::to_string(container.pid());
  EXPECT_THAT(read_text(base + "/uid_map"), testing::ContainsRegex(" 0 +200000 +1000\n"));
  EXPECT_THAT(read_text(base + "/gid_map"), testing::ContainsRegex(" 500 +300000 +500\n"));
  struct stat info{};
  ASSERT_EQ(::stat(base.c_str(), &info), 0);
  Outcome made =
      container.exec({"/bin/sh", "-c", "id -u; touch /tmp/file && stat -c %u:%g /tmp/file"},
                     {"--user", "5:600", "-g", "600"});
  EXPECT_EQ(made.out, "5\n5:600\n") << made.err;
  ASSERT_EQ(::stat((bundle.rootfs() + "/tmp/file").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 200005U);
  EXPECT_EQ(info.st_gid, 300100U);
  EXPECT_NE(container.exec({"/bin/true"}, {"--user", "5000"}).code, 0) << "an id without a mapping";
}

// A source of a bind mount that root of the container may not reach.
TEST(Namespaces, UserNamespaceGetsBindsFromPrivateFolders) {
  DHOW_NEEDS(is_root(), "maps a range of ids, which needs root");
  TempDir folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0700), 0);
  ASSERT_EQ(::mkdir((folder.path() + "/inner").c_str(), 0755), 0);
  write_text(folder.path() + "/inner/file", "reached\n");
  Bundle bundle({"/bin/cat", "/mnt/file"});
  bundle.use_user_namespace(100000);
  bundle.add_mount("/mnt", "bind", folder.path() + "/inner", "rbind,ro");
  Container container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.out, "reached\n") << outcome.err;
}

TEST(Namespaces, WithoutAMountNamespaceTheRootIsChanged) {
  Bundle bundle;
  bundle.remove_namespace("mount");
  bundle.config()["mounts"] = json::array{};
  bundle.linux().erase("maskedPaths");
  bundle.linux().erase("readonlyPaths");
  bundle.set_args({"/bin/ls", "/"});
  Container container(bundle);
  Outcome outcome = container.run();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("bin\n"));
  EXPECT_THAT(outcome.out, testing::Not(HasSubstr("boot")));
}

TEST(Namespaces, NoPivotMovesTheRoot) {
  Bundle bundle;
  bundle.set_script("ls / | grep -c boot; echo runs");
  Container container(bundle);
  Outcome outcome = container.run({"--no-pivot"});
  EXPECT_EQ(outcome.out, "0\nruns\n") << outcome.err;
}

// The session keyring, which programs of several containers must not share.
TEST(Namespaces, KeyringIsItsOwnUnlessToldNotTo) {
  DHOW_NEEDS(exists("/proc/keys"), "the kernel has no /proc/keys");
  Bundle bundle;
  bundle.linux()["maskedPaths"] = json::array{};
  Container with(bundle), without(bundle);
  bundle.set_script("grep -c _ses." + with.id() + ": /proc/keys");
  EXPECT_EQ(with.run().out, "1\n");
  bundle.set_script("grep -c _ses." + without.id() + ": /proc/keys");
  EXPECT_EQ(without.run({"--no-new-keyring"}).out, "0\n");
}

}  // namespace
}  // namespace dhow::e2e
