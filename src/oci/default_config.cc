// SPDX-License-Identifier: Apache-2.0
#include <span>

#include "oci/config_codec.h"
#include "oci/json.h"
#include "oci/state.h"

namespace dhow::oci {
namespace {

using Names = std::span<const std::string_view>;

constexpr std::string_view kEnvironment[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"};

constexpr std::string_view kCapabilities[] = {"CAP_AUDIT_WRITE", "CAP_KILL",
                                              "CAP_NET_BIND_SERVICE"};

constexpr std::string_view kMaskedPaths[] = {
    "/proc/acpi",          "/proc/asound",     "/proc/kcore",       "/proc/keys",
    "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
    "/proc/scsi",          "/sys/firmware"};

constexpr std::string_view kReadonlyPaths[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                               "/proc/sysrq-trigger"};

constexpr std::string_view kDevOptions[] = {"nosuid", "strictatime", "mode=755", "size=65536k"};
constexpr std::string_view kPtsOptions[] = {"nosuid",        "noexec",    "newinstance",
                                            "ptmxmode=0666", "mode=0620", "gid=5"};
constexpr std::string_view kShmOptions[] = {"nosuid", "noexec", "nodev", "mode=1777",
                                            "size=65536k"};
constexpr std::string_view kMqueueOptions[] = {"nosuid", "noexec", "nodev"};
constexpr std::string_view kSysOptions[] = {"nosuid", "noexec", "nodev", "ro"};
constexpr std::string_view kSysBindOptions[] = {"rbind", "nosuid", "noexec", "nodev", "ro"};
constexpr std::string_view kCgroupOptions[] = {"nosuid", "noexec", "nodev", "relatime", "ro"};

void write_names(JsonWriter& json, std::string_view key, Names names) {
  json.key(key).begin_array();
  for (std::string_view name : names) json.string(name);
  json.end_array();
}

void write_process(JsonWriter& json) {
  static constexpr std::string_view kShell[] = {"sh"};
  json.key("process").begin_object();
  json.member_boolean("terminal", true);
  json.key("user").begin_object().member_number("uid", 0).member_number("gid", 0).end_object();
  write_names(json, "args", kShell);
  write_names(json, "env", kEnvironment);
  json.member("cwd", "/");
  // Neither inheritable nor ambient: a program of another user does not get them by exec.
  json.key("capabilities").begin_object();
  write_names(json, "bounding", kCapabilities);
  write_names(json, "effective", kCapabilities);
  write_names(json, "permitted", kCapabilities);
  json.end_object();
  json.key("rlimits").begin_array().begin_object();
  json.member("type", "RLIMIT_NOFILE").member_number("hard", 1024).member_number("soft", 1024);
  json.end_object().end_array();
  json.member_boolean("noNewPrivileges", true);
  json.end_object();
}

void write_mount(JsonWriter& json, std::string_view destination, std::string_view type,
                 std::string_view source, Names options) {
  json.begin_object();
  json.member("destination", destination).member("type", type).member("source", source);
  if (!options.empty()) write_names(json, "options", options);
  json.end_object();
}

void write_mounts(JsonWriter& json, bool rootless) {
  json.key("mounts").begin_array();
  write_mount(json, "/proc", "proc", "proc", {});
  write_mount(json, "/dev", "tmpfs", "tmpfs", kDevOptions);
  // A single mapped id leaves no group 5 for the terminals.
  Names pts(kPtsOptions);
  write_mount(json, "/dev/pts", "devpts", "devpts", rootless ? pts.first(pts.size() - 1) : pts);
  write_mount(json, "/dev/shm", "tmpfs", "shm", kShmOptions);
  write_mount(json, "/dev/mqueue", "mqueue", "mqueue", kMqueueOptions);
  // A new sysfs needs a network namespace of one's own.
  if (rootless) {
    write_mount(json, "/sys", "none", "/sys", kSysBindOptions);
  } else {
    write_mount(json, "/sys", "sysfs", "sysfs", kSysOptions);
  }
  write_mount(json, "/sys/fs/cgroup", "cgroup", "cgroup", kCgroupOptions);
  json.end_array();
}

void write_mapping(JsonWriter& json, std::string_view key, unsigned id) {
  json.key(key).begin_array().begin_object();
  json.member_number("containerID", 0).member_number("hostID", id).member_number("size", 1);
  json.end_object().end_array();
}

void write_namespaces(JsonWriter& json, bool rootless, bool cgroup2) {
  json.key("namespaces").begin_array();
  auto add = [&](NamespaceType type) {
    json.begin_object().member("type", namespace_name(type)).end_object();
  };
  add(NamespaceType::kPid);
  if (!rootless) add(NamespaceType::kNetwork);
  add(NamespaceType::kIpc);
  add(NamespaceType::kUts);
  add(NamespaceType::kMount);
  if (cgroup2) add(NamespaceType::kCgroup);
  if (rootless) add(NamespaceType::kUser);
  json.end_array();
}

}  // namespace

std::string default_config_json(bool rootless, unsigned uid, unsigned gid, bool cgroup2) {
  JsonWriter json("\t");
  json.begin_object();
  json.member("ociVersion", kOciVersion);
  write_process(json);
  json.key("root").begin_object();
  json.member("path", "rootfs").member_boolean("readonly", true).end_object();
  json.member("hostname", "dhow");
  write_mounts(json, rootless);
  json.key("linux").begin_object();
  if (rootless) {
    write_mapping(json, "uidMappings", uid);
    write_mapping(json, "gidMappings", gid);
  } else {
    json.key("resources").begin_object().key("devices").begin_array().begin_object();
    json.member_boolean("allow", false).member("access", "rwm");
    json.end_object().end_array().end_object();
  }
  write_namespaces(json, rootless, cgroup2);
  write_names(json, "maskedPaths", kMaskedPaths);
  write_names(json, "readonlyPaths", kReadonlyPaths);
  json.end_object().end_object();
  return json.text() + "\n";
}

}  // namespace dhow::oci
