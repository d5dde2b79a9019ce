// SPDX-License-Identifier: Apache-2.0
#include "runtime/checkpoint_plan.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/config_codec.h"
#include "runtime/descriptors.h"
#include "sys/testing/temp_dir.h"

namespace dhow::runtime {
namespace {

using criu::ExternalMount;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(CriuOptions, Defaults) {
  auto options = criu_options({});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->cgroup_mode, criu::CgroupMode::kSoft);
  EXPECT_EQ(options->network_lock, std::nullopt);
  EXPECT_EQ(options->status_fd, std::nullopt);
  EXPECT_EQ(options->empty_namespaces, 0U);
  EXPECT_TRUE(options->notify);
  EXPECT_TRUE(options->orphan_pts_master);
  EXPECT_FALSE(options->track_memory);
  EXPECT_FALSE(options->leave_running || options->tcp_established || options->tcp_close ||
               options->shell_job || options->file_locks || options->external_unix_sockets);
}

TEST(CriuOptions, EachFlagHasItsOption) {
  const std::pair<bool CheckpointOptions::*, bool criu::Options::*> flags[] = {
      {&CheckpointOptions::leave_running, &criu::Options::leave_running},
      {&CheckpointOptions::tcp_established, &criu::Options::tcp_established},
      {&CheckpointOptions::tcp_skip_in_flight, &criu::Options::tcp_skip_in_flight},
      {&CheckpointOptions::tcp_close, &criu::Options::tcp_close},
      {&CheckpointOptions::link_remap, &criu::Options::link_remap},
      {&CheckpointOptions::ext_unix_sk, &criu::Options::external_unix_sockets},
      {&CheckpointOptions::shell_job, &criu::Options::shell_job},
      {&CheckpointOptions::lazy_pages, &criu::Options::lazy_pages},
      {&CheckpointOptions::file_locks, &criu::Options::file_locks},
      {&CheckpointOptions::auto_dedup, &criu::Options::auto_dedup},
      {&CheckpointOptions::pre_dump, &criu::Options::track_memory},
  };
  for (std::size_t i = 0; i < std::size(flags); ++i) {
    CheckpointOptions given;
    given.*flags[i].first = true;
    auto options = criu_options(given);
    ASSERT_TRUE(options);
    for (std::size_t k = 0; k < std::size(flags); ++k) {
      EXPECT_EQ((*options).*flags[k].second, i == k) << i << " " << k;
    }
  }
}

TEST(CriuOptions, Values) {
  CheckpointOptions given;
  given.parent_path = "../one";
  given.page_server = "[::1]:27";
  given.status_fd_number = "5";
  given.cgroups_mode = "ignore";
  given.network_lock = "skip";
  given.empty_ns = {"network"};
  given.lsm_profile = "apparmor:x";
  given.lsm_mount_context = "y";
  auto options = criu_options(given);
  ASSERT_TRUE(options) << options.error().message();
  EXPECT_EQ(options->parent_image, "../one");
  EXPECT_TRUE(options->track_memory);
  ASSERT_TRUE(options->page_server);
  EXPECT_EQ(options->page_server->address, "[::1]");
  EXPECT_EQ(options->page_server->port, 27);
  EXPECT_EQ(options->status_fd, 5);
  EXPECT_EQ(options->cgroup_mode, criu::CgroupMode::kIgnore);
  EXPECT_EQ(options->network_lock, criu::NetworkLock::kSkip);
  EXPECT_EQ(options->empty_namespaces, static_cast<std::uint32_t>(CLONE_NEWNET));
  EXPECT_EQ(options->lsm_profile, "apparmor:x");
  EXPECT_EQ(options->lsm_mount_context, "y");
  for (const char* mode : {"full", "strict", "soft"}) {
    given.cgroups_mode = mode;
    EXPECT_TRUE(criu_options(given)) << mode;
  }
}

TEST(CriuOptions, RefusesWhatIsNone) {
  auto refusal = [](auto member, auto value) {
    CheckpointOptions given;
    given.*member = value;
    auto options = criu_options(given);
    return options ? std::string() : options.error().message();
  };
  EXPECT_THAT(refusal(&CheckpointOptions::cgroups_mode, "x"), HasSubstr("manage-cgroups-mode"));
  EXPECT_THAT(refusal(&CheckpointOptions::network_lock, "x"), HasSubstr("network-lock"));
  EXPECT_THAT(refusal(&CheckpointOptions::status_fd_number, "-1"), HasSubstr("status-fd"));
  EXPECT_THAT(refusal(&CheckpointOptions::page_server, "here"), HasSubstr("ADDRESS:PORT"));
  EXPECT_THAT(refusal(&CheckpointOptions::empty_ns, std::vector<std::string>{"pid"}),
              HasSubstr("namespace \"pid\" is not supported"));
}

TEST(CriuVersion, IsEnoughOrSaysForWhat) {
  oci::Config config;
  EXPECT_TRUE(check_criu_version({}, config, 30000));
  EXPECT_EQ(check_criu_version({}, config, 21201).error().message(),
            "checkpoint and restore needs criu 3.0, this is criu 2.12.1");
  CheckpointOptions given;
  given.network_lock = "skip";
  EXPECT_TRUE(check_criu_version(given, config, 31800));
  EXPECT_EQ(check_criu_version(given, config, 31701).error().message(),
            "--network-lock skip needs criu 3.18, this is criu 3.17.1");
  given = {};
  given.lsm_mount_context = "x";
  EXPECT_THAT(check_criu_version(given, config, 31500).error().message(),
              HasSubstr("--lsm-mount-context needs criu 3.16"));
  config.linux.namespaces.push_back({oci::NamespaceType::kPid, "/proc/1/ns/pid"});
  EXPECT_THAT(check_criu_version({}, config, 31400).error().message(), HasSubstr("pid namespace"));
}

class CheckpointPlan : public dhow::testing::TempDirTest {
 protected:
  DirFd root() const { return *DirFd::open(path_); }
  oci::Config config(std::string_view json) const { return *oci::parse_config(json); }
};

TEST_F(CheckpointPlan, ConfigFilesByName) {
  oci::StringMap none;
  EXPECT_EQ(criu_config_file(none, "crun", path_), "");
  put("runc.conf", "");
  EXPECT_EQ(criu_config_file(none, "crun", path_), at("runc.conf"));
  put("crun.conf", "");
  EXPECT_EQ(criu_config_file(none, "crun", path_), at("crun.conf"));
  EXPECT_EQ(criu_config_file(none, "runc", path_), at("runc.conf"));
  EXPECT_EQ(criu_config_file({{"org.criu.config", "/my/file"}}, "crun", path_), "/my/file");
  EXPECT_EQ(criu_config_file({{"org.criu.config", ""}}, "crun", path_), "");
}

constexpr std::string_view kMounts = R"({"ociVersion":"1.0.0","root":{"path":"rootfs"},"mounts":[
  {"destination":"/proc","type":"proc","source":"proc"},
  {"destination":"/dev","type":"tmpfs","source":"tmpfs"},
  {"destination":"/link/data","type":"bind","source":"/srv/data","options":["rbind","ro"]},
  {"destination":"/etc/hosts","type":"bind","source":"hosts","options":["bind"]}],
  "linux":{"namespaces":[{"type":"mount"},{"type":"cgroup"}],
  "maskedPaths":["/proc/kcore","/proc/acpi"]}})";

