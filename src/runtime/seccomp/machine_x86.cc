// SPDX-License-Identifier: Apache-2.0
#include <linux/audit.h>

#include "runtime/seccomp/machine.h"
#include "runtime/seccomp/name_index.h"

namespace dhow::seccomp {
namespace {

struct TableLine {
  std::string_view name;
  std::int32_t x86_64;
  std::int32_t i386;
  std::int32_t x32;
  std::uint8_t subcall;
};

constexpr TableLine kTable[] = {
#include "runtime/seccomp/syscalls_x86.inc"
};

constexpr auto kRows = [] {
  std::array<SyscallRow, std::size(kTable)> rows;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const TableLine& line = kTable[i];
    rows[i] = {line.name, {line.x86_64, line.i386, line.x32}, line.subcall};
  }
  return rows;
}();

constexpr NameIndex kIndex(kRows);

const SyscallRow* find_row(std::string_view name) { return kIndex.find(kRows, name); }

constexpr std::uint32_t kX32Bit = 0x40000000;  // __X32_SYSCALL_BIT

// x32 counts as narrow because libseccomp compares only the low halves there.
constexpr Abi kAbis[] = {
    {.name = "SCMP_ARCH_X86_64", .audit_arch = AUDIT_ARCH_X86_64, .wide = true},
    {.name = "SCMP_ARCH_X86",
     .audit_arch = AUDIT_ARCH_I386,
     .wide = false,
     .socketcall = 102,
     .ipc = 117},
    {.name = "SCMP_ARCH_X32",
     .audit_arch = AUDIT_ARCH_X86_64,
     .wide = false,
     .number_bit = kX32Bit},
};

}  // namespace

constexpr Machine kX86Machine{kAbis, find_row, kRows};

}  // namespace dhow::seccomp
