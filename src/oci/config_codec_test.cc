// SPDX-License-Identifier: Apache-2.0
#include "oci/config_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <string>

#include "base/strings.h"

namespace dhow::oci {
namespace {

using testing::ElementsAre;
using testing::Pair;

constexpr auto kMaxUnsigned = std::numeric_limits<std::uint64_t>::max();

// A configuration with one more member on top.
std::string with(std::string_view name, std::string_view value) {
  return cat(R"({"ociVersion": "1.3.0", ")", name, "\": ", value, "}");
}

Config config_with(std::string_view name, std::string_view value) {
  auto config = parse_config(with(name, value));
  EXPECT_TRUE(config.has_value()) << config.error().message();
  return config.has_value() ? *config : Config{};
}

TEST(ParseConfig, ReadsTheTop) {
  auto config = parse_config(R"({
    "ociVersion": "1.0.2-dev", "hostname": "h", "domainname": "d",
    "root": {"path": "rootfs", "readonly": true},
    "annotations": {"a.b/c": "1", "": "2"},
    "windows": {"layerFolders": 7}, "solaris": [], "zos": 1, "vm": 2, "freebsd": 3, "x": {"y": []}
  })");
  ASSERT_TRUE(config.has_value()) << config.error().message();
  EXPECT_EQ(config->oci_version, "1.0.2-dev");
  EXPECT_EQ(config->hostname, "h");
  EXPECT_EQ(config->domainname, "d");
  EXPECT_EQ(config->root->path, "rootfs");
  EXPECT_TRUE(config->root->readonly);
  EXPECT_THAT(config->annotations, ElementsAre(Pair("", "2"), Pair("a.b/c", "1")));
  EXPECT_FALSE(config->process.has_value());
}

TEST(ParseConfig, TakesNullForAbsent) {
  auto config = parse_config(R"({
    "ociVersion": "1.3.0", "root": null, "process": null, "hostname": null, "mounts": null,
    "hooks": {"prestart": null, "poststop": [{"path": "/h", "env": null, "timeout": null}]},
    "annotations": null,
    "linux": {"resources": {"memory": {"limit": null}, "pids": null, "unified": null},
              "rootfsPropagation": null, "seccomp": null, "devices": null, "netDevices": null}
  })");
  ASSERT_TRUE(config.has_value()) << config.error().message();
  EXPECT_FALSE(config->root.has_value());
  EXPECT_FALSE(config->process.has_value());
  EXPECT_EQ(config->hooks.poststop.at(0).env, std::nullopt);
  EXPECT_EQ(config->hooks.poststop.at(0).timeout, std::nullopt);
  EXPECT_EQ(config->linux.resources->memory->limit, std::nullopt);
  EXPECT_EQ(config->linux.resources->pids_limit, std::nullopt);
  EXPECT_EQ(config->linux.rootfs_propagation, std::nullopt);
  EXPECT_FALSE(config->linux.seccomp.has_value());
}

TEST(ParseConfig, ReadsMounts) {
  Config config = config_with("mounts", R"([
    {"destination": "/a", "type": "bind", "source": "/s", "options": ["rbind", "ro"],
     "uidMappings": [{"containerID": 1, "hostID": 2, "size": 3}],
     "gidMappings": [{"containerID": 4, "hostID": 5, "size": 4294967295}]},
    {"destination": "b"}])");
  ASSERT_EQ(config.mounts.size(), 2U);
  const Mount& mount = config.mounts[0];
  EXPECT_EQ(mount.destination, "/a");
  EXPECT_EQ(mount.type, "bind");
  EXPECT_EQ(mount.source, "/s");
  EXPECT_THAT(mount.options, ElementsAre("rbind", "ro"));
  EXPECT_THAT(mount.uid_mappings, ElementsAre(IdMapping{1, 2, 3}));
  EXPECT_THAT(mount.gid_mappings, ElementsAre(IdMapping{4, 5, 4294967295}));
  EXPECT_EQ(config.mounts[1].destination, "b");
}

