// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/decision.h"

#include <linux/filter.h>

#include <algorithm>

#include "runtime/seccomp/comparison.h"

namespace dhow::seccomp {
namespace {

using oci::SeccompOperator;

// Rank 4 of the order that decision.h describes.
int operator_rank(SeccompOperator op) {
  switch (op) {
    case SeccompOperator::kEq:
    case SeccompOperator::kNe:
    case SeccompOperator::kMaskedEq:
      return 3;
    case SeccompOperator::kLt:
    case SeccompOperator::kLe:
      return 2;
    case SeccompOperator::kGt:
    case SeccompOperator::kGe:
      return 1;
  }
  return 0;
}

// Rank 5.
bool value_before(SeccompOperator op, std::uint64_t one, std::uint64_t other) {
  return operator_rank(op) == 2 ? one < other : one > other;
}

// Ranks 3 to 5 for conditions that don't test the high half alike.
bool group_before(const Condition& one, const Condition& other) {
  if (one.argument != other.argument) return one.argument > other.argument;
  const int one_rank = operator_rank(one.op);
  const int other_rank = operator_rank(other.op);
  if (one_rank != other_rank) return one_rank > other_rank;
  return value_before(one.op, high_half(one.value), high_half(other.value));
}

// The conditions as an ABI of this width sees them, without those that always hold.
std::vector<Condition> narrowed(const std::vector<Condition>& conditions, bool wide) {
  std::vector<Condition> result;
  result.reserve(conditions.size());
  for (Condition condition : conditions) {
    if (!wide) {
      condition.mask &= UINT32_MAX;
      condition.value &= UINT32_MAX;
    }
    if (condition.mask != 0) result.push_back(condition);
  }
  return result;
}

}  // namespace

Decision::Decision(std::span<const Rule* const> rules, bool wide) : wide_(wide) {
  for (const Rule* rule : rules) {
    const std::vector<Condition> conditions = narrowed(rule->conditions, wide);
    if (conditions.empty()) {
      constant_ = rule->verdict;
      return;
    }
    add(conditions, rule->verdict);
  }
}

// Whether the same look at the high half serves both.
bool Decision::same_high_test(const Condition& one, const Condition& other) const {
  if (one.argument != other.argument || operator_rank(one.op) != operator_rank(other.op)) {
    return false;
  }
  if (!wide_) return true;
  return high_half(one.value) == high_half(other.value) &&
         high_half(one.mask) == high_half(other.mask) &&
         (one.op == SeccompOperator::kMaskedEq) == (other.op == SeccompOperator::kMaskedEq);
}

std::vector<Decision::Node>::iterator Decision::find_or_insert(std::vector<Node>& level,
                                                               const Condition& condition) const {
  const auto same = [&](const Node& node) { return same_high_test(node.condition, condition); };
  auto place = std::ranges::find_if(level, same);
  if (place != level.end()) {
    for (; place != level.end() && same(*place); ++place) {
      if (place->condition == condition) return place;
      if (value_before(condition.op, condition.value, place->condition.value)) break;
    }
  } else {
    place = std::ranges::find_if(
        level, [&](const Node& node) { return group_before(condition, node.condition); });
  }
  return level.insert(place, Node{condition, std::nullopt, {}});
}

void Decision::add(std::span<const Condition> conditions, std::uint32_t verdict) {
  std::vector<Node>* level = &roots_;
  for (std::size_t depth = 0;; ++depth) {
    // Every node takes an instruction or more, so the program is too long already. No use in
    // spending quadratic time on the rest.
    if (level->size() > BPF_MAXINSNS) return;
    const auto node = find_or_insert(*level, conditions[depth]);
    if (node->verdict) return;
    if (depth + 1 == conditions.size()) {
      node->verdict = verdict;
      node->children.clear();
      return;
    }
    level = &node->children;
  }
}

void Decision::emit(Assembler& assembler, Assembler::Label otherwise) const {
  emit_level(assembler, roots_, otherwise);
}

void Decision::emit_level(Assembler& assembler, std::span<const Node> level,
                          Assembler::Label otherwise) const {
  // Neighbours that compare the same argument for equality with values of the same high half (which
  // mostly is zero) have it checked once.
  const auto shares_high_half = [](const Node& one, const Node& other) {
    return one.condition.op == SeccompOperator::kEq && other.condition.op == SeccompOperator::kEq &&
           one.condition.argument == other.condition.argument &&
           high_half(one.condition.value) == high_half(other.condition.value);
  };
  for (std::size_t i = 0; i < level.size();) {
    std::size_t end = i + 1;
    while (wide_ && end < level.size() && shares_high_half(level[i], level[end])) ++end;
    const bool shared = end - i > 1;
    const Assembler::Label after = end < level.size() ? assembler.new_label() : otherwise;
    if (shared) {
      const Assembler::Label low = assembler.new_label();
      emit_high_half(assembler, level[i].condition.argument, high_half(level[i].condition.value),
                     low, after);
      assembler.place(low);
    }
    for (; i < end; ++i) {
      const Assembler::Label next = i + 1 < end ? assembler.new_label() : after;
      emit_node(assembler, level[i], next, shared);
      if (i + 1 < end) assembler.place(next);
    }
    if (end < level.size()) assembler.place(after);
  }
}

void Decision::emit_node(Assembler& assembler, const Node& node, Assembler::Label otherwise,
                         bool high_half_known) const {
  const Assembler::Label yes =
      node.verdict ? assembler.return_label(*node.verdict) : assembler.new_label();
  emit_condition(assembler, node.condition, wide_, high_half_known, yes, otherwise);
  if (node.verdict) return;
  assembler.place(yes);
  emit_level(assembler, node.children, otherwise);
}

}  // namespace dhow::seccomp
