// SPDX-License-Identifier: Apache-2.0
#include "oci/config_encode.h"

#include "oci/config_codec.h"

namespace dhow::oci {

void put(JsonWriter& out, const IdMapping& value) {
  out.begin_object();
  member(out, "containerID", value.container_id);
  member(out, "hostID", value.host_id);
  member(out, "size", value.size);
  out.end_object();
}

void put(JsonWriter& out, const Mount& value) {
  out.begin_object();
  member(out, "destination", value.destination);
  given(out, "type", value.type);
  given(out, "source", value.source);
  given(out, "options", value.options);
  given(out, "uidMappings", value.uid_mappings);
  given(out, "gidMappings", value.gid_mappings);
  out.end_object();
}

void put(JsonWriter& out, const Rlimit& value) {
  out.begin_object();
  member(out, "type", value.type);
  member(out, "hard", value.hard);
  member(out, "soft", value.soft);
  out.end_object();
}

void put(JsonWriter& out, const Hook& value) {
  out.begin_object();
  member(out, "path", value.path);
  given(out, "args", value.args);
  given(out, "env", value.env);
  given(out, "timeout", value.timeout);
  out.end_object();
}

void put(JsonWriter& out, const Namespace& value) {
  out.begin_object();
  member(out, "type", std::string(namespace_name(value.type)));
  given(out, "path", value.path);
  out.end_object();
}

void put(JsonWriter& out, const Device& value) {
  out.begin_object();
  member(out, "path", value.path);
  member(out, "type", std::string(1, value.type));
  member(out, "major", value.major);
  member(out, "minor", value.minor);
  given(out, "fileMode", value.file_mode);
  given(out, "uid", value.uid);
  given(out, "gid", value.gid);
  out.end_object();
}

namespace {

std::string action_name(SeccompAction action) {
  switch (action) {
    case SeccompAction::kKillThread:
      return "SCMP_ACT_KILL_THREAD";
    case SeccompAction::kKillProcess:
      return "SCMP_ACT_KILL_PROCESS";
    case SeccompAction::kTrap:
      return "SCMP_ACT_TRAP";
    case SeccompAction::kErrno:
      return "SCMP_ACT_ERRNO";
    case SeccompAction::kTrace:
      return "SCMP_ACT_TRACE";
    case SeccompAction::kAllow:
      return "SCMP_ACT_ALLOW";
    case SeccompAction::kLog:
      return "SCMP_ACT_LOG";
    case SeccompAction::kNotify:
      return "SCMP_ACT_NOTIFY";
  }
  return {};
}

std::string operator_name(SeccompOperator op) {
  switch (op) {
    case SeccompOperator::kNe:
      return "SCMP_CMP_NE";
    case SeccompOperator::kLt:
      return "SCMP_CMP_LT";
    case SeccompOperator::kLe:
      return "SCMP_CMP_LE";
    case SeccompOperator::kEq:
      return "SCMP_CMP_EQ";
    case SeccompOperator::kGe:
      return "SCMP_CMP_GE";
    case SeccompOperator::kGt:
      return "SCMP_CMP_GT";
    case SeccompOperator::kMaskedEq:
      return "SCMP_CMP_MASKED_EQ";
  }
  return {};
}

}  // namespace

void put(JsonWriter& out, const SeccompArg& value) {
  out.begin_object();
  member(out, "index", value.index);
  member(out, "value", value.value);
  if (value.value_two != 0) member(out, "valueTwo", value.value_two);
  member(out, "op", operator_name(value.op));
  out.end_object();
}

void put(JsonWriter& out, const SeccompSyscall& value) {
  out.begin_object();
  member(out, "names", value.names);
  member(out, "action", action_name(value.action));
  given(out, "errnoRet", value.errno_ret);
  given(out, "args", value.args);
  out.end_object();
}

void put(JsonWriter& out, const Seccomp& value) {
  out.begin_object();
  member(out, "defaultAction", action_name(value.default_action));
  given(out, "defaultErrnoRet", value.default_errno_ret);
  given(out, "architectures", value.architectures);
  given(out, "flags", value.flags);
  given(out, "listenerPath", value.listener_path);
  given(out, "listenerMetadata", value.listener_metadata);
  given(out, "syscalls", value.syscalls);
  out.end_object();
}

void put(JsonWriter& out, const TimeOffset& value) {
  out.begin_object();
  member(out, "secs", value.secs);
  member(out, "nanosecs", value.nanosecs);
  out.end_object();
}

void put(JsonWriter& out, const User& value) {
  out.begin_object();
  member(out, "uid", value.uid);
  member(out, "gid", value.gid);
  given(out, "umask", value.umask);
  given(out, "additionalGids", value.additional_gids);
  out.end_object();
}

void put(JsonWriter& out, const ConsoleSize& value) {
  out.begin_object();
  member(out, "height", value.height);
  member(out, "width", value.width);
  out.end_object();
}

void put(JsonWriter& out, const Capabilities& value) {
  out.begin_object();
  given(out, "bounding", value.bounding);
  given(out, "effective", value.effective);
  given(out, "inheritable", value.inheritable);
  given(out, "permitted", value.permitted);
  given(out, "ambient", value.ambient);
  out.end_object();
}

void put(JsonWriter& out, const Scheduler& value) {
  out.begin_object();
  member(out, "policy", value.policy);
  member(out, "nice", value.nice);
  member(out, "priority", value.priority);
  given(out, "flags", value.flags);
  member(out, "runtime", value.runtime);
  member(out, "deadline", value.deadline);
  member(out, "period", value.period);
  out.end_object();
}

void put(JsonWriter& out, const IoPriority& value) {
  out.begin_object();
  member(out, "class", value.io_class);
  member(out, "priority", value.priority);
  out.end_object();
}

void put(JsonWriter& out, const CpuAffinity& value) {
  out.begin_object();
  given(out, "initial", value.initial);
  given(out, "final", value.final);
  out.end_object();
}

void put(JsonWriter& out, const Process& value) {
  out.begin_object();
  given(out, "terminal", value.terminal);
  given(out, "consoleSize", value.console_size);
  member(out, "user", value.user);
  given(out, "args", value.args);
  given(out, "env", value.env);
  member(out, "cwd", value.cwd);
  given(out, "capabilities", value.capabilities);
  given(out, "rlimits", value.rlimits);
  given(out, "noNewPrivileges", value.no_new_privileges);
  given(out, "apparmorProfile", value.apparmor_profile);
  given(out, "oomScoreAdj", value.oom_score_adj);
  given(out, "scheduler", value.scheduler);
  given(out, "selinuxLabel", value.selinux_label);
  given(out, "ioPriority", value.io_priority);
  given(out, "execCPUAffinity", value.exec_cpu_affinity);
  out.end_object();
}

void put(JsonWriter& out, const IntelRdt& value) {
  out.begin_object();
  given(out, "closID", value.clos_id);
  given(out, "schemata", value.schemata);
  given(out, "l3CacheSchema", value.l3_cache_schema);
  given(out, "memBwSchema", value.mem_bw_schema);
  given(out, "enableMonitoring", value.enable_monitoring);
  out.end_object();
}

void put(JsonWriter& out, const MemoryPolicy& value) {
  out.begin_object();
  member(out, "mode", value.mode);
  given(out, "nodes", value.nodes);
  given(out, "flags", value.flags);
  out.end_object();
}

void put(JsonWriter& out, const Personality& value) {
  out.begin_object();
  member(out, "domain", value.domain);
  given(out, "flags", value.flags);
  out.end_object();
}

namespace {

std::string propagation_name(const Linux& value) {
  std::string name = value.rootfs_propagation_recursive ? "r" : "";
  switch (*value.rootfs_propagation) {
    case Propagation::kPrivate:
      return name + "private";
    case Propagation::kShared:
      return name + "shared";
    case Propagation::kSlave:
      return name + "slave";
    case Propagation::kUnbindable:
      return name + "unbindable";
  }
  return name;
}

void put_net_devices(JsonWriter& out, const StringMap& devices) {
  if (devices.empty()) return;
  out.key("netDevices").begin_object();
  for (const auto& [device, name] : devices) {
    out.key(device).begin_object();
    given(out, "name", name);
    out.end_object();
  }
  out.end_object();
}

void put_linux(JsonWriter& out, const Linux& value, std::string_view seccomp) {
  out.key("linux").begin_object();
  given(out, "uidMappings", value.uid_mappings);
  given(out, "gidMappings", value.gid_mappings);
  given(out, "sysctl", value.sysctl);
  given(out, "resources", value.resources);
  given(out, "cgroupsPath", value.cgroups_path);
  given(out, "namespaces", value.namespaces);
  given(out, "devices", value.devices);
  put_net_devices(out, value.net_devices);
  if (!seccomp.empty()) {
    out.key("seccomp").raw(seccomp);
  } else {
    given(out, "seccomp", value.seccomp);
  }
  if (value.rootfs_propagation) member(out, "rootfsPropagation", propagation_name(value));
  given(out, "maskedPaths", value.masked_paths);
  given(out, "readonlyPaths", value.readonly_paths);
  given(out, "mountLabel", value.mount_label);
  given(out, "intelRdt", value.intel_rdt);
  given(out, "memoryPolicy", value.memory_policy);
  given(out, "personality", value.personality);
  given(out, "timeOffsets", value.time_offsets);
  out.end_object();
}

void put_hooks(JsonWriter& out, const Hooks& hooks) {
  bool any = !hooks.prestart.empty() || !hooks.create_runtime.empty() ||
             !hooks.create_container.empty() || !hooks.start_container.empty() ||
             !hooks.poststart.empty() || !hooks.poststop.empty();
  if (!any) return;
  out.key("hooks").begin_object();
  given(out, "prestart", hooks.prestart);
  given(out, "createRuntime", hooks.create_runtime);
  given(out, "createContainer", hooks.create_container);
  given(out, "startContainer", hooks.start_container);
  given(out, "poststart", hooks.poststart);
  given(out, "poststop", hooks.poststop);
  out.end_object();
}

}  // namespace

std::string config_json(const Config& config, std::string_view seccomp) {
  JsonWriter out;
  out.begin_object();
  member(out, "ociVersion", config.oci_version);
  given(out, "process", config.process);
  if (config.root) {
    out.key("root").begin_object();
    member(out, "path", config.root->path);
    given(out, "readonly", config.root->readonly);
    out.end_object();
  }
  given(out, "hostname", config.hostname);
  given(out, "domainname", config.domainname);
  given(out, "mounts", config.mounts);
  put_hooks(out, config.hooks);
  given(out, "annotations", config.annotations);
  put_linux(out, config.linux, seccomp);
  out.end_object();
  return out.text();
}

namespace {

template <typename Value>
std::string json_text(const Value& value) {
  JsonWriter out;
  put(out, value);
  return out.text();
}

}  // namespace

std::string process_json(const Process& process) { return json_text(process); }
std::string resources_json(const Resources& resources) { return json_text(resources); }
std::string seccomp_json(const Seccomp& seccomp) { return json_text(seccomp); }

}  // namespace dhow::oci
