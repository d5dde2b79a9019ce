// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include "base/strings.h"
#include "oci/json.h"
#include "oci/state.h"
#include "runtime/init/process_setup.h"
#include "runtime/intel_rdt.h"
#include "runtime/rootfs/rootfs.h"
#include "runtime/runtime.h"
#include "runtime/seccomp/seccomp.h"

namespace dhow::runtime {
namespace {

template <typename Names>
void write_names(oci::JsonWriter& json, std::string_view key, const Names& names) {
  json.key(key).begin_array();
  for (const auto& name : names) json.string(name);
  json.end_array();
}

void write_switch(oci::JsonWriter& json, std::string_view key, bool enabled) {
  json.key(key).begin_object().member_boolean("enabled", enabled).end_object();
}

void write_seccomp(oci::JsonWriter& json) {
  json.key("seccomp").begin_object();
  json.member_boolean("enabled", true);
  write_names(json, "actions", seccomp::known_actions());
  write_names(json, "operators", seccomp::known_operators());
  write_names(json, "archs", seccomp::known_architectures());
  write_names(json, "knownFlags", seccomp::known_flags());
  write_names(json, "supportedFlags", seccomp::supported_flags());
  json.end_object();
}

void write_rdt(oci::JsonWriter& json) {
  // What the runtime can do; whether this host has it shows when it is used.
  json.key("intelRdt").begin_object();
  json.member_boolean("enabled", true);
  json.member_boolean("schemata", true);
  json.member_boolean("monitoring", true);
  json.end_object();
}

void write_memory_policy(oci::JsonWriter& json) {
  static constexpr const char* kModes[] = {
      "MPOL_BIND",      "MPOL_DEFAULT",        "MPOL_INTERLEAVE",         "MPOL_LOCAL",
      "MPOL_PREFERRED", "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE"};
  static constexpr const char* kFlags[] = {"MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES",
                                           "MPOL_F_STATIC_NODES"};
  json.key("memoryPolicy").begin_object();
  write_names(json, "modes", kModes);
  write_names(json, "flags", kFlags);
  json.end_object();
}

void write_linux(oci::JsonWriter& json) {
  static constexpr const char* kNamespaces[] = {"cgroup", "ipc",  "mount", "network",
                                                "pid",    "time", "user",  "uts"};
  json.key("linux").begin_object();
  write_names(json, "namespaces", kNamespaces);
  write_names(json, "capabilities", init::known_capabilities());
  json.key("cgroup").begin_object();
  for (const char* key : {"v1", "v2", "systemd", "systemdUser", "rdma"}) {
    json.member_boolean(key, true);
  }
  json.end_object();
  write_seccomp(json);
  write_switch(json, "apparmor", true);
  write_switch(json, "selinux", true);
  write_rdt(json);
  write_memory_policy(json);
  json.key("mountExtensions").begin_object();
  write_switch(json, "idmap", true);
  json.end_object();
  write_switch(json, "netDevices", true);
  json.end_object();
}

}  // namespace

std::string features_json(const Context& context) {
  static constexpr const char* kHooks[] = {"prestart",       "createRuntime", "createContainer",
                                           "startContainer", "poststart",     "poststop"};
  static constexpr const char* kUnsafe[] = {"bundle", "org.systemd.property.", "org.criu.config",
                                            "run.oci.", "dhow."};
  oci::JsonWriter json("    ");
  json.begin_object();
  json.member("ociVersionMin", "1.0.0");
  json.member("ociVersionMax", oci::kOciVersion);
  write_names(json, "hooks", kHooks);
  write_names(json, "mountOptions", rootfs::known_mount_options());
  write_linux(json);
  json.key("annotations").begin_object();
  json.member("org.opencontainers.runc.checkpoint.enabled", "true");
  json.member("dhow.version", DHOW_VERSION);
  // Callers that look for runc's own key find the version that this program answers with.
  if (context.program_name == "runc") {
    json.member("org.opencontainers.runc.version", cat("1.4.0+dhow-", DHOW_VERSION));
  }
  json.end_object();
  write_names(json, "potentiallyUnsafeConfigAnnotations", kUnsafe);
  json.end_object();
  return json.text();
}

}  // namespace dhow::runtime