rootfs::MountInfo mount(std::string point, std::string type, std::string top = "/") {
  rootfs::MountInfo info;
  info.mount_point = std::move(point);
  info.type = std::move(type);
  info.root = std::move(top);
  return info;
}

TEST_F(CheckpointPlan, LeavesOutWhatIsOfTheHost) {
  ASSERT_EQ(::symlink("real", at("link").c_str()), 0);
  ASSERT_TRUE(root().make_dirs_in_root("/real/data", 0755));
  std::vector<rootfs::MountInfo> mounts{
      mount("/", "ext4"),
      mount("/proc", "proc"),
      mount("/proc/sys", "proc", "/sys"),
      mount("/proc/kcore", "devtmpfs", "/null"),
      mount("/proc/acpi", "tmpfs"),
      mount("/dev", "tmpfs"),
      mount("/dev/pts", "devpts"),
      mount("/dev/zero", "devtmpfs", "/zero"),
      mount("/dev/console", "devpts", "/0"),
      mount("/real/data", "ext4", "/srv/data"),
      mount("/real/data/deep", "xfs"),
      mount("/etc/hosts", "ext4", "/bundle/hosts"),
      mount("/sys/fs/cgroup", "cgroup2", "/"),
  };
  auto left = mounts_to_leave_out(config(kMounts), "/bundle", mounts, root());
  ASSERT_TRUE(left) << left.error().message();
  EXPECT_THAT(*left, ElementsAre(ExternalMount{"/proc/kcore", "/dev/null"},
                                 ExternalMount{"/dev/zero", "/dev/zero"},
                                 ExternalMount{"/real/data", "/real/data"},
                                 ExternalMount{"/real/data/deep", "/real/data/deep"},
                                 ExternalMount{"/etc/hosts", "/etc/hosts"}));
}

TEST_F(CheckpointPlan, RefusesIdMappedMounts) {
  auto left = mounts_to_leave_out(
      config(R"({"ociVersion":"1.0.0","mounts":[{"destination":"/d","type":"bind","source":"/s",
        "options":["bind","idmap"],"uidMappings":[{"containerID":0,"hostID":1,"size":1}],
        "gidMappings":[{"containerID":0,"hostID":1,"size":1}]}],
        "linux":{"namespaces":[{"type":"mount"}]}})"),
      "/bundle", {}, root());
  ASSERT_FALSE(left);
  EXPECT_THAT(left.error().message(), HasSubstr("mount on \"/d\": criu can't restore id-mapped"));
}

