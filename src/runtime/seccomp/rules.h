// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "runtime/seccomp/machine.h"

namespace dhow::seccomp {

// One comparison of one argument, unsigned.
struct Condition {
  std::uint8_t argument = 0;
  oci::SeccompOperator op = oci::SeccompOperator::kEq;
  std::uint64_t value = 0;
  std::uint64_t mask = UINT64_MAX;  // not full for kMaskedEq only; value has no bits outside of it

  bool operator==(const Condition&) const = default;
};

// A verdict (SECCOMP_RET_* with its data) for calls that meet all conditions.
struct Rule {
  std::uint32_t verdict = 0;
  std::vector<Condition> conditions;  // ascending by argument, each argument once
};

// That rule `rule` applies to call `number` of an ABI.
struct Assignment {
  std::uint32_t number;  // with the ABI's number_bit
  std::uint32_t rule;    // index into RuleSet::rules; ascends with the order of the profile
};

// A profile with names, architectures and actions resolved for one machine.
struct RuleSet {
  std::uint32_t default_verdict = 0;
  // Calls newer than the profile fail with ENOSYS; see `newest`.
  bool hide_newer_calls = false;
  bool notify = false;
  std::vector<Rule> rules;

  struct PerAbi {
    bool enabled = false;
    std::vector<Assignment> assignments;  // in the order of the profile
    // The highest number among the calls that the profile names, whatever becomes of the rule;
    // nullopt: it names none. The private calls of the machine have a row of their own.
    std::optional<std::uint32_t> newest;
    std::optional<std::uint32_t> newest_private;
  };
  std::array<PerAbi, kMaxAbis> abis;  // as Machine::abis
};

// Applies the rules of the specification and of runc: which names, actions and conditions count.
// Pure. Errors name the JSON path.
Result<RuleSet> resolve_rules(const oci::Seccomp& profile, const Machine& machine);

}  // namespace dhow::seccomp
