// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace dhow::seccomp {

// The most system call ABIs that one kernel serves (x86-64: its own, i386 and x32).
inline constexpr std::size_t kMaxAbis = 3;

// One system call ABI, as a filter sees it in struct seccomp_data.
struct Abi {
  std::string_view name;     // SCMP_ARCH_*
  std::uint32_t audit_arch;  // AUDIT_ARCH_*, in seccomp_data.arch
  bool wide;                 // arguments have 64 bits; otherwise the low 32 are compared
  // Set in each of the ABI's numbers: what tells x32 from x86-64, which share audit_arch.
  std::uint32_t number_bit = 0;
  // Numbers from here on are the machine's private calls (arm: 0xf0000), outside the common row.
  std::uint32_t private_base = 0;
  // The calls that multiplex the socket and the System V IPC calls by their first argument (i386);
  // 0: none.
  std::uint32_t socketcall = 0;
  std::uint32_t ipc = 0;
};

// One name and its number in each ABI of the machine.
struct SyscallRow {
  std::string_view name;
  std::array<std::int32_t, kMaxAbis> numbers;  // without number_bit; -1: the ABI has no such call
  std::uint8_t subcall = 0;  // of socketcall, or 100 + the subcall of ipc; 0: neither
};

// What a kernel can execute: its ABIs, the native one first.
struct Machine {
  std::span<const Abi> abis;
  // The row of a name, or nullptr for a name that the machine doesn't know. No allocation.
  const SyscallRow* (*find)(std::string_view name);
  std::span<const SyscallRow> rows;  // all of them, sorted by name
};

// Both are compiled everywhere so that both can be tested everywhere; the linker drops the one that
// a program doesn't use.
extern const Machine kX86Machine;
extern const Machine kArmMachine;

// The machine this program was built for.
inline const Machine& native_machine() {
#if defined(__x86_64__)
  return kX86Machine;
#elif defined(__aarch64__)
  return kArmMachine;
#else
#error "no system call table for this machine"
#endif
}

}  // namespace dhow::seccomp
