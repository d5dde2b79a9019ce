// SPDX-License-Identifier: Apache-2.0
#include <linux/audit.h>

#include "runtime/seccomp/machine.h"
#include "runtime/seccomp/name_index.h"

namespace dhow::seccomp {
namespace {

struct TableLine {
  std::string_view name;
  std::int32_t aarch64;
  std::int32_t arm;
};

constexpr TableLine kTable[] = {
#include "runtime/seccomp/syscalls_arm.inc"
};

constexpr auto kRows = [] {
  std::array<SyscallRow, std::size(kTable)> rows;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i] = {kTable[i].name, {kTable[i].aarch64, kTable[i].arm, -1}, 0};
  }
  return rows;
}();

constexpr NameIndex kIndex(kRows);

const SyscallRow* find_row(std::string_view name) { return kIndex.find(kRows, name); }

constexpr Abi kAbis[] = {
    {.name = "SCMP_ARCH_AARCH64", .audit_arch = AUDIT_ARCH_AARCH64, .wide = true},
    {.name = "SCMP_ARCH_ARM",
     .audit_arch = AUDIT_ARCH_ARM,
     .wide = false,
     .private_base = 0xf0000},  // __ARM_NR_BASE
};

}  // namespace

constexpr Machine kArmMachine{kAbis, find_row, kRows};

}  // namespace dhow::seccomp
