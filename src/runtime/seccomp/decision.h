// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/seccomp/assembler.h"
#include "runtime/seccomp/rules.h"

namespace dhow::seccomp {

// What to do with one system call: its rules in the order in which they are tried, as a tree in
// which rules with the same first conditions share them.
//
// Where several rules fit a call, the order decides. It is libseccomp's, as far as that is defined:
//  1. A rule without conditions beats all others; of several such rules the first.
//  2. A rule whose conditions are the first conditions of another one beats that one.
//  3. Higher argument numbers come first (of the first condition that differs).
//  4. Then EQ, NE and MASKED_EQ; then LT and LE; then GT and GE.
//  5. Then the larger value; for LT and LE the smaller one. With 64 bits, the high half decides
//     first, and conditions that test it alike stay together; the low half orders those.
//  6. Then the order of the profile.
class Decision {
 public:
  // `wide`: see Abi::wide. The rules come in the order of the profile; at least one.
  Decision(std::span<const Rule* const> rules, bool wide);

  // The verdict, when it doesn't depend on the arguments.
  std::optional<std::uint32_t> constant() const { return constant_; }

  // Writes the code that decides, for constant() == nullopt; `otherwise` is for calls that no rule
  // fits. Nothing falls through.
  void emit(Assembler& assembler, Assembler::Label otherwise) const;

 private:
  struct Node {
    Condition condition;
    std::optional<std::uint32_t> verdict;  // set: there are no children
    std::vector<Node> children;
  };

  bool same_high_test(const Condition& one, const Condition& other) const;
  std::vector<Node>::iterator find_or_insert(std::vector<Node>& level,
                                             const Condition& condition) const;
  void add(std::span<const Condition> conditions, std::uint32_t verdict);
  void emit_level(Assembler& assembler, std::span<const Node> level,
                  Assembler::Label otherwise) const;
  void emit_node(Assembler& assembler, const Node& node, Assembler::Label otherwise,
                 bool high_half_known) const;

  bool wide_;
  std::optional<std::uint32_t> constant_;
  std::vector<Node> roots_;
};

}  // namespace dhow::seccomp