TEST_F(CheckpointPlan, BringsThemFromTheHost) {
  ASSERT_EQ(::symlink("real", at("link").c_str()), 0);
  ASSERT_TRUE(root().make_dirs_in_root("/real/data", 0755));
  HostView host;
  auto brought = mounts_to_bring(config(kMounts), "/bundle", host, root());
  ASSERT_TRUE(brought) << brought.error().message();
  EXPECT_THAT(*brought, Contains(ExternalMount{"/real/data", "/srv/data"}));
  EXPECT_THAT(*brought, Contains(ExternalMount{"/link/data", "/srv/data"}));
  EXPECT_THAT(*brought, Contains(ExternalMount{"/etc/hosts", "/bundle/hosts"}));
  EXPECT_THAT(*brought, Contains(ExternalMount{"/dev/null", "/dev/null"}));
  EXPECT_THAT(*brought, Contains(ExternalMount{"/proc/kcore", "/dev/null"}));
}

TEST_F(CheckpointPlan, BringsSubmountsOfRecursiveBinds) {
  ASSERT_TRUE(root().make_dirs_in_root("/source/deep", 0755));
  oci::Config recursive = config(kMounts);
  recursive.mounts[2].source = at("source");
  recursive.mounts[2].destination = "/data";
  HostView host;
  host.mounts = {mount(at("source"), "ext4"), mount(at("source/deep"), "xfs"),
                 mount(at("sourcerer"), "xfs")};
  auto brought = mounts_to_bring(recursive, "/bundle", host, root());
  ASSERT_TRUE(brought) << brought.error().message();
  EXPECT_THAT(*brought, Contains(ExternalMount{"/data", at("source")}));
  EXPECT_THAT(*brought, Contains(ExternalMount{"/data/deep", at("source/deep")}));
  for (const ExternalMount& each : *brought) EXPECT_THAT(each.value, Not(HasSubstr("sourcerer")));
}

TEST_F(CheckpointPlan, BringsFoldersOfCgroupHierarchies) {
  oci::Config shared = config(R"({"ociVersion":"1.0.0","mounts":[
    {"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup"}],
    "linux":{"namespaces":[{"type":"mount"}]}})");
  HostView host;
  host.cgroup_text = "3:cpu,cpuacct:/a\n2:name=systemd:/b\n0::/c\n";
  host.cgroup_paths = {{"cpu", "/host/cpu"}, {"name=systemd", "/host/systemd"}, {"", "/host/v2"}};
  auto brought = mounts_to_bring(shared, "/bundle", host, root());
  ASSERT_TRUE(brought) << brought.error().message();
  EXPECT_THAT(*brought, Contains(ExternalMount{"/sys/fs/cgroup/cpu,cpuacct", "/host/cpu"}));
  EXPECT_THAT(*brought, Contains(ExternalMount{"/sys/fs/cgroup/systemd", "/host/systemd"}));
  EXPECT_THAT(*brought, Contains(ExternalMount{"/sys/fs/cgroup/unified", "/host/v2"}));
}

TEST_F(CheckpointPlan, MakesMountPoints) {
  put("hosts", "");
  make_mount_points(config(kMounts), path_, root());
  struct stat info{};
  ASSERT_EQ(::stat(at("proc").c_str(), &info), 0);
  EXPECT_TRUE(S_ISDIR(info.st_mode));
  ASSERT_EQ(::stat(at("etc/hosts").c_str(), &info), 0);
  EXPECT_TRUE(S_ISREG(info.st_mode));
}

TEST_F(CheckpointPlan, StreamsByName) {
  Fd folder = *open_at(kCwd, path_, O_RDONLY | O_DIRECTORY);
  EXPECT_TRUE(load_streams(folder)->empty());
  std::vector<std::string> names{"/dev/null", "pipe:[12]", "file[1f:2a]"};
  ASSERT_TRUE(save_streams(folder, names));
  EXPECT_EQ(*load_streams(folder), names);
  EXPECT_FALSE(is_outside_stream(names[0]));
  EXPECT_TRUE(is_outside_stream(names[1]));
  EXPECT_FALSE(is_outside_file(names[1]));
  EXPECT_TRUE(is_outside_stream(names[2]) && is_outside_file(names[2]));
  put("descriptors.json", "[1]");
  EXPECT_EQ(load_streams(folder).error().code(), Code::kDataLoss);
  put("descriptors.json", "{}");
  EXPECT_EQ(load_streams(folder).error().code(), Code::kDataLoss);
}

TEST_F(CheckpointPlan, NamesStreamsOfAProcess) {
  auto names = name_standard_streams(::getpid(), {});
  ASSERT_TRUE(names) << names.error().message();
  ASSERT_EQ(names->size(), 3U);
  for (const std::string& name : *names) {
    EXPECT_TRUE(name.empty() || is_outside_stream(name) || name.starts_with("socket:") ||
                name.starts_with("/dev/pts/"))
        << name;
  }
}

}  // namespace
}  // namespace dhow::runtime
