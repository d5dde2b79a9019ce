// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "oci/validate.h"
#include "oci/validate_parts.h"

namespace dhow::oci {
namespace {

constexpr std::size_t kMaxInterfaceName = 15;  // IFNAMSIZ, less its NUL

Status check_devices(const std::vector<Device>& devices) {
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const Device& device = devices[i];
    if (!is_absolute(device.path)) {
      return invalid(cat("$.linux.devices[", i, "].path"),
                     cat(quoted(device.path), " is not absolute"));
    }
    if (device.type == 'p') continue;
    if (device.major < 0) {
      return invalid(cat("$.linux.devices[", i, "].major"), "must not be negative");
    }
    if (device.minor < 0) {
      return invalid(cat("$.linux.devices[", i, "].minor"), "must not be negative");
    }
  }
  return {};
}

// As dev_valid_name() of the kernel has it; "%d" stands for a number that the kernel picks.
bool is_interface_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxInterfaceName && name != "." && name != ".." &&
         name.find_first_of("/: \t\r\n\v\f") == std::string_view::npos;
}

Status check_net_devices(const Config& config) {
  const StringMap& devices = config.linux.net_devices;
  if (devices.empty()) return {};
  if (config.linux.find_namespace(NamespaceType::kNetwork) == nullptr) {
    return invalid("$.linux.netDevices", "needs a network namespace");
  }
  std::vector<std::string_view> targets;
  for (const auto& [name, renamed] : devices) {
    std::string_view target = renamed.empty() ? name : renamed;
    for (std::string_view text : {std::string_view(name), target}) {
      if (!is_interface_name(text)) {
        return invalid("$.linux.netDevices", cat(quoted(text), " is no name of a network device"));
      }
    }
    if (std::ranges::find(targets, target) != targets.end() && !target.contains('%')) {
      return invalid("$.linux.netDevices", cat("two devices are to be named ", quoted(target)));
    }
    targets.push_back(target);
  }
  return {};
}

Status check_paths(const std::vector<std::string>& paths, bool own_mounts, std::string_view name) {
  if (!paths.empty() && !own_mounts) return invalid(name, "needs a mount namespace");
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (!is_absolute(paths[i])) {
      return invalid(cat(name, "[", i, "]"), cat(quoted(paths[i]), " is not absolute"));
    }
  }
  return {};
}

// The id is the name of a folder of resctrl, or "/" for the default group.
Status check_intel_rdt(const IntelRdt& rdt) {
  const std::string& id = rdt.clos_id;
  if (id == "." || id == ".." || (id != "/" && id.find('/') != std::string::npos)) {
    return invalid("$.linux.intelRdt.closID", cat(quoted(id), " is no name of a folder"));
  }
  for (std::size_t i = 0; i < rdt.schemata.size(); ++i) {
    if (rdt.schemata[i].find('\n') != std::string::npos) {
      return invalid(cat("$.linux.intelRdt.schemata[", i, "]"), "more than one line");
    }
  }
  const std::string& bandwidth = rdt.mem_bw_schema;
  if (!bandwidth.empty() &&
      (!bandwidth.starts_with("MB:") || bandwidth.find('\n') != std::string::npos)) {
    return invalid("$.linux.intelRdt.memBwSchema",
                   cat(quoted(bandwidth), " is no line that starts with \"MB:\""));
  }
  return {};
}

constexpr std::string_view kMemoryFlags[] = {"MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES",
                                             "MPOL_F_STATIC_NODES"};

// Which modes take nodes, as set_mempolicy(2) has it.
enum class Nodes { kNone, kSome, kAny };
struct MemoryMode {
  std::string_view name;
  Nodes nodes;
};
constexpr MemoryMode kMemoryModes[] = {
    {"MPOL_DEFAULT", Nodes::kNone},
    {"MPOL_LOCAL", Nodes::kNone},
    {"MPOL_BIND", Nodes::kSome},
    {"MPOL_INTERLEAVE", Nodes::kSome},
    {"MPOL_WEIGHTED_INTERLEAVE", Nodes::kSome},
    {"MPOL_PREFERRED", Nodes::kAny},
    {"MPOL_PREFERRED_MANY", Nodes::kSome},
};

