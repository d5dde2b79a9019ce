// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/testing/bpf.h"

#include <cstring>

#include "base/strings.h"

namespace dhow::seccomp::testing {
namespace {

constexpr std::uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS;
constexpr std::uint16_t kAnd = BPF_ALU | BPF_AND | BPF_K;
constexpr std::uint16_t kReturn = BPF_RET | BPF_K;
constexpr std::uint16_t kJump = BPF_JMP | BPF_JA;

bool is_conditional(std::uint16_t code) {
  return code == (BPF_JMP | BPF_JEQ | BPF_K) || code == (BPF_JMP | BPF_JGT | BPF_K) ||
         code == (BPF_JMP | BPF_JGE | BPF_K) || code == (BPF_JMP | BPF_JSET | BPF_K);
}

bool holds(std::uint16_t code, std::uint32_t accumulator, std::uint32_t operand) {
  switch (BPF_OP(code)) {
    case BPF_JEQ:
      return accumulator == operand;
    case BPF_JGT:
      return accumulator > operand;
    case BPF_JGE:
      return accumulator >= operand;
    default:
      return (accumulator & operand) != 0;
  }
}

}  // namespace

std::string find_fault(std::span<const sock_filter> program) {
  if (program.empty() || program.size() > BPF_MAXINSNS) {
    return cat("it has ", program.size(), " instructions");
  }
  for (std::size_t i = 0; i < program.size(); ++i) {
    const sock_filter& instruction = program[i];
    const std::size_t after = program.size() - i - 1;
    if (instruction.code == kReturn) continue;
    if (after == 0) return "the last instruction is no return";
    if (instruction.code == kLoad) {
      if (instruction.k % 4 != 0 || instruction.k >= sizeof(seccomp_data)) {
        return cat("instruction ", i, " loads from ", instruction.k);
      }
    } else if (instruction.code == kJump) {
      if (instruction.k >= after) return cat("instruction ", i, " jumps beyond the end");
    } else if (is_conditional(instruction.code)) {
      if (instruction.jt >= after || instruction.jf >= after) {
        return cat("instruction ", i, " jumps beyond the end");
      }
    } else if (instruction.code != kAnd) {
      return cat("instruction ", i, " has the code ", instruction.code);
    }
  }
  return {};
}

std::optional<std::uint32_t> run(std::span<const sock_filter> program, const seccomp_data& data,
                                 unsigned* steps) {
  std::uint32_t accumulator = 0;
  for (std::size_t i = 0; i < program.size(); ++i) {
    const sock_filter& instruction = program[i];
    if (steps != nullptr) ++*steps;
    if (instruction.code == kReturn) return instruction.k;
    if (instruction.code == kLoad) {
      if (instruction.k > sizeof data - 4) return std::nullopt;
      memcpy(&accumulator, reinterpret_cast<const char*>(&data) + instruction.k, 4);
    } else if (instruction.code == kAnd) {
      accumulator &= instruction.k;
    } else if (instruction.code == kJump) {
      i += instruction.k;
    } else if (is_conditional(instruction.code)) {
      i += holds(instruction.code, accumulator, instruction.k) ? instruction.jt : instruction.jf;
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace dhow::seccomp::testing