TEST(ParseConfig, ReadsHooks) {
  Config config = config_with("hooks", R"({
    "prestart": [{"path": "/1"}], "createRuntime": [{"path": "/2", "args": ["a", "b"]}],
    "createContainer": [{"path": "/3", "env": ["A=1"]}],
    "startContainer": [{"path": "/4", "env": []}],
    "poststart": [{"path": "/5", "timeout": 7}], "poststop": [{"path": "/6"}, {"path": "/7"}]})");
  EXPECT_EQ(config.hooks.prestart.at(0).path, "/1");
  EXPECT_THAT(config.hooks.create_runtime.at(0).args, ElementsAre("a", "b"));
  EXPECT_THAT(config.hooks.create_container.at(0).env.value(), ElementsAre("A=1"));
  EXPECT_TRUE(config.hooks.start_container.at(0).env.value().empty());
  EXPECT_EQ(config.hooks.poststart.at(0).timeout, 7);
  EXPECT_EQ(config.hooks.poststop.at(1).path, "/7");
}

TEST(ParseProcess, ReadsEveryField) {
  auto process = parse_process(R"({
    "terminal": true, "consoleSize": {"height": 25, "width": 80},
    "user": {"uid": 1, "gid": 2, "umask": 18, "additionalGids": [5, 6], "username": "ignored"},
    "args": ["sh", "-c"], "env": ["A=1", "B"], "cwd": "/w", "commandLine": "ignored",
    "capabilities": {"bounding": ["CAP_A"], "permitted": ["CAP_B"], "effective": ["CAP_C"],
                     "inheritable": ["CAP_D"], "ambient": ["CAP_E"]},
    "rlimits": [{"type": "RLIMIT_CORE", "hard": 18446744073709551615, "soft": 1}],
    "noNewPrivileges": true, "apparmorProfile": "p", "selinuxLabel": "l", "oomScoreAdj": -1000,
    "scheduler": {"policy": "SCHED_DEADLINE", "nice": -3, "priority": 4,
                  "flags": ["SCHED_FLAG_RECLAIM"], "runtime": 5, "deadline": 6, "period": 7},
    "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 3},
    "execCPUAffinity": {"initial": "0-1", "final": "2"}})");
  ASSERT_TRUE(process.has_value()) << process.error().message();
  EXPECT_TRUE(process->terminal);
  EXPECT_EQ(process->console_size->height, 25U);
  EXPECT_EQ(process->console_size->width, 80U);
  EXPECT_EQ(process->user.uid, 1U);
  EXPECT_EQ(process->user.gid, 2U);
  EXPECT_EQ(process->user.umask, 18U);
  EXPECT_THAT(process->user.additional_gids, ElementsAre(5, 6));
  EXPECT_THAT(process->args, ElementsAre("sh", "-c"));
  EXPECT_THAT(process->env, ElementsAre("A=1", "B"));
  EXPECT_EQ(process->cwd, "/w");
  EXPECT_THAT(process->capabilities->bounding, ElementsAre("CAP_A"));
  EXPECT_THAT(process->capabilities->permitted, ElementsAre("CAP_B"));
  EXPECT_THAT(process->capabilities->effective, ElementsAre("CAP_C"));
  EXPECT_THAT(process->capabilities->inheritable, ElementsAre("CAP_D"));
  EXPECT_THAT(process->capabilities->ambient, ElementsAre("CAP_E"));
  EXPECT_EQ(process->rlimits.at(0).type, "RLIMIT_CORE");
  EXPECT_EQ(process->rlimits.at(0).hard, kMaxUnsigned);
  EXPECT_EQ(process->rlimits.at(0).soft, 1U);
  EXPECT_TRUE(process->no_new_privileges);
  EXPECT_EQ(process->apparmor_profile, "p");
  EXPECT_EQ(process->selinux_label, "l");
  EXPECT_EQ(process->oom_score_adj, -1000);
  EXPECT_EQ(process->scheduler->policy, "SCHED_DEADLINE");
  EXPECT_EQ(process->scheduler->nice, -3);
  EXPECT_EQ(process->scheduler->priority, 4);
  EXPECT_THAT(process->scheduler->flags, ElementsAre("SCHED_FLAG_RECLAIM"));
  EXPECT_EQ(process->scheduler->runtime, 5U);
  EXPECT_EQ(process->scheduler->deadline, 6U);
  EXPECT_EQ(process->scheduler->period, 7U);
  EXPECT_EQ(process->io_priority->io_class, "IOPRIO_CLASS_BE");
  EXPECT_EQ(process->io_priority->priority, 3);
  EXPECT_EQ(process->exec_cpu_affinity->initial, "0-1");
  EXPECT_EQ(process->exec_cpu_affinity->final, "2");
}

