// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/comparison.h"

#include <linux/seccomp.h>

#include <bit>
#include <cstddef>
#include <utility>

namespace dhow::seccomp {
namespace {

using Label = Assembler::Label;
using oci::SeccompOperator;

// Every machine we run on is little endian: the low half comes first.
static_assert(std::endian::native == std::endian::little);

std::uint32_t low_offset(unsigned argument) {
  return static_cast<std::uint32_t>(offsetof(seccomp_data, args)) + argument * 8;
}

std::uint32_t high_offset(unsigned argument) { return low_offset(argument) + 4; }

void emit_masked(Assembler& assembler, std::uint32_t mask, std::uint32_t value, Label yes,
                 Label no) {
  if (mask == UINT32_MAX) {
    assembler.jump(BPF_JEQ, value, yes, no);
  } else if (value == 0) {
    assembler.jump(BPF_JSET, mask, no, yes);
  } else if (std::has_single_bit(mask)) {
    assembler.jump(BPF_JSET, mask, yes, no);
  } else {
    assembler.bit_and(mask);
    assembler.jump(BPF_JEQ, value, yes, no);
  }
}

// (argument & mask) == value; a half without bits in the mask always fits.
void emit_equal(Assembler& assembler, const Condition& condition, bool check_high, Label yes,
                Label no) {
  const std::uint32_t low_mask = low_half(condition.mask);
  if (check_high && high_half(condition.mask) != 0) {
    const Label low = low_mask != 0 ? assembler.new_label() : yes;
    assembler.load(high_offset(condition.argument));
    emit_masked(assembler, high_half(condition.mask), high_half(condition.value), low, no);
    if (low_mask == 0) return;
    assembler.place(low);
  }
  assembler.load(low_offset(condition.argument));
  emit_masked(assembler, low_mask, low_half(condition.value), yes, no);
}

// argument > value, or >= for BPF_JGE.
void emit_greater(Assembler& assembler, const Condition& condition, bool wide,
                  std::uint16_t operation, Label yes, Label no) {
  if (wide) {
    const std::uint32_t high = high_half(condition.value);
    const Label low = assembler.new_label();
    assembler.load(high_offset(condition.argument));
    if (high == 0) {
      assembler.jump(BPF_JGT, 0, yes, low);
    } else {
      const Label not_above = assembler.new_label();
      assembler.jump(BPF_JGT, high, yes, not_above);
      assembler.place(not_above);
      assembler.jump(BPF_JEQ, high, low, no);
    }
    assembler.place(low);
  }
  assembler.load(low_offset(condition.argument));
  assembler.jump(operation, low_half(condition.value), yes, no);
}

}  // namespace

void emit_condition(Assembler& assembler, const Condition& condition, bool wide,
                    bool high_half_known, Label yes, Label no) {
  switch (condition.op) {
    case SeccompOperator::kNe:
      std::swap(yes, no);
      [[fallthrough]];
    case SeccompOperator::kEq:
    case SeccompOperator::kMaskedEq:
      return emit_equal(assembler, condition, wide && !high_half_known, yes, no);
    case SeccompOperator::kLe:
      std::swap(yes, no);
      [[fallthrough]];
    case SeccompOperator::kGt:
      return emit_greater(assembler, condition, wide, BPF_JGT, yes, no);
    case SeccompOperator::kLt:
      std::swap(yes, no);
      [[fallthrough]];
    case SeccompOperator::kGe:
      return emit_greater(assembler, condition, wide, BPF_JGE, yes, no);
  }
}

void emit_high_half(Assembler& assembler, unsigned argument, std::uint32_t value, Label yes,
                    Label no) {
  assembler.load(high_offset(argument));
  assembler.jump(BPF_JEQ, value, yes, no);
}

}  // namespace dhow::seccomp
