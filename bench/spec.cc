// SPDX-License-Identifier: Apache-2.0
#include "bench/spec.h"

#include "base/strings.h"
#include "bench/seccomp_profile.h"

namespace dhow::bench {
namespace {

constexpr const char* kCapabilities = R"(["CAP_AUDIT_WRITE","CAP_KILL","CAP_NET_BIND_SERVICE"])";

constexpr const char* kMounts = R"([
  {"destination":"/proc","type":"proc","source":"proc"},
  {"destination":"/dev","type":"tmpfs","source":"tmpfs",
   "options":["nosuid","strictatime","mode=755","size=65536k"]},
  {"destination":"/dev/pts","type":"devpts","source":"devpts",
   "options":["nosuid","noexec","newinstance","ptmxmode=0666","mode=0620","gid=5"]},
  {"destination":"/dev/shm","type":"tmpfs","source":"shm",
   "options":["nosuid","noexec","nodev","mode=1777","size=65536k"]},
  {"destination":"/dev/mqueue","type":"mqueue","source":"mqueue",
   "options":["nosuid","noexec","nodev"]},
  {"destination":"/sys","type":"sysfs","source":"sysfs",
   "options":["nosuid","noexec","nodev","ro"]},
  {"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup",
   "options":["nosuid","noexec","nodev","relatime","ro"]}
])";

constexpr const char* kPaths = R"(
 "maskedPaths":["/proc/acpi","/proc/asound","/proc/kcore","/proc/keys","/proc/latency_stats",
  "/proc/timer_list","/proc/timer_stats","/proc/sched_debug","/sys/firmware","/proc/scsi"],
 "readonlyPaths":["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"])";

std::string process(const SpecOptions& options) {
  std::string args;
  for (const std::string& argument : options.args) {
    args += cat(args.empty() ? "" : ",", quoted(argument));
  }
  return cat(R"({"terminal":false,"user":{"uid":0,"gid":0},"cwd":"/","args":[)", args, R"(],
 "env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","TERM=xterm"],
 "capabilities":{"bounding":)",
             kCapabilities, R"(,"effective":)", kCapabilities, R"(,"permitted":)", kCapabilities,
             R"(,"ambient":)", kCapabilities, R"(},
 "rlimits":[{"type":"RLIMIT_NOFILE","hard":1024,"soft":1024}],"noNewPrivileges":true})");
}

std::string resources(const SpecOptions& options) {
  return cat(R"({"devices":[{"allow":false,"access":"rwm"}],"memory":{"limit":)",
             options.memory_limit, R"(},"cpu":{"shares":512},"pids":{"limit":1024}})");
}

}  // namespace

std::string make_config(const SpecOptions& options) {
  const char* user = options.user_namespace ? R"({"type":"user"},)" : "";
  const char* mappings = options.user_namespace
                             ? R"("uidMappings":[{"containerID":0,"hostID":100000,"size":65536}],
 "gidMappings":[{"containerID":0,"hostID":100000,"size":65536}],)"
                             : "";
  const std::string seccomp =
      options.seccomp ? cat(R"(,"seccomp":)", seccomp_profile()) : std::string();
  return cat(R"({"ociVersion":"1.0.2","process":)", process(options), R"(,
"root":{"path":)",
             quoted(options.rootfs), R"(,"readonly":true},"hostname":"bench",
"mounts":)",
             kMounts, R"(,
"linux":{"cgroupsPath":)",
             quoted(options.cgroups_path), R"(,"resources":)", resources(options),
             R"(,
 "namespaces":[)",
             user, R"({"type":"pid"},{"type":"network"},{"type":"ipc"},{"type":"uts"},
  {"type":"mount"},{"type":"cgroup"}],)",
             mappings, kPaths, seccomp, "}}\n");
}

}  // namespace dhow::bench
