// SPDX-License-Identifier: Apache-2.0
#include "engine/spec/capabilities.h"

#include <sys/prctl.h>

#include <algorithm>

#include "base/strings.h"

namespace dhow::engine {
namespace {

// In the order of their numbers (linux/capability.h).
constexpr std::string_view kNames[] = {"CAP_CHOWN",
                                       "CAP_DAC_OVERRIDE",
                                       "CAP_DAC_READ_SEARCH",
                                       "CAP_FOWNER",
                                       "CAP_FSETID",
                                       "CAP_KILL",
                                       "CAP_SETGID",
                                       "CAP_SETUID",
                                       "CAP_SETPCAP",
                                       "CAP_LINUX_IMMUTABLE",
                                       "CAP_NET_BIND_SERVICE",
                                       "CAP_NET_BROADCAST",
                                       "CAP_NET_ADMIN",
                                       "CAP_NET_RAW",
                                       "CAP_IPC_LOCK",
                                       "CAP_IPC_OWNER",
                                       "CAP_SYS_MODULE",
                                       "CAP_SYS_RAWIO",
                                       "CAP_SYS_CHROOT",
                                       "CAP_SYS_PTRACE",
                                       "CAP_SYS_PACCT",
                                       "CAP_SYS_ADMIN",
                                       "CAP_SYS_BOOT",
                                       "CAP_SYS_NICE",
                                       "CAP_SYS_RESOURCE",
                                       "CAP_SYS_TIME",
                                       "CAP_SYS_TTY_CONFIG",
                                       "CAP_MKNOD",
                                       "CAP_LEASE",
                                       "CAP_AUDIT_WRITE",
                                       "CAP_AUDIT_CONTROL",
                                       "CAP_SETFCAP",
                                       "CAP_MAC_OVERRIDE",
                                       "CAP_MAC_ADMIN",
                                       "CAP_SYSLOG",
                                       "CAP_WAKE_ALARM",
                                       "CAP_BLOCK_SUSPEND",
                                       "CAP_AUDIT_READ",
                                       "CAP_PERFMON",
                                       "CAP_BPF",
                                       "CAP_CHECKPOINT_RESTORE"};

constexpr std::string_view kDefault[] = {
    "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
    "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
    "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
    "CAP_KILL",    "CAP_AUDIT_WRITE"};

constexpr std::string_view kAll = "ALL";

bool has_name(const auto& list, std::string_view name) {
  return std::ranges::find(list, name) != std::end(list);
}

Result<std::vector<std::string>> normalized(const std::vector<std::string>& names,
                                            std::string_view field) {
  std::vector<std::string> result;
  for (const std::string& text : names) {
    std::string name = capability_name(text);
    if (name != kAll && !has_name(kNames, name)) {
      return fail(Code::kInvalidArgument,
                  cat("invalid ", field, ": unknown capability: ", quoted(name)));
    }
    if (name != kAll && !has_name(all_capabilities(), name)) {
      return fail(Code::kInvalidArgument, cat("invalid ", field,
                                              ": capability not supported by your kernel or not "
                                              "available in the current environment: ",
                                              quoted(name)));
    }
    result.push_back(std::move(name));
  }
  return result;
}

}  // namespace

const std::vector<std::string>& all_capabilities() {
  static const std::vector<std::string> kAvailable = [] {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < std::size(kNames); ++i) {
      if (::prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1) names.emplace_back(kNames[i]);
    }
    return names;
  }();
  return kAvailable;
}

std::string capability_name(std::string_view text) {
  std::string name = upper_text(text);
  return name == kAll || name.starts_with("CAP_") ? name : cat("CAP_", name);
}

Result<std::vector<std::string>> container_capabilities(const std::vector<std::string>& add,
                                                        const std::vector<std::string>& drop,
                                                        bool privileged) {
  TRY_ASSIGN(std::vector<std::string> added, normalized(add, "CapAdd"));
  TRY_ASSIGN(std::vector<std::string> dropped, normalized(drop, "CapDrop"));
  if (privileged) return all_capabilities();
  std::vector<std::string> result;
  if (has_name(added, kAll)) {
    for (const std::string& name : all_capabilities()) {
      if (!has_name(dropped, name)) result.push_back(name);
    }
    return result;
  }
  if (!has_name(dropped, kAll)) {
    for (std::string_view name : kDefault) {
      if (!has_name(dropped, name) && has_name(all_capabilities(), name)) result.emplace_back(name);
    }
  }
  for (std::string& name : added) {
    if (!has_name(result, name)) result.push_back(std::move(name));
  }
  return result;
}

}  // namespace dhow::engine
