// SPDX-License-Identifier: Apache-2.0
#include "oci/validate.h"
#include "oci/validate_parts.h"

namespace dhow::oci {
namespace {

Status check_user_namespace(const Linux& os) {
  const Namespace* user = os.find_namespace(NamespaceType::kUser);
  if (user == nullptr) {
    if (!os.uid_mappings.empty()) return invalid("$.linux.uidMappings", "needs a user namespace");
    if (!os.gid_mappings.empty()) return invalid("$.linux.gidMappings", "needs a user namespace");
    return {};
  }
  // A namespace that is joined has its mappings; whether they match these only the host can tell.
  if (user->path.empty()) {
    if (os.uid_mappings.empty()) {
      return invalid("$.linux.uidMappings", "required by a new user namespace");
    }
    if (os.gid_mappings.empty()) {
      return invalid("$.linux.gidMappings", "required by a new user namespace");
    }
  }
  TRY(check_mappings(os.uid_mappings, "$.linux.uidMappings"));
  return check_mappings(os.gid_mappings, "$.linux.gidMappings");
}

Status check_time_namespace(const Linux& os) {
  if (os.time_offsets.empty()) return {};
  const Namespace* time = os.find_namespace(NamespaceType::kTime);
  if (time == nullptr) return invalid("$.linux.timeOffsets", "needs a time namespace");
  if (!time->path.empty()) {
    return invalid("$.linux.timeOffsets", "the time namespace is not a new one");
  }
  for (const auto& [clock, offset] : os.time_offsets) {
    if (clock != "monotonic" && clock != "boottime") {
      return invalid("$.linux.timeOffsets", cat("unknown clock ", quoted(clock)));
    }
    if (offset.nanosecs > 999'999'999) {
      return invalid(cat("$.linux.timeOffsets.", clock, ".nanosecs"),
                     cat(offset.nanosecs, " is a second or more"));
    }
  }
  return {};
}

// The System V part of ipc_namespaces(7).
constexpr std::string_view kIpcSysctls[] = {
    "kernel/auto_msgmni",     "kernel/msg_next_id", "kernel/msgmax",      "kernel/msgmnb",
    "kernel/msgmni",          "kernel/sem",         "kernel/sem_next_id", "kernel/shm_next_id",
    "kernel/shm_rmid_forced", "kernel/shmall",      "kernel/shmmax",      "kernel/shmmni",
};

// The namespace that a sysctl belongs to; nullopt: to none, it would change the host.
std::optional<NamespaceType> namespace_of_sysctl(std::string_view file) {
  if (is_one_of(file, kIpcSysctls) || file.starts_with("fs/mqueue/")) return NamespaceType::kIpc;
  if (file.starts_with("net/")) return NamespaceType::kNetwork;
  if (file == "kernel/hostname" || file == "kernel/domainname") return NamespaceType::kUts;
  if (file.starts_with("user/")) return NamespaceType::kUser;
  return std::nullopt;
}

Status check_sysctl(const Config& config, const std::string& name) {
  auto fault = [&](std::string_view why) {
    return invalid(cat("$.linux.sysctl[", quoted(name), "]"), why);
  };
  std::string file = sysctl_file(name);
  if (file.empty()) return fault("no name of a sysctl");
  auto type = namespace_of_sysctl(file);
  if (!type) return fault("not in a namespace of its own, it would change the host");
  if (config.linux.find_namespace(*type) == nullptr) {
    return fault(cat("needs a namespace of type ", namespace_name(*type)));
  }
  if (file == "kernel/hostname" && !config.hostname.empty())
    return fault("conflicts with $.hostname");
  if (file == "kernel/domainname" && !config.domainname.empty()) {
    return fault("conflicts with $.domainname");
  }
  return {};
}

}  // namespace

std::string sysctl_file(std::string_view name) {
  std::string file(name);
  std::size_t first = file.find_first_of("./");
  if (first != std::string::npos && file[first] == '.') {
    for (char& c : file) c = c == '.' ? '/' : c == '/' ? '.' : c;
  }
  for (std::string_view part : split(file, '/')) {
    if (part.empty() || part == "." || part == "..") return "";
  }
  return file;
}

Status check_namespaces(const Config& config) {
  const auto& namespaces = config.linux.namespaces;
  for (std::size_t i = 0; i < namespaces.size(); ++i) {
    const Namespace& entry = namespaces[i];
    if (!entry.path.empty() && !is_absolute(entry.path)) {
      return invalid(cat("$.linux.namespaces[", i, "].path"),
                     cat(quoted(entry.path), " is not absolute"));
    }
    if (config.linux.find_namespace(entry.type) != &entry) {
      return invalid(cat("$.linux.namespaces[", i, "]"),
                     cat("a second namespace of type ", namespace_name(entry.type)));
    }
  }
  TRY(check_user_namespace(config.linux));
  return check_time_namespace(config.linux);
}

Status check_sysctls(const Config& config) {
  for (const auto& [name, value] : config.linux.sysctl) TRY(check_sysctl(config, name));
  return {};
}

}  // namespace dhow::oci