TEST(ParseResources, ReadsDevicesMemoryAndCpu) {
  auto resources = parse_resources(R"({
    "devices": [{"allow": false, "access": "rwm"},
                {"allow": true, "type": "c", "major": 1, "minor": -1, "access": "r"}],
    "memory": {"limit": 1, "reservation": 2, "swap": -1, "kernel": 4, "kernelTCP": 5,
               "swappiness": 6, "disableOOMKiller": true, "useHierarchy": false,
               "checkBeforeUpdate": true},
    "cpu": {"shares": 1, "quota": -1, "burst": 3, "period": 4, "realtimeRuntime": 5,
            "realtimePeriod": 6, "cpus": "0-1", "mems": "0", "idle": 1}})");
  ASSERT_TRUE(resources.has_value()) << resources.error().message();
  ASSERT_EQ(resources->devices.size(), 2U);
  EXPECT_EQ(resources->devices[0].type, 'a');
  EXPECT_FALSE(resources->devices[0].allow);
  EXPECT_EQ(resources->devices[0].major, std::nullopt);
  EXPECT_TRUE(resources->devices[1].allow);
  EXPECT_EQ(resources->devices[1].type, 'c');
  EXPECT_EQ(resources->devices[1].major, 1);
  EXPECT_EQ(resources->devices[1].minor, -1);
  EXPECT_EQ(resources->devices[1].access, "r");
  EXPECT_EQ(resources->memory->limit, 1);
  EXPECT_EQ(resources->memory->reservation, 2);
  EXPECT_EQ(resources->memory->swap, -1);
  EXPECT_EQ(resources->memory->kernel, 4);
  EXPECT_EQ(resources->memory->kernel_tcp, 5);
  EXPECT_EQ(resources->memory->swappiness, 6U);
  EXPECT_EQ(resources->memory->disable_oom_killer, true);
  EXPECT_EQ(resources->memory->use_hierarchy, false);
  EXPECT_EQ(resources->memory->check_before_update, true);
  EXPECT_EQ(resources->cpu->shares, 1U);
  EXPECT_EQ(resources->cpu->quota, -1);
  EXPECT_EQ(resources->cpu->burst, 3U);
  EXPECT_EQ(resources->cpu->period, 4U);
  EXPECT_EQ(resources->cpu->realtime_runtime, 5);
  EXPECT_EQ(resources->cpu->realtime_period, 6U);
  EXPECT_EQ(resources->cpu->cpus, "0-1");
  EXPECT_EQ(resources->cpu->mems, "0");
  EXPECT_EQ(resources->cpu->idle, 1);
}

