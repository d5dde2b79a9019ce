// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "oci/validate_parts.h"

namespace dhow::oci {
namespace {

constexpr std::string_view kArchitectures[] = {
    "SCMP_ARCH_X86",         "SCMP_ARCH_X86_64",      "SCMP_ARCH_X32",     "SCMP_ARCH_ARM",
    "SCMP_ARCH_AARCH64",     "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K",    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",      "SCMP_ARCH_MIPS64N32",   "SCMP_ARCH_MIPSEL",  "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",         "SCMP_ARCH_PPC64",   "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_S390",        "SCMP_ARCH_S390X",       "SCMP_ARCH_SH",      "SCMP_ARCH_SHEB",
    "SCMP_ARCH_PARISC",      "SCMP_ARCH_PARISC64",    "SCMP_ARCH_RISCV64",
};

constexpr std::string_view kFlags[] = {
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
};

bool takes_errno(SeccompAction action) {
  return action == SeccompAction::kErrno || action == SeccompAction::kTrace;
}

Status check_names(const Seccomp& seccomp) {
  for (std::size_t i = 0; i < seccomp.architectures.size(); ++i) {
    if (!is_one_of(seccomp.architectures[i], kArchitectures)) {
      return invalid(cat("$.linux.seccomp.architectures[", i, "]"),
                     cat("unknown architecture ", quoted(seccomp.architectures[i])));
    }
  }
  const std::vector<std::string> none;
  const std::vector<std::string>& flags = seccomp.flags ? *seccomp.flags : none;
  for (std::size_t i = 0; i < flags.size(); ++i) {
    if (!is_one_of(flags[i], kFlags)) {
      return invalid(cat("$.linux.seccomp.flags[", i, "]"),
                     cat("unknown seccomp flag ", quoted(flags[i])));
    }
  }
  return {};
}

Status check_rule(const Seccomp& seccomp, std::size_t index) {
  const SeccompSyscall& rule = seccomp.syscalls[index];
  auto path = [&](std::string_view member) {
    return cat("$.linux.seccomp.syscalls[", index, "]", member);
  };
  if (rule.names.empty()) log::warning(cat(path(".names"), ": empty, the rule has no effect"));
  if (rule.errno_ret && !takes_errno(rule.action)) {
    return invalid(path(".errnoRet"), "only for SCMP_ACT_ERRNO and SCMP_ACT_TRACE");
  }
  if (rule.action != SeccompAction::kNotify) return {};
  // The notify descriptor is handed over with write after the filter is loaded: stopping there,
  // before anybody can answer, would never end.
  if (std::ranges::find(rule.names, "write") != rule.names.end()) {
    return invalid(path(""), "SCMP_ACT_NOTIFY cannot be used for the write syscall");
  }
  if (seccomp.listener_path.empty()) {
    return invalid("$.linux.seccomp.listenerPath", "required by SCMP_ACT_NOTIFY");
  }
  return {};
}

}  // namespace

Status check_seccomp(const Seccomp& seccomp) {
  if (seccomp.default_action == SeccompAction::kNotify) {
    return invalid("$.linux.seccomp.defaultAction",
                   "SCMP_ACT_NOTIFY cannot be used as default action");
  }
  if (seccomp.default_errno_ret && !takes_errno(seccomp.default_action)) {
    return invalid("$.linux.seccomp.defaultErrnoRet", "only for SCMP_ACT_ERRNO and SCMP_ACT_TRACE");
  }
  TRY(check_names(seccomp));
  if (!seccomp.listener_metadata.empty() && seccomp.listener_path.empty()) {
    return invalid("$.linux.seccomp.listenerMetadata", "needs listenerPath");
  }
  for (std::size_t i = 0; i < seccomp.syscalls.size(); ++i) TRY(check_rule(seccomp, i));
  return {};
}

}  // namespace dhow::oci
