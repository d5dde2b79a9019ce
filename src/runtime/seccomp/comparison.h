// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/seccomp/assembler.h"
#include "runtime/seccomp/rules.h"

namespace dhow::seccomp {

inline std::uint32_t low_half(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
inline std::uint32_t high_half(std::uint64_t value) {
  return static_cast<std::uint32_t>(value >> 32);
}

// Writes the test of one condition; control goes to one of the labels. `wide`: see Abi::wide.
// `high_half_known`: an equality whose high half has been found to match already.
void emit_condition(Assembler& assembler, const Condition& condition, bool wide,
                    bool high_half_known, Assembler::Label yes, Assembler::Label no);

// Writes the test that the high half of `argument` equals `value`.
void emit_high_half(Assembler& assembler, unsigned argument, std::uint32_t value,
                    Assembler::Label yes, Assembler::Label no);

}  // namespace dhow::seccomp
