// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/rules.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>

#include "base/strings.h"
#include "runtime/seccomp/names.h"

namespace dhow::seccomp {
namespace {

using oci::SeccompAction;
using oci::SeccompOperator;

constexpr std::uint32_t kMaxErrno = 4095;   // MAX_ERRNO; the kernel caps at it
constexpr std::uint32_t kMaxData = 0xffff;  // SECCOMP_RET_DATA
constexpr std::uint32_t kArguments = 6;

std::unexpected<Error> bad(std::string_view path, std::string_view problem) {
  return fail(Code::kInvalidArgument, cat("$.linux.seccomp", path, ": ", problem));
}

std::string entry_path(std::size_t entry) { return cat(".syscalls[", entry, "]"); }

Result<std::uint32_t> verdict_of(SeccompAction action, std::optional<std::uint32_t> errno_ret,
                                 std::string_view errno_path) {
  switch (action) {
    case SeccompAction::kKillThread:
      return SECCOMP_RET_KILL_THREAD;
    case SeccompAction::kKillProcess:
      return SECCOMP_RET_KILL_PROCESS;
    case SeccompAction::kTrap:
      return SECCOMP_RET_TRAP;
    case SeccompAction::kErrno:
      // Capped here as the kernel would: cut to 16 bits, a large number could become a success.
      return SECCOMP_RET_ERRNO | std::min(errno_ret.value_or(EPERM), kMaxErrno);
    case SeccompAction::kTrace:
      if (errno_ret.value_or(0) > kMaxData) {
        return bad(errno_path, cat(*errno_ret, " is too large, a tracer gets at most ", kMaxData));
      }
      return SECCOMP_RET_TRACE | errno_ret.value_or(EPERM);
    case SeccompAction::kAllow:
      return SECCOMP_RET_ALLOW;
    case SeccompAction::kLog:
      return SECCOMP_RET_LOG;
    case SeccompAction::kNotify:
      return SECCOMP_RET_USER_NOTIF;
  }
  return bad("", "unknown action");
}

Condition condition_of(const oci::SeccompArg& arg) {
  Condition condition{static_cast<std::uint8_t>(arg.index), arg.op, arg.value, UINT64_MAX};
  if (arg.op == SeccompOperator::kMaskedEq) {
    condition.mask = arg.value;
    condition.value = arg.value_two & arg.value;
  }
  return condition;
}

// The alternatives of one entry, each a conjunction. As runc has it: an entry that compares the
// same argument twice means "any of these", all others mean "all of these".
Result<std::vector<std::vector<Condition>>> alternatives_of(const oci::SeccompSyscall& entry,
                                                            std::size_t index) {
  std::array<unsigned, kArguments> uses{};
  std::vector<Condition> all;
  for (std::size_t i = 0; i < entry.args.size(); ++i) {
    const std::uint32_t argument = entry.args[i].index;
    if (argument >= kArguments) {
      return bad(cat(entry_path(index), ".args[", i, "].index"),
                 cat(argument, " is no argument, a system call has six from 0 to 5"));
    }
    ++uses[argument];
    all.push_back(condition_of(entry.args[i]));
  }
  std::vector<std::vector<Condition>> alternatives;
  if (std::ranges::all_of(uses, [](unsigned count) { return count <= 1; })) {
    std::ranges::sort(all, {}, &Condition::argument);
    alternatives.push_back(std::move(all));
  } else {
    for (const Condition& condition : all) alternatives.push_back({condition});
  }
  return alternatives;
}

// What a rule for a socket or IPC call means for the call that multiplexes it on i386. The first
// argument is the subcall; a condition on the first of the real arguments, which lie in memory,
// can't be checked and is dropped, as libseccomp does.
Rule multiplexed(const Rule& rule, std::uint32_t subcall) {
  Rule result{rule.verdict, {{.argument = 0, .value = subcall}}};
  std::ranges::copy_if(rule.conditions, std::back_inserter(result.conditions),
                       [](const Condition& condition) { return condition.argument != 0; });
  return result;
}

class Resolver {
 public:
  Resolver(const oci::Seccomp& profile, const Machine& machine)
      : profile_(profile), machine_(machine) {}

  Result<RuleSet> run() {
    TRY(enable_architectures());
    TRY_ASSIGN(set_.default_verdict,
               verdict_of(profile_.default_action, profile_.default_errno_ret, ".defaultErrnoRet"));
    if (profile_.default_action == SeccompAction::kNotify) {
      return bad(".defaultAction", "SCMP_ACT_NOTIFY cannot be used as default action");
    }
    // A permissive default lets unknown calls through to the kernel, which answers ENOSYS itself;
    // a tracer must see them.
    set_.hide_newer_calls = profile_.default_action != SeccompAction::kAllow &&
                            profile_.default_action != SeccompAction::kLog &&
                            profile_.default_action != SeccompAction::kTrace;
    std::size_t names = 0;
    for (const oci::SeccompSyscall& entry : profile_.syscalls) names += entry.names.size();
    for (RuleSet::PerAbi& abi : set_.abis) {
      if (abi.enabled) abi.assignments.reserve(names);
    }
    for (std::size_t i = 0; i < profile_.syscalls.size(); ++i) TRY(add_entry(i));
    return std::move(set_);
  }

