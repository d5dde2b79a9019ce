// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/names.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <iterator>

#include "runtime/seccomp/seccomp.h"

namespace dhow::seccomp {
namespace {

// All sorted, as the features document shows them.
constexpr std::string_view kActions[] = {
    "SCMP_ACT_ALLOW",        "SCMP_ACT_ERRNO",       "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",       "SCMP_ACT_TRACE",       "SCMP_ACT_TRAP",
};

constexpr std::string_view kOperators[] = {
    "SCMP_CMP_EQ", "SCMP_CMP_GE",        "SCMP_CMP_GT", "SCMP_CMP_LE",
    "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE",
};

constexpr std::string_view kArchitectures[] = {
    "SCMP_ARCH_AARCH64",  "SCMP_ARCH_ARM",         "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K",
    "SCMP_ARCH_MIPS",     "SCMP_ARCH_MIPS64",      "SCMP_ARCH_MIPS64N32",   "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PARISC",      "SCMP_ARCH_PARISC64",
    "SCMP_ARCH_PPC",      "SCMP_ARCH_PPC64",       "SCMP_ARCH_PPC64LE",     "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_S390",     "SCMP_ARCH_S390X",       "SCMP_ARCH_SH",          "SCMP_ARCH_SHEB",
    "SCMP_ARCH_X32",      "SCMP_ARCH_X86",         "SCMP_ARCH_X86_64",
};

struct Flag {
  std::string_view name;
  unsigned bit;
};

constexpr Flag kFlags[] = {
    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    {"SECCOMP_FILTER_FLAG_TSYNC", 0},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
};

}  // namespace

bool is_architecture(std::string_view name) {
  return std::ranges::find(kArchitectures, name) != std::end(kArchitectures);
}

std::optional<unsigned> flag_bit(std::string_view name) {
  for (const Flag& flag : kFlags) {
    if (flag.name == name) return flag.bit;
  }
  return std::nullopt;
}

std::vector<std::string> known_actions() { return {std::begin(kActions), std::end(kActions)}; }

std::vector<std::string> known_operators() {
  return {std::begin(kOperators), std::end(kOperators)};
}

std::vector<std::string> known_architectures() {
  return {std::begin(kArchitectures), std::end(kArchitectures)};
}

std::vector<std::string> known_flags() {
  std::vector<std::string> names;
  for (const Flag& flag : kFlags) names.emplace_back(flag.name);
  return names;
}

}  // namespace dhow::seccomp
