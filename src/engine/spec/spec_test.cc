// SPDX-License-Identifier: Apache-2.0
#include "engine/spec/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/container_config_json.h"
#include "engine/names.h"
#include "engine/spec/capabilities.h"
#include "engine/spec/resources.h"
#include "engine/spec/security.h"
#include "oci/config_codec.h"
#include "oci/json_reader.h"
#include "oci/validate.h"
#include "runtime/seccomp/seccomp.h"

namespace dhow::engine {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class SpecTest : public ::testing::Test {
 protected:
  // The configuration for a create request; its fault, when there is one, is the test's.
  oci::Config spec(std::string_view request) {
    auto made = make(request);
    EXPECT_TRUE(made.has_value()) << made.error().message();
    return made ? *made : oci::Config();
  }
  Result<oci::Config> make(std::string_view request) {
    ContainerRecord record;
    record.id = std::string(64, 'a');
    record.facts.path = "sh";
    TRY_ASSIGN(record.config, parse_create_config(request));
    warnings_.clear();
    TRY(check_config(record.config, options_, warnings_));
    record.config.config.hostname = "host";
    TRY_ASSIGN(ContainerUser user, resolve_user(record.config.config.user, kPasswd, kGroup,
                                                record.config.host.group_add));
    TRY_ASSIGN(std::vector<WantedMount> mounts, wanted_mounts(record.config));
    std::vector<VolumeSource> volumes;
    for (const WantedMount& mount : mounts) {
      volumes.push_back(mount.type == "volume" ? volume_ : VolumeSource());
    }
    SpecInput input{.container = record,
                    .engine = options_,
                    .seccomp = seccomp_,
                    .user = user,
                    .folder = "/folder",
                    .mounts = mounts,
                    .volumes = volumes,
                    .joined = {},
                    .shm = {},
                    .init = {},
                    .link_variables = {},
                    .takes_ready_filter = takes_ready_filter_};
    return make_spec(input);
  }
  static const oci::Mount* mount(const oci::Config& config, std::string_view destination) {
    for (const oci::Mount& mount : config.mounts) {
      if (mount.destination == destination) return &mount;
    }
    return nullptr;
  }

  static constexpr std::string_view kPasswd =
      "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n";
  static constexpr std::string_view kGroup = "root:x:0:\nwheel:x:10:root,bob\naudio:x:29:\n";
  EngineOptions options_;
  SeccompFilters seccomp_{default_seccomp_profile()};
  bool takes_ready_filter_ = false;
  std::vector<std::string> warnings_;
  VolumeSource volume_{.type = "", .path = "/volumes/x", .options = {}};
};

TEST_F(SpecTest, IsAConfigurationThatRuntimesTake) {
  oci::Config config = spec("{}");
  auto valid = oci::validate(config);
  EXPECT_TRUE(valid.has_value()) << valid.error().message();
  auto again = oci::parse_config(oci::config_json(config));
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_EQ(oci::config_json(*again), oci::config_json(config));
}

TEST_F(SpecTest, GivesTheFourteenCapabilities) {
  oci::Config config = spec("{}");
  EXPECT_THAT(config.process->capabilities->bounding, SizeIs(14));
  EXPECT_THAT(config.process->capabilities->effective, SizeIs(14));
  EXPECT_THAT(config.process->capabilities->inheritable, IsEmpty());
  EXPECT_THAT(spec(R"({"User": "bob"})").process->capabilities->effective, IsEmpty());
  EXPECT_THAT(spec(R"({"HostConfig": {"CapDrop": ["ALL"], "CapAdd": ["net_admin"]}})")
                  .process->capabilities->bounding,
              ElementsAre("CAP_NET_ADMIN"));
  EXPECT_EQ(spec(R"({"HostConfig": {"Privileged": true}})").process->capabilities->bounding,
            all_capabilities());
  auto unknown = make(R"({"HostConfig": {"CapAdd": ["fly"]}})");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().message(), "invalid CapAdd: unknown capability: \"CAP_FLY\"");
}