 private:
  Status enable_architectures() {
    set_.abis[0].enabled = true;  // the native one always
    for (std::size_t i = 0; i < profile_.architectures.size(); ++i) {
      const std::string& name = profile_.architectures[i];
      if (!is_architecture(name)) {
        return bad(cat(".architectures[", i, "]"), cat("unknown architecture ", quoted(name)));
      }
      for (std::size_t abi = 0; abi < machine_.abis.size(); ++abi) {
        if (machine_.abis[abi].name == name) set_.abis[abi].enabled = true;
      }
    }
    return {};
  }

  Status add_entry(std::size_t index) {
    const oci::SeccompSyscall& entry = profile_.syscalls[index];
    TRY_ASSIGN(std::uint32_t verdict,
               verdict_of(entry.action, entry.errno_ret, cat(entry_path(index), ".errnoRet")));
    TRY_ASSIGN(auto alternatives, alternatives_of(entry, index));
    const bool redundant = verdict == set_.default_verdict;
    const auto first = static_cast<std::uint32_t>(set_.rules.size());
    if (!redundant) {
      for (auto& conditions : alternatives) set_.rules.push_back({verdict, std::move(conditions)});
    }
    const auto end = static_cast<std::uint32_t>(set_.rules.size());
    if (entry.action == SeccompAction::kNotify) set_.notify = true;

    for (std::size_t i = 0; i < entry.names.size(); ++i) {
      const std::string& name = entry.names[i];
      if (name.empty()) {
        return bad(cat(entry_path(index), ".names[", i, "]"),
                   "empty string is not a valid syscall");
      }
      if (entry.action == SeccompAction::kNotify && name == "write") {
        // The listener is handed over after the filter is in force.
        return bad(cat(entry_path(index), ".names[", i, "]"),
                   "SCMP_ACT_NOTIFY cannot be used for the write syscall");
      }
      // A name that is unknown, or known to other machines only, is no error by the specification.
      if (const SyscallRow* row = machine_.find(name)) assign(*row, first, end);
    }
    return {};
  }

  // Gives the rules [first, end) to a call, in every enabled ABI that has it.
  void assign(const SyscallRow& row, std::uint32_t first, std::uint32_t end) {
    for (std::size_t i = 0; i < machine_.abis.size(); ++i) {
      if (!set_.abis[i].enabled) continue;
      const Abi& abi = machine_.abis[i];
      if (row.subcall != 0 && abi.socketcall != 0) assign_multiplexed(i, row, first, end);
      if (row.numbers[i] < 0) continue;
      const std::uint32_t number = static_cast<std::uint32_t>(row.numbers[i]) | abi.number_bit;
      note_number(set_.abis[i], abi, number);
      for (std::uint32_t rule = first; rule < end; ++rule) {
        set_.abis[i].assignments.push_back({number, rule});
      }
    }
  }

  void assign_multiplexed(std::size_t abi_index, const SyscallRow& row, std::uint32_t first,
                          std::uint32_t end) {
    const Abi& abi = machine_.abis[abi_index];
    const bool is_ipc = row.subcall > 100;
    const std::uint32_t subcall = is_ipc ? row.subcall - 100U : row.subcall;
    const std::uint32_t number = is_ipc ? abi.ipc : abi.socketcall;
    note_number(set_.abis[abi_index], abi, number);
    for (std::uint32_t rule = first; rule < end; ++rule) {
      set_.abis[abi_index].assignments.push_back(
          {number, static_cast<std::uint32_t>(set_.rules.size())});
      set_.rules.push_back(multiplexed(set_.rules[rule], subcall));
    }
  }

  static void note_number(RuleSet::PerAbi& per_abi, const Abi& abi, std::uint32_t number) {
    const bool is_private = abi.private_base != 0 && number >= abi.private_base;
    std::optional<std::uint32_t>& newest = is_private ? per_abi.newest_private : per_abi.newest;
    newest = std::max(newest.value_or(0), number);
  }

  const oci::Seccomp& profile_;
  const Machine& machine_;
  RuleSet set_;
};

}  // namespace

Result<RuleSet> resolve_rules(const oci::Seccomp& profile, const Machine& machine) {
  return Resolver(profile, machine).run();
}

}  // namespace dhow::seccomp