TEST(ParseResources, ReadsTheOtherControllers) {
  auto resources = parse_resources(R"({
    "pids": {"limit": 0},
    "blockIO": {"weight": 10, "leafWeight": 20,
                "weightDevice": [{"major": 8, "minor": 1, "weight": 30, "leafWeight": 40}],
                "throttleReadBpsDevice": [{"major": 1, "minor": 2, "rate": 3}],
                "throttleWriteBpsDevice": [{"major": 4, "minor": 5, "rate": 6}],
                "throttleReadIOPSDevice": [{"major": 7, "minor": 8, "rate": 9}],
                "throttleWriteIOPSDevice": [{"major": 10, "minor": 11}]},
    "hugepageLimits": [{"pageSize": "2MB", "limit": 4096}],
    "network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 5}]},
    "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}, "mlx4_0": {}},
    "unified": {"memory.high": "1", "io.max": "x"}})");
  ASSERT_TRUE(resources.has_value()) << resources.error().message();
  EXPECT_EQ(resources->pids_limit, 0);
  const BlockIoLimits& io = resources->block_io.value();
  EXPECT_EQ(io.weight, 10);
  EXPECT_EQ(io.leaf_weight, 20);
  EXPECT_EQ(io.weight_device.at(0).major, 8);
  EXPECT_EQ(io.weight_device.at(0).minor, 1);
  EXPECT_EQ(io.weight_device.at(0).weight, 30);
  EXPECT_EQ(io.weight_device.at(0).leaf_weight, 40);
  EXPECT_EQ(io.throttle_read_bps_device.at(0).rate, 3U);
  EXPECT_EQ(io.throttle_write_bps_device.at(0).major, 4);
  EXPECT_EQ(io.throttle_read_iops_device.at(0).minor, 8);
  EXPECT_EQ(io.throttle_write_iops_device.at(0).rate, 0U);
  EXPECT_EQ(io.throttle_write_iops_device.at(0).major, 10);
  EXPECT_EQ(resources->hugepage_limits.at(0).page_size, "2MB");
  EXPECT_EQ(resources->hugepage_limits.at(0).limit, 4096U);
  EXPECT_EQ(resources->network->class_id, 1048577U);
  EXPECT_EQ(resources->network->priorities.at(0).name, "eth0");
  EXPECT_EQ(resources->network->priorities.at(0).priority, 5U);
  EXPECT_EQ(resources->rdma.at("mlx5_1").hca_handles, 3U);
  EXPECT_EQ(resources->rdma.at("mlx5_1").hca_objects, 10000U);
  EXPECT_EQ(resources->rdma.at("mlx4_0").hca_handles, std::nullopt);
  EXPECT_THAT(resources->unified, ElementsAre(Pair("io.max", "x"), Pair("memory.high", "1")));
  EXPECT_EQ(parse_resources(R"({"pids": {}})")->pids_limit, std::nullopt);
}

TEST(ParseConfig, ReadsNamespacesAndIds) {
  Linux os = config_with("linux", R"({
    "namespaces": [{"type": "pid"}, {"type": "network", "path": "/n"}, {"type": "mount"},
                   {"type": "ipc"}, {"type": "uts"}, {"type": "user"}, {"type": "cgroup"},
                   {"type": "time"}],
    "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
    "gidMappings": [{"containerID": 0, "hostID": 100, "size": 2}],
    "timeOffsets": {"monotonic": {"secs": -5, "nanosecs": 6}, "boottime": {}}})")
                 .linux;
  ASSERT_EQ(os.namespaces.size(), 8U);
  EXPECT_EQ(os.namespaces[0].type, NamespaceType::kPid);
  EXPECT_EQ(os.namespaces[1].type, NamespaceType::kNetwork);
  EXPECT_EQ(os.namespaces[1].path, "/n");
  EXPECT_EQ(os.namespaces[2].type, NamespaceType::kMount);
  EXPECT_EQ(os.namespaces[3].type, NamespaceType::kIpc);
  EXPECT_EQ(os.namespaces[4].type, NamespaceType::kUts);
  EXPECT_EQ(os.namespaces[5].type, NamespaceType::kUser);
  EXPECT_EQ(os.namespaces[6].type, NamespaceType::kCgroup);
  EXPECT_EQ(os.namespaces[7].type, NamespaceType::kTime);
  EXPECT_EQ(os.find_namespace(NamespaceType::kNetwork)->path, "/n");
  EXPECT_THAT(os.uid_mappings, ElementsAre(IdMapping{0, 1000, 1}));
  EXPECT_THAT(os.gid_mappings, ElementsAre(IdMapping{0, 100, 2}));
  EXPECT_EQ(os.time_offsets.at("monotonic").secs, -5);
  EXPECT_EQ(os.time_offsets.at("monotonic").nanosecs, 6U);
  EXPECT_EQ(os.time_offsets.at("boottime").secs, 0);
}