TEST_F(SpecTest, HidesWhatDockerHides) {
  oci::Config config = spec("{}");
  EXPECT_THAT(config.linux.masked_paths, Contains("/proc/kcore"));
  EXPECT_THAT(config.linux.readonly_paths, Contains("/proc/sys"));
  EXPECT_THAT(mount(config, "/sys")->options, Contains("ro"));
  EXPECT_THAT(mount(config, "/sys/fs/cgroup")->options, Contains("ro"));
  EXPECT_THAT(mount(config, "/dev/shm")->options, Contains("size=67108864"));
  EXPECT_EQ(mount(config, "/etc/hosts")->source, "/folder/hosts");
  oci::Config open = spec(R"({"HostConfig": {"Privileged": true}})");
  EXPECT_THAT(open.linux.masked_paths, IsEmpty());
  EXPECT_FALSE(open.linux.seccomp.has_value());
  EXPECT_THAT(mount(open, "/sys")->options, Not(Contains("ro")));
  EXPECT_THAT(spec(R"({"HostConfig": {"MaskedPaths": []}})").linux.masked_paths, IsEmpty());
}

TEST_F(SpecTest, FiltersSystemCalls) {
  auto allows = [](const oci::Seccomp& filter, const std::string& name) {
    for (const oci::SeccompSyscall& call : filter.syscalls) {
      if (call.action == oci::SeccompAction::kAllow && call.args.empty() &&
          std::ranges::find(call.names, name) != call.names.end()) {
        return true;
      }
    }
    return false;
  };
  oci::Seccomp filter = *spec("{}").linux.seccomp;
  EXPECT_EQ(filter.default_action, oci::SeccompAction::kErrno);
  EXPECT_TRUE(allows(filter, "openat2"));
  EXPECT_TRUE(allows(filter, "chroot"));
  EXPECT_TRUE(allows(filter, "ptrace"));
  for (const char* name : {"mount", "bpf", "keyctl", "add_key", "io_uring_setup", "userfaultfd",
                           "kexec_load", "clone", "clone3", "unshare", "setns"}) {
    EXPECT_FALSE(allows(filter, name)) << name;
  }
  oci::Seccomp wider = *spec(R"({"HostConfig": {"CapAdd": ["SYS_ADMIN"]}})").linux.seccomp;
  EXPECT_TRUE(allows(wider, "mount"));
  EXPECT_TRUE(allows(wider, "clone3"));
  EXPECT_FALSE(spec(R"({"HostConfig": {"SecurityOpt": ["seccomp=unconfined"]}})").linux.seccomp);
  oci::Seccomp own = *spec(R"({"HostConfig": {"SecurityOpt":
    ["seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"name\":\"mkdir\",\"action\":\"SCMP_ACT_ERRNO\"},{\"names\":[\"reboot\"],\"action\":\"SCMP_ACT_ERRNO\",\"excludes\":{\"caps\":[\"CAP_CHOWN\"]}}]}"]}})")
                          .linux.seccomp;
  ASSERT_THAT(own.syscalls, SizeIs(1));
  EXPECT_THAT(own.syscalls[0].names, ElementsAre("mkdir"));
}

TEST_F(SpecTest, AFilterIsCompiledOnceForARuntimeThatTakesIt) {
  constexpr char kAnnotation[] = "run.oci.seccomp_bpf_data";
  auto compiled = [](const oci::Seccomp& filter) {
    return seccomp::to_base64(seccomp::compile(filter).value());
  };
  constexpr char kWider[] = R"({"HostConfig": {"CapAdd": ["SYS_ADMIN"]}})";
  std::string usual = compiled(*spec("{}").linux.seccomp);
  std::string wider = compiled(*spec(kWider).linux.seccomp);
  EXPECT_NE(usual, wider);
  takes_ready_filter_ = true;
  for (int round = 0; round < 2; ++round) {
    oci::Config config = spec("{}");
    EXPECT_FALSE(config.linux.seccomp.has_value());
    EXPECT_EQ(config.annotations[kAnnotation], usual);
    EXPECT_EQ(spec(kWider).annotations[kAnnotation], wider);
  }
  for (const char* request :
       {R"({"HostConfig": {"SecurityOpt": ["seccomp=unconfined"]}})",
        R"({"HostConfig": {"SecurityOpt": ["seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}"]}})",
        R"({"HostConfig": {"Privileged": true}})"}) {
    EXPECT_FALSE(spec(request).annotations.contains(kAnnotation)) << request;
  }
  // One's own is not replaced.
  oci::Config own =
      spec(R"({"HostConfig": {"Annotations": {"run.oci.seccomp_bpf_data": "AA=="}}})");
  EXPECT_EQ(own.annotations[kAnnotation], "AA==");
  EXPECT_TRUE(own.linux.seccomp.has_value());
}

