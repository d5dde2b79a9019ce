// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/assembler.h"

#include <algorithm>

#include "base/strings.h"

namespace dhow::seccomp {
namespace {

constexpr std::uint32_t kFarthest = 255;  // jt and jf are bytes

sock_filter statement(unsigned code, std::uint32_t operand) {
  return {static_cast<std::uint16_t>(code), 0, 0, operand};
}

bool is_jump(std::uint16_t code) { return BPF_CLASS(code) == BPF_JMP; }

}  // namespace

Assembler::Label Assembler::new_label() {
  labels_.emplace_back();
  return static_cast<Label>(labels_.size() - 1);
}

Assembler::Label Assembler::return_label(std::uint32_t verdict) {
  for (Label label : returns_) {
    if (labels_[label].verdict == verdict) return label;
  }
  Label label = new_label();
  labels_[label].is_return = true;
  labels_[label].verdict = verdict;
  returns_.push_back(label);
  return label;
}

std::uint32_t Assembler::meet(std::uint32_t one, std::uint32_t other) {
  if (one == kNever || one == other) return other;
  return other == kNever ? one : kUnknown;
}

void Assembler::place(Label label) {
  placements_.push_back({static_cast<std::uint32_t>(code_.size()), label});
  loaded_ = meet(loaded_, labels_[label].loaded);
}

void Assembler::load(std::uint32_t offset) {
  if (loaded_ == offset) return;
  code_.push_back({BPF_LD | BPF_W | BPF_ABS, offset, 0, 0});
  loaded_ = offset;
}

void Assembler::bit_and(std::uint32_t mask) {
  code_.push_back({BPF_ALU | BPF_AND | BPF_K, mask, 0, 0});
  loaded_ = kUnknown;
}

void Assembler::jump(std::uint16_t operation, std::uint32_t operand, Label if_true,
                     Label if_false) {
  code_.push_back(
      {static_cast<std::uint16_t>(BPF_JMP | BPF_K | operation), operand, if_true, if_false});
  for (Label target : {if_true, if_false}) {
    labels_[target].loaded = meet(labels_[target].loaded, loaded_);
  }
  loaded_ = kNever;
}

// Makes sure that a copy of `label`'s code, or a jump to it, is within reach of the instruction
// that comes next (the program is put together backwards, so what follows it is known).
void Assembler::reach(Label label, std::vector<sock_filter>& reversed) {
  LabelState& state = labels_[label];
  const auto size = static_cast<std::uint32_t>(reversed.size());
  if (state.nearest != kNowhere && size - 1 - state.nearest <= kFarthest) return;
  if (state.is_return) {
    reversed.push_back(statement(BPF_RET | BPF_K, state.verdict));
  } else {
    reversed.push_back(statement(BPF_JMP | BPF_JA, size - 1 - state.home));
  }
  state.nearest = size;
}

void Assembler::emit_jump(const Instruction& instruction, std::vector<sock_filter>& reversed) {
  // The second stepping stone can push the first target out of reach, but not its stepping stone.
  reach(instruction.if_false, reversed);
  reach(instruction.if_true, reversed);
  reach(instruction.if_false, reversed);
  const auto distance = [&](Label label) {
    return static_cast<std::uint8_t>(reversed.size() - 1 - labels_[label].nearest);
  };
  reversed.push_back({instruction.code, distance(instruction.if_true),
                      distance(instruction.if_false), instruction.operand});
}

Result<std::vector<sock_filter>> Assembler::assemble() {
  std::vector<sock_filter> reversed;
  reversed.reserve(code_.size() + code_.size() / 4);
  std::size_t placed = placements_.size();
  for (std::size_t i = code_.size(); i-- > 0;) {
    const Instruction& instruction = code_[i];
    if (is_jump(instruction.code)) {
      emit_jump(instruction, reversed);
    } else {
      reversed.push_back(statement(instruction.code, instruction.operand));
    }
    for (; placed > 0 && placements_[placed - 1].instruction == i; --placed) {
      LabelState& state = labels_[placements_[placed - 1].label];
      state.home = state.nearest = static_cast<std::uint32_t>(reversed.size() - 1);
    }
  }
  if (reversed.size() > BPF_MAXINSNS) {
    return fail(Code::kResourceExhausted,
                cat("compile seccomp filter: it needs ", reversed.size(),
                    " instructions, and the kernel takes at most ", BPF_MAXINSNS));
  }
  std::ranges::reverse(reversed);
  return reversed;
}

}  // namespace dhow::seccomp