TEST(ParseConfig, ReadsDevicesAndPaths) {
  Linux os = config_with("linux", R"({
    "devices": [{"path": "/dev/a", "type": "c", "major": 1, "minor": 3, "fileMode": 438, "uid": 5,
                 "gid": 6},
                {"path": "/dev/p", "type": "p"}, {"path": "/dev/b", "type": "b", "fileMode": 25008},
                {"path": "/dev/u", "type": "u"}],
    "netDevices": {"eth0": {}, "eth1": {"name": "lan"}},
    "cgroupsPath": "/c", "sysctl": {"net.ipv4.ip_forward": "1"},
    "maskedPaths": ["/m"], "readonlyPaths": ["/r"], "mountLabel": "l"})")
                 .linux;
  ASSERT_EQ(os.devices.size(), 4U);
  EXPECT_EQ(os.devices[0].path, "/dev/a");
  EXPECT_EQ(os.devices[0].type, 'c');
  EXPECT_EQ(os.devices[0].major, 1);
  EXPECT_EQ(os.devices[0].minor, 3);
  EXPECT_EQ(os.devices[0].file_mode, 0666U);
  EXPECT_EQ(os.devices[0].uid, 5U);
  EXPECT_EQ(os.devices[0].gid, 6U);
  EXPECT_EQ(os.devices[1].type, 'p');
  EXPECT_EQ(os.devices[1].file_mode, std::nullopt);
  EXPECT_EQ(os.devices[2].file_mode, 0660U) << "25008 is S_IFBLK | 0660";
  EXPECT_EQ(os.devices[3].type, 'u');
  EXPECT_THAT(os.net_devices, ElementsAre(Pair("eth0", ""), Pair("eth1", "lan")));
  EXPECT_EQ(os.cgroups_path, "/c");
  EXPECT_THAT(os.sysctl, ElementsAre(Pair("net.ipv4.ip_forward", "1")));
  EXPECT_THAT(os.masked_paths, ElementsAre("/m"));
  EXPECT_THAT(os.readonly_paths, ElementsAre("/r"));
  EXPECT_EQ(os.mount_label, "l");
}

TEST(ParseConfig, ReadsTheRestOfLinux) {
  Linux os = config_with("linux", R"({
    "intelRdt": {"closID": "c", "schemata": ["L3:0=f"], "l3CacheSchema": "L3:0=1",
                 "memBwSchema": "MB:0=2", "enableMonitoring": true},
    "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0-1", "flags": ["MPOL_F_STATIC_NODES"]},
    "personality": {"domain": "LINUX32", "flags": ["F"]}})")
                 .linux;
  EXPECT_EQ(os.intel_rdt->clos_id, "c");
  EXPECT_THAT(os.intel_rdt->schemata, ElementsAre("L3:0=f"));
  EXPECT_EQ(os.intel_rdt->l3_cache_schema, "L3:0=1");
  EXPECT_EQ(os.intel_rdt->mem_bw_schema, "MB:0=2");
  EXPECT_TRUE(os.intel_rdt->enable_monitoring);
  EXPECT_EQ(os.memory_policy->mode, "MPOL_BIND");
  EXPECT_EQ(os.memory_policy->nodes, "0-1");
  EXPECT_THAT(os.memory_policy->flags, ElementsAre("MPOL_F_STATIC_NODES"));
  EXPECT_EQ(os.personality->domain, "LINUX32");
  EXPECT_THAT(os.personality->flags, ElementsAre("F"));
}

TEST(ParseConfig, ReadsPropagationModes) {
  struct Case {
    const char* text;
    std::optional<Propagation> mode;
    bool recursive;
  };
  for (const Case& c :
       {Case{"private", Propagation::kPrivate, false},
        Case{"rprivate", Propagation::kPrivate, true}, Case{"shared", Propagation::kShared, false},
        Case{"rshared", Propagation::kShared, true}, Case{"slave", Propagation::kSlave, false},
        Case{"rslave", Propagation::kSlave, true},
        Case{"unbindable", Propagation::kUnbindable, false},
        Case{"runbindable", Propagation::kUnbindable, true}, Case{"", std::nullopt, false}}) {
    Linux os = config_with("linux", cat(R"({"rootfsPropagation": ")", c.text, "\"}")).linux;
    EXPECT_EQ(os.rootfs_propagation, c.mode) << c.text;
    EXPECT_EQ(os.rootfs_propagation_recursive, c.recursive) << c.text;
  }
}