TEST(SeccompFilters, WhatNoProgramCanSayIsLeftToTheRuntime) {
  for (const char* profile : {R"({"defaultAction": "SCMP_ACT_ALLOW", "flags": []})",
                              R"({"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/l"})"}) {
    SeccompFilters filters(parse_seccomp_profile(profile).value());
    EXPECT_EQ(filters.ready({}), "") << profile;
  }
  SeccompFilters plain(parse_seccomp_profile(R"({"defaultAction": "SCMP_ACT_ALLOW"})").value());
  EXPECT_NE(plain.ready({}), "");
}

TEST_F(SpecTest, MergesTheEnvironment) {
  EXPECT_THAT(spec(R"({"Tty": true, "Env": ["A=1", "PATH=/x", "TERM"]})").process->env,
              ElementsAre("PATH=/x", "HOSTNAME=host", "A=1"));
}

TEST_F(SpecTest, FindsUsersAndGroups) {
  oci::User user = spec(R"({"User": "bob"})").process->user;
  EXPECT_EQ(user.uid, 1000U);
  EXPECT_THAT(user.additional_gids, ElementsAre(1000, 10));
  user = spec(R"({"User": "7:audio", "HostConfig": {"GroupAdd": ["wheel", "55"]}})").process->user;
  EXPECT_EQ(user.uid, 7U);
  EXPECT_EQ(user.gid, 29U);
  EXPECT_THAT(user.additional_gids, ElementsAre(29, 10, 55));
  EXPECT_THAT(spec("{}").process->user.additional_gids, ElementsAre(0, 10));
  auto unknown = make(R"({"User": "eve"})");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().message(),
            "unable to find user eve: no matching entries in passwd file");
}

TEST_F(SpecTest, MountsWhatIsAskedFor) {
  oci::Config config = spec(R"({"Volumes": {"/vol": {}}, "HostConfig": {
    "Binds": ["/tmp:/t/../data:ro,rslave"], "Tmpfs": {"/run": "exec,size=1m"},
    "Mounts": [{"Type": "bind", "Source": "/", "Target": "/data/root"}]}})");
  EXPECT_THAT(mount(config, "/data")->options, ElementsAre("rbind", "ro", "rro", "rslave"));
  EXPECT_THAT(mount(config, "/run")->options,
              ElementsAre("nosuid", "nodev", "exec", "size=1m", "rprivate"));
  EXPECT_EQ(mount(config, "/vol")->source, "/volumes/x");
  EXPECT_EQ(config.mounts.back().destination, "/data/root");
  EXPECT_EQ(config.linux.rootfs_propagation, oci::Propagation::kSlave);
  for (auto [request, code, words] :
       std::initializer_list<std::tuple<const char*, Code, const char*>>{
           {R"({"HostConfig": {"Binds": ["data:/x:rshared"]}})", Code::kInvalidArgument,
            "invalid volume specification: 'data:/x:rshared': invalid mount config for type "
            "\"volume\": field BindOptions must not be specified"},
           {R"({"HostConfig": {"Binds": ["/a:/b:ro,rw"]}})", Code::kInvalidArgument,
            "invalid mode: ro,rw"},
           {R"({"HostConfig": {"Binds": ["/a:/b:z,Z"]}})", Code::kInvalidArgument,
            "invalid mode: z,Z"},
           {R"({"HostConfig": {"Mounts": [{"Type": "foo", "Target": "/b"}]}})",
            Code::kInvalidArgument, "invalid mount config for type \"foo\": mount type unknown"},
           {R"({"HostConfig": {"Tmpfs": {"run": ""}}})", Code::kInvalidArgument,
            "invalid mount path: 'run' mount path must be absolute"},
           {R"({"HostConfig": {"Binds": ["/data:/x:nocopy"]}})", Code::kInvalidArgument,
            "field VolumeOptions must not be specified"},
           {R"({"HostConfig": {"Mounts": [{"Type": "volume", "Source": "v", "Target": "/x",
               "VolumeOptions": {"Subpath": "a/../.."}}]}})",
            Code::kInvalidArgument, "subpath must be a relative path within the volume"},
           {R"({"HostConfig": {"Binds": ["/a:b"]}})", Code::kInvalidArgument,
            "mount path must be absolute"},
           {R"({"HostConfig": {"Binds": ["/a:/"]}})", Code::kInvalidArgument,
            "destination can't be '/'"},
           {R"({"HostConfig": {"Binds": ["/a:/b:qq"]}})", Code::kInvalidArgument, "invalid mode"},
           {R"({"HostConfig": {"Binds": ["/a:/b", "/c:/b/"]}})", Code::kInvalidArgument,
            "Duplicate mount point: /b"},
           {R"({"HostConfig": {"Mounts": [{"Type": "bind", "Source": "/none", "Target": "/b"}]}})",
            Code::kInvalidArgument, "bind source path does not exist: /none"}}) {
    auto made = make(request);
    ASSERT_FALSE(made.has_value()) << request;
    EXPECT_EQ(made.error().code(), code) << request;
    EXPECT_THAT(made.error().message(), HasSubstr(words));
  }
}

