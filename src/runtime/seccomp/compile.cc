// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/compile.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>

#include "base/strings.h"
#include "runtime/seccomp/assembler.h"
#include "runtime/seccomp/decision.h"
#include "runtime/seccomp/names.h"
#include "runtime/seccomp/rules.h"

namespace dhow::seccomp {
namespace {

using Label = Assembler::Label;

// libseccomp's answer to a call of an ABI that the filter doesn't cover.
constexpr std::uint32_t kForeignVerdict = SECCOMP_RET_KILL_THREAD;
constexpr std::uint32_t kNoSuchCall = SECCOMP_RET_ERRNO | ENOSYS;

// Call numbers from `first` up to the next segment all go to `target`.
struct Segment {
  std::uint32_t first;
  Label target;
};

// The code for all ABIs that share one seccomp_data.arch: a search among ranges of call numbers,
// then the decisions that look at arguments. Kept apart for each arch so that jumps stay short.
class ArchCode {
 public:
  ArchCode(const Machine& machine, const RuleSet& set, Assembler& assembler)
      : machine_(machine), set_(set), assembler_(assembler) {}

  void emit(std::uint32_t audit_arch) {
    cover_numbers(audit_arch);
    assembler_.load(offsetof(seccomp_data, nr));
    if (segments_.size() == 1) {
      // Needs a jump to say where to go; both ways lead there.
      assembler_.jump(BPF_JEQ, 0, segments_[0].target, segments_[0].target);
    } else {
      emit_search(0, segments_.size());
    }
    const Label otherwise = assembler_.return_label(set_.default_verdict);
    for (const Block& block : blocks_) {
      assembler_.place(block.label);
      block.decision.emit(assembler_, otherwise);
    }
  }

 private:
  // A decision that several calls may share.
  struct Block {
    std::vector<std::uint32_t> rules;
    bool wide;
    Decision decision;
    Label label;
  };

  Label verdict(std::uint32_t value) { return assembler_.return_label(value); }

  void append(std::uint32_t first, Label target) {
    if (!segments_.empty() && segments_.back().first == first) segments_.pop_back();
    if (!segments_.empty() && segments_.back().target == target) return;
    segments_.push_back({first, target});
  }

  // What calls beyond the newest one of `newest` get.
  Label beyond(const std::optional<std::uint32_t>& newest) {
    return verdict(set_.hide_newer_calls && newest.value_or(0) != 0 ? kNoSuchCall
                                                                    : set_.default_verdict);
  }

  void cover_numbers(std::uint32_t audit_arch) {
    const Abi* flagged = nullptr;  // x32 beside x86-64
    for (std::size_t i = 0; i < machine_.abis.size(); ++i) {
      const Abi& abi = machine_.abis[i];
      if (abi.audit_arch != audit_arch) continue;
      if (abi.number_bit == 0) {
        cover_abi(i);
      } else {
        flagged = &abi;
        cover_flagged(i);
      }
    }
    if (flagged != nullptr) cover_upper_half(*flagged);
  }

  // From the ABI's first number up to where the next ABI may begin.
  void cover_abi(std::size_t index) {
    const Abi& abi = machine_.abis[index];
    const RuleSet::PerAbi& per_abi = set_.abis[index];
    std::vector<Assignment> sorted = per_abi.assignments;
    // Rules are numbered in the order of the profile.
    std::ranges::sort(sorted, {}, [](const Assignment& assignment) {
      return std::uint64_t{assignment.number} << 32 | assignment.rule;
    });
    const Label standard = verdict(set_.default_verdict);
    append(abi.number_bit, standard);
    std::optional<std::uint32_t> newest = per_abi.newest;
    const auto cover_rest = [&] { append(newest ? *newest + 1 : abi.number_bit, beyond(newest)); };
    bool in_private = false;
    const auto enter_private = [&] {
      cover_rest();
      append(abi.private_base, standard);
      newest = per_abi.newest_private;
      in_private = true;
    };
    for (auto same = sorted.begin(); same != sorted.end();) {
      const std::uint32_t number = same->number;
      if (abi.private_base != 0 && number >= abi.private_base && !in_private) enter_private();
      const auto next = std::find_if(same, sorted.end(), [&](const Assignment& assignment) {
        return assignment.number != number;
      });
      append(number, target_of({same, next}, abi.wide));
      append(number + 1, standard);
      same = next;
    }
    if (per_abi.newest_private && !in_private) enter_private();
    cover_rest();
  }

  void cover_flagged(std::size_t index) {
    if (set_.abis[index].enabled) {
      cover_abi(index);
    } else {
      append(machine_.abis[index].number_bit, verdict(kForeignVerdict));
    }
  }

  // Numbers with the top bit set are no calls. They get what runc's filter gives them, whose test
  // for newer calls looks at the ABI's bit alone, and libseccomp's behind it at the whole number.
  void cover_upper_half(const Abi& flagged) {
    const auto index = static_cast<std::size_t>(&flagged - machine_.abis.data());
    const RuleSet::PerAbi& native = set_.abis[0];
    const bool enabled = set_.abis[index].enabled;
    const Label foreign = verdict(enabled ? set_.default_verdict : kForeignVerdict);
    const bool hide_native = set_.hide_newer_calls && native.newest.value_or(0) != 0;
    append(0x80000000, hide_native ? verdict(kNoSuchCall) : foreign);
    append(0x80000000 | flagged.number_bit, enabled ? beyond(set_.abis[index].newest) : foreign);
    // A tracer sets the number to -1 to have the call skipped; that must not kill.
    if (!enabled) append(UINT32_MAX, verdict(set_.default_verdict));
  }