TEST(ParseConfig, ReadsSeccomp) {
  Linux os = config_with("linux", R"({"seccomp": {
    "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
    "architectures": ["SCMP_ARCH_X86_64"], "flags": ["SECCOMP_FILTER_FLAG_LOG"],
    "listenerPath": "/l", "listenerMetadata": "m",
    "syscalls": [{"names": ["a", "b"], "action": "SCMP_ACT_TRACE", "errnoRet": 1,
                  "args": [{"index": 5, "value": 18446744073709551615, "valueTwo": 2,
                            "op": "SCMP_CMP_MASKED_EQ"}]}]}})")
                 .linux;
  const Seccomp& seccomp = os.seccomp.value();
  EXPECT_EQ(seccomp.default_action, SeccompAction::kErrno);
  EXPECT_EQ(seccomp.default_errno_ret, 38U);
  EXPECT_THAT(seccomp.architectures, ElementsAre("SCMP_ARCH_X86_64"));
  EXPECT_THAT(seccomp.flags.value(), ElementsAre("SECCOMP_FILTER_FLAG_LOG"));
  EXPECT_EQ(seccomp.listener_path, "/l");
  EXPECT_EQ(seccomp.listener_metadata, "m");
  const SeccompSyscall& rule = seccomp.syscalls.at(0);
  EXPECT_THAT(rule.names, ElementsAre("a", "b"));
  EXPECT_EQ(rule.action, SeccompAction::kTrace);
  EXPECT_EQ(rule.errno_ret, 1U);
  EXPECT_EQ(rule.args.at(0).index, 5U);
  EXPECT_EQ(rule.args.at(0).value, kMaxUnsigned);
  EXPECT_EQ(rule.args.at(0).value_two, 2U);
  EXPECT_EQ(rule.args.at(0).op, SeccompOperator::kMaskedEq);
}

TEST(ParseConfig, KnowsEverySeccompName) {
  for (auto [name, action] :
       {std::pair("KILL", SeccompAction::kKillThread),
        std::pair("KILL_THREAD", SeccompAction::kKillThread),
        std::pair("KILL_PROCESS", SeccompAction::kKillProcess),
        std::pair("TRAP", SeccompAction::kTrap), std::pair("ERRNO", SeccompAction::kErrno),
        std::pair("TRACE", SeccompAction::kTrace), std::pair("ALLOW", SeccompAction::kAllow),
        std::pair("LOG", SeccompAction::kLog), std::pair("NOTIFY", SeccompAction::kNotify)}) {
    Linux os =
        config_with("linux", cat(R"({"seccomp": {"defaultAction": "SCMP_ACT_)", name, "\"}}"))
            .linux;
    EXPECT_EQ(os.seccomp->default_action, action) << name;
  }
  for (auto [name, op] :
       {std::pair("NE", SeccompOperator::kNe), std::pair("LT", SeccompOperator::kLt),
        std::pair("LE", SeccompOperator::kLe), std::pair("EQ", SeccompOperator::kEq),
        std::pair("GE", SeccompOperator::kGe), std::pair("GT", SeccompOperator::kGt)}) {
    Linux os =
        config_with("linux", cat(R"({"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["a"], "action": "SCMP_ACT_LOG", "args": [
        {"index": 0, "value": 1, "op": "SCMP_CMP_)",
                                 name, "\"}]}]}}"))
            .linux;
    EXPECT_EQ(os.seccomp->syscalls.at(0).args.at(0).op, op) << name;
  }
}

TEST(ParseMounts, TakesAListOrOne) {
  auto one = parse_mounts(R"({"destination": "/a", "type": "tmpfs"})");
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->at(0).destination, "/a");
  auto list = parse_mounts(R"([{"destination": "/a"}, {"destination": "/b"}])");
  ASSERT_TRUE(list.has_value());
  EXPECT_EQ(list->size(), 2U);
  EXPECT_EQ(parse_mounts("[{}]").error().message(), "$[0].destination: required");
  EXPECT_EQ(parse_mounts("{}").error().message(), "$.destination: required");
  EXPECT_EQ(parse_mounts("7").error().message(), "$: expected an array, found number 7");
}

}  // namespace
}  // namespace dhow::oci