TEST_F(SpecTest, KeepsWhatIsMounted) {
  auto config = parse_create_config(R"({"Volumes": {"/anonymous": {}, "/named": {}}, "HostConfig": {
    "Binds": ["data:/named:ro,nocopy", "/tmp:/bound:rslave"], "Tmpfs": {"/run": "size=1m"},
    "Mounts": [{"Type": "volume", "Source": "v", "Target": "/part", "ReadOnly": true,
                "VolumeOptions": {"Subpath": "a/b", "DriverConfig": {"Name": "local"}}}]}})");
  ASSERT_TRUE(config.has_value());
  auto mounts = wanted_mounts(*config);
  ASSERT_TRUE(mounts.has_value()) << mounts.error().message();
  ASSERT_EQ(mounts->size(), 5U);
  EXPECT_EQ((*mounts)[2].source, "data");
  EXPECT_FALSE((*mounts)[2].copy_up);
  EXPECT_EQ((*mounts)[3].subpath, "a/b");
  EXPECT_EQ((*mounts)[3].mode, "z");
  auto read = oci::parse_as<std::vector<WantedMount>>(mounts_json(*mounts));
  ASSERT_TRUE(read.has_value()) << read.error().message();
  EXPECT_EQ(*read, *mounts);
}

TEST_F(SpecTest, MountsVolumes) {
  constexpr const char* kRequest = R"({"HostConfig": {"Mounts": [{"Type": "volume", "Source": "v",
      "Target": "/x", "ReadOnly": true, "VolumeOptions": {"Subpath": "a/b"}}]}})";
  EXPECT_THAT(mount(spec(kRequest), "/x")->options,
              ElementsAre("rbind", "dhow.subpath=a/b", "ro", "rro", "rprivate"));
  volume_ = {.type = "", .path = "/device", .options = {"nosuid"}};
  EXPECT_EQ(mount(spec(R"({"HostConfig": {"Binds": ["v:/x"]}})"), "/x")->source, "/device");
  EXPECT_THAT(mount(spec(R"({"HostConfig": {"Binds": ["v:/x"]}})"), "/x")->options,
              ElementsAre("rbind", "nosuid", "rprivate"));
  volume_ = {.type = "nfs", .path = ":/export", .options = {"addr=10.0.0.1"}};
  oci::Config config = spec(R"({"HostConfig": {"Binds": ["v:/x:ro"]}})");
  EXPECT_EQ(mount(config, "/x")->type, "nfs");
  EXPECT_EQ(mount(config, "/x")->source, ":/export");
  EXPECT_THAT(mount(config, "/x")->options, ElementsAre("addr=10.0.0.1", "ro", "rprivate"));
}

TEST_F(SpecTest, ReadsVolumesFrom) {
  EXPECT_EQ(parse_volumes_from("one:ro,z")->container, "one");
  EXPECT_TRUE(parse_volumes_from("one:ro,z")->read_only);
  EXPECT_FALSE(parse_volumes_from("one")->read_only);
  EXPECT_EQ(parse_volumes_from("one:x").error().message(), "invalid mode: x");
  EXPECT_FALSE(parse_volumes_from("").has_value());
}