Status check_memory_flags(const MemoryPolicy& policy, Nodes nodes) {
  const auto& flags = policy.flags;
  for (std::size_t i = 0; i < flags.size(); ++i) {
    if (!is_one_of(flags[i], kMemoryFlags)) {
      return invalid(cat("$.linux.memoryPolicy.flags[", i, "]"),
                     cat("unknown memory policy flag ", quoted(flags[i])));
    }
  }
  auto has = [&](std::string_view flag) { return std::ranges::find(flags, flag) != flags.end(); };
  if (!flags.empty() && nodes == Nodes::kNone) {
    return invalid("$.linux.memoryPolicy.flags", cat(policy.mode, " takes no flags"));
  }
  if (has("MPOL_F_STATIC_NODES") && has("MPOL_F_RELATIVE_NODES")) {
    return invalid("$.linux.memoryPolicy.flags",
                   "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other");
  }
  if (has("MPOL_F_NUMA_BALANCING") && policy.mode != "MPOL_BIND" &&
      policy.mode != "MPOL_PREFERRED_MANY") {
    return invalid("$.linux.memoryPolicy.flags",
                   "MPOL_F_NUMA_BALANCING is only for MPOL_BIND and MPOL_PREFERRED_MANY");
  }
  return {};
}

Status check_memory_policy(const MemoryPolicy& policy) {
  if (policy.mode.empty()) return invalid("$.linux.memoryPolicy.mode", "required");
  const auto* mode = std::ranges::find(kMemoryModes, policy.mode, &MemoryMode::name);
  if (mode == std::end(kMemoryModes)) {
    return invalid("$.linux.memoryPolicy.mode",
                   cat("unknown memory policy mode ", quoted(policy.mode)));
  }
  if (!is_list(policy.nodes)) {
    return invalid("$.linux.memoryPolicy.nodes",
                   cat(quoted(policy.nodes), " is no list of memory nodes"));
  }
  if (mode->nodes == Nodes::kNone && !policy.nodes.empty()) {
    return invalid("$.linux.memoryPolicy.nodes", cat(policy.mode, " takes no nodes"));
  }
  if (mode->nodes == Nodes::kSome && policy.nodes.empty()) {
    return invalid("$.linux.memoryPolicy.nodes", cat(policy.mode, " needs nodes"));
  }
  return check_memory_flags(policy, mode->nodes);
}

Status check_personality(const Personality& personality) {
  if (personality.domain != "LINUX" && personality.domain != "LINUX32") {
    return invalid("$.linux.personality.domain",
                   cat("unknown personality domain ", quoted(personality.domain)));
  }
  if (!personality.flags.empty()) {
    log::warning("$.linux.personality.flags: ignored, the specification defines none");
  }
  return {};
}

}  // namespace

Status check_linux(const Config& config) {
  const Linux& os = config.linux;
  TRY(check_namespaces(config));
  TRY(check_devices(os.devices));
  TRY(check_net_devices(config));
  TRY(check_sysctls(config));
  if (os.seccomp) TRY(check_seccomp(*os.seccomp));
  bool own_mounts = os.find_namespace(NamespaceType::kMount) != nullptr;
  TRY(check_paths(os.masked_paths, own_mounts, "$.linux.maskedPaths"));
  TRY(check_paths(os.readonly_paths, own_mounts, "$.linux.readonlyPaths"));
  if (os.intel_rdt) TRY(check_intel_rdt(*os.intel_rdt));
  if (os.memory_policy) TRY(check_memory_policy(*os.memory_policy));
  if (os.personality) TRY(check_personality(*os.personality));
  return {};
}

}  // namespace dhow::oci
