// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace dhow::seccomp {

// Builds a classic BPF program from jumps to labels. All jumps go forward, and every jump names
// both of its targets. Conditional jumps reach 255 instructions only: where a target is farther,
// assemble() puts a nearer stepping stone behind the jump.
class Assembler {
 public:
  using Label = std::uint32_t;

  // A label to be placed later, once.
  Label new_label();
  // The label of "return `verdict`"; its code is added where it is needed.
  Label return_label(std::uint32_t verdict);
  // The next instruction is what `label` names.
  void place(Label label);

  // Loads the 32-bit word at `offset` of struct seccomp_data, unless it is known to be loaded.
  void load(std::uint32_t offset);
  // Keeps only the bits of `mask` of what is loaded.
  void bit_and(std::uint32_t mask);
  // `operation` is BPF_JEQ, BPF_JGT, BPF_JGE or BPF_JSET. What follows needs a placed label.
  void jump(std::uint16_t operation, std::uint32_t operand, Label if_true, Label if_false);

  // The program, to be called once. Fails when it has more than the BPF_MAXINSNS instructions that
  // the kernel takes.
  Result<std::vector<sock_filter>> assemble();

 private:
  struct Instruction {
    std::uint16_t code;
    std::uint32_t operand;
    Label if_true;  // both unused unless code is a jump
    Label if_false;
  };

  // What the accumulator holds where a label stands: an offset, or one of these.
  static constexpr std::uint32_t kNever = UINT32_MAX;        // no way leads here yet
  static constexpr std::uint32_t kUnknown = UINT32_MAX - 1;  // depends on the way
  static constexpr std::uint32_t kNowhere = UINT32_MAX;

  struct LabelState {
    bool is_return = false;
    std::uint32_t verdict = 0;
    std::uint32_t loaded = kNever;
    // While assembling, counted from the end of the program: the label itself, and the nearest way
    // to it.
    std::uint32_t home = kNowhere;
    std::uint32_t nearest = kNowhere;
  };

  struct Placement {
    std::uint32_t instruction;
    Label label;
  };

  static std::uint32_t meet(std::uint32_t one, std::uint32_t other);
  void reach(Label label, std::vector<sock_filter>& reversed);
  void emit_jump(const Instruction& instruction, std::vector<sock_filter>& reversed);

  std::vector<Instruction> code_;
  std::vector<LabelState> labels_;
  std::vector<Label> returns_;
  std::vector<Placement> placements_;  // in the order of the code
  std::uint32_t loaded_ = kUnknown;
};

}  // namespace dhow::seccomp