TEST_F(SpecTest, LimitsResources) {
  oci::Resources resources = *spec(R"({"HostConfig": {"Memory": 67108864, "NanoCpus": 500000000,
      "PidsLimit": 7, "CpuShares": 2, "DeviceCgroupRules": ["c 10:* rw"],
      "Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": -1}]}})")
                                  .linux.resources;
  EXPECT_EQ(resources.memory->limit, 67108864);
  EXPECT_EQ(resources.memory->swap, 2 * 67108864);
  EXPECT_EQ(resources.cpu->quota, 50000);
  EXPECT_EQ(resources.pids_limit, 7);
  EXPECT_EQ(resources.devices.back().minor, -1);
  EXPECT_FALSE(resources.devices.front().allow);
  for (auto [request, words] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"({"HostConfig": {"Memory": 1000}})", "Minimum memory limit allowed is 6MB"},
           {R"({"HostConfig": {"NanoCpus": 900000000000000}})", "range of CPUs is from 0.01"},
           {R"({"HostConfig": {"CpusetCpus": "0,9000"}})", "Invalid value 0,9000 for cpuset cpus"},
           {R"({"HostConfig": {"CpusetCpus": "fun"}})", "Invalid value fun for cpuset cpus"},
           {R"({"HostConfig": {"CpusetCpus": "0,8000"}})",
            "Requested CPUs are not available - requested 0,8000, available: 0"},
           {R"({"HostConfig": {"CpusetMems": "7000-7001"}})",
            "Requested memory nodes are not available - requested 7000-7001, available: 0"},
           {R"({"HostConfig": {"Isolation": "fun"}})", "invalid isolation: \"fun\""},
           {R"({"User": "-1"})", "uids and gids must be in range 0-2147483647"},
           {R"({"User": "1:2147483648"})", "uids and gids must be in range 0-2147483647"},
           {R"({"HostConfig": {"GroupAdd": ["99999999999"]}})", "uids and gids must be in range"},
           {R"({"HostConfig": {"GroupAdd": ["fun"]}})",
            "unable to find group fun: no matching entries in group file"},
           {R"({"HostConfig": {"Ulimits": [{"Name": "fun"}]}})", "invalid ulimit type: fun"},
           {R"({"HostConfig": {"DeviceCgroupRules": ["x"]}})", "invalid device cgroup rule format"},
           {R"({"HostConfig": {"RestartPolicy": {"Name": "maybe"}}})", "unknown policy 'maybe'"},
           {R"({"HostConfig": {"AutoRemove": true, "RestartPolicy": {"Name": "always"}}})",
            "can't create 'AutoRemove' container with restart policy"},
           {R"({"HostConfig": {"SecurityOpt": ["fun"]}})", "invalid --security-opt 1: \"fun\""},
           {R"({"WorkingDir": "x"})", "it needs to be an absolute path"},
           {R"({"HostConfig": {"PidMode": "fun"}})", "invalid PID mode: fun"}}) {
    auto made = make(request);
    ASSERT_FALSE(made.has_value()) << request;
    EXPECT_EQ(made.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(made.error().message(), HasSubstr(words));
  }
}

TEST_F(SpecTest, GivesDevices) {
  oci::Config config =
      spec(R"({"HostConfig": {"Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/nil",
                                           "CgroupPermissions": "r"}]}})");
  ASSERT_THAT(config.linux.devices, SizeIs(1));
  EXPECT_EQ(config.linux.devices[0].path, "/dev/nil");
  EXPECT_EQ(config.linux.resources->devices.back().access, "r");
  auto none = make(R"({"HostConfig": {"Devices": [{"PathOnHost": "/dev/nope"}]}})");
  ASSERT_FALSE(none.has_value());
  EXPECT_THAT(none.error().message(), HasSubstr("error gathering device information"));
}

TEST(Names, AreAsDockerWantsThem) {
  for (int i = 0; i < 100; ++i) {
    auto name = make_name([](std::string_view) { return false; });
    ASSERT_TRUE(name.has_value());
    EXPECT_TRUE(check_name(*name).has_value()) << *name;
  }
  int asked = 0;
  EXPECT_THAT(*make_name([&](std::string_view) { return ++asked < 10; }),
              ::testing::ContainsRegex("_[0-9]+$"));
  for (const char* name : {"", "a", "-a", "a b", "a/b", "_x"}) {
    EXPECT_FALSE(check_name(name).has_value()) << name;
  }
  EXPECT_EQ(make_id()->size(), 64U);
}

}  // namespace
}  // namespace dhow::engine