  Label target_of(std::span<const Assignment> assignments, bool wide) {
    const Rule& first = set_.rules[assignments.front().rule];
    if (first.conditions.empty()) return verdict(first.verdict);
    std::vector<const Rule*> rules;
    std::vector<std::uint32_t> ids;
    for (const Assignment& assignment : assignments) {
      rules.push_back(&set_.rules[assignment.rule]);
      ids.push_back(assignment.rule);
    }
    for (const Block& block : blocks_) {
      if (block.wide == wide && block.rules == ids) return block.label;
    }
    Decision decision(rules, wide);
    if (decision.constant()) return verdict(*decision.constant());
    blocks_.push_back({std::move(ids), wide, std::move(decision), assembler_.new_label()});
    return blocks_.back().label;
  }

  // Searches the segments [begin, end), at least two.
  void emit_search(std::size_t begin, std::size_t end) {
    // One number amid a range is told apart by a single comparison.
    if (end - begin == 3 && segments_[begin].target == segments_[begin + 2].target &&
        segments_[begin + 1].first + 1 == segments_[begin + 2].first) {
      assembler_.jump(BPF_JEQ, segments_[begin + 1].first, segments_[begin + 1].target,
                      segments_[begin].target);
      return;
    }
    const std::size_t middle = begin + (end - begin) / 2;
    const Label left = middle - begin == 1 ? segments_[begin].target : assembler_.new_label();
    const Label right = end - middle == 1 ? segments_[middle].target : assembler_.new_label();
    assembler_.jump(BPF_JGE, segments_[middle].first, right, left);
    if (middle - begin > 1) {
      assembler_.place(left);
      emit_search(begin, middle);
    }
    if (end - middle > 1) {
      assembler_.place(right);
      emit_search(middle, end);
    }
  }

  const Machine& machine_;
  const RuleSet& set_;
  Assembler& assembler_;
  std::vector<Segment> segments_;
  std::vector<Block> blocks_;
};

bool any_enabled(const Machine& machine, const RuleSet& set, std::uint32_t audit_arch) {
  for (std::size_t i = 0; i < machine.abis.size(); ++i) {
    if (machine.abis[i].audit_arch == audit_arch && set.abis[i].enabled) return true;
  }
  return false;
}

// The native arch is tried first and its code follows at once; each other one is a jump away.
void emit_dispatch(const Machine& machine, const RuleSet& set, Assembler& assembler) {
  std::vector<std::uint32_t> archs;
  for (const Abi& abi : machine.abis) {
    if (any_enabled(machine, set, abi.audit_arch) &&
        std::ranges::find(archs, abi.audit_arch) == archs.end()) {
      archs.push_back(abi.audit_arch);
    }
  }
  for (std::size_t i = 0; i < archs.size(); ++i) {
    const bool last = i + 1 == archs.size();
    const Label here = assembler.new_label();
    const Label next = last ? assembler.return_label(kForeignVerdict) : assembler.new_label();
    assembler.load(offsetof(seccomp_data, arch));
    assembler.jump(BPF_JEQ, archs[i], here, next);
    assembler.place(here);
    ArchCode(machine, set, assembler).emit(archs[i]);
    if (!last) assembler.place(next);
  }
}

Result<unsigned> resolve_flags(const oci::Seccomp& profile, bool notify) {
  if (!profile.flags) return Program{}.flags;
  unsigned flags = 0;
  for (std::size_t i = 0; i < profile.flags->size(); ++i) {
    const std::optional<unsigned> bit = flag_bit((*profile.flags)[i]);
    if (!bit) {
      return fail(Code::kInvalidArgument, cat("$.linux.seccomp.flags[", i, "]: seccomp flag ",
                                              quoted((*profile.flags)[i]), " is not known"));
    }
    flags |= *bit;
  }
  // The kernel takes this one only together with a listener.
  if (!notify) flags &= ~unsigned{SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV};
  return flags;
}

}  // namespace

Result<Program> compile_for(const oci::Seccomp& profile, const Machine& machine) {
  TRY_ASSIGN(const RuleSet set, resolve_rules(profile, machine));
  Program program;
  program.notify = set.notify;
  TRY_ASSIGN(program.flags, resolve_flags(profile, set.notify));
  program.flags_required = profile.flags.has_value();
  Assembler assembler;
  emit_dispatch(machine, set, assembler);
  TRY_ASSIGN(program.instructions, assembler.assemble());
  return program;
}

Result<Program> compile(const oci::Seccomp& profile) {
  return compile_for(profile, native_machine());
}

std::string unknown_syscall(const oci::Seccomp& profile) {
  for (const oci::SeccompSyscall& rule : profile.syscalls) {
    for (const std::string& name : rule.names) {
      if (native_machine().find(name) == nullptr) return name;
    }
  }
  return "";
}

}  // namespace dhow::seccomp
