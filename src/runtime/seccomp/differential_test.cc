// SPDX-License-Identifier: Apache-2.0
// Two references for random profiles. libseccomp, on the profiles that it compiles right; what
// differs on purpose is listed in testing/reference.cc. And the plainest reading of the rules, on
// all profiles.
//
// libseccomp 2.5.4 is wrong, or never ends, where a call has several rules and one of them compares
// an argument by anything but EQ and MASKED_EQ: it then mixes up the high halves of different
// rules. Such calls get only one rule in the profiles that it sees.
#include <linux/audit.h>

#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <set>

#include "base/strings.h"
#include "runtime/seccomp/compile.h"
#include "runtime/seccomp/rules.h"
#include "runtime/seccomp/testing/bpf.h"
#include "runtime/seccomp/testing/profiles.h"
#include "runtime/seccomp/testing/reference.h"

namespace dhow::seccomp {
namespace {

using oci::SeccompAction;
using oci::SeccompOperator;
using testing::Reference;

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}

  std::uint32_t below(std::size_t limit) {
    return static_cast<std::uint32_t>(engine_() % static_cast<std::uint32_t>(limit));
  }
  bool chance(unsigned percent) { return below(100) < percent; }
  std::uint64_t bits() { return engine_() | std::uint64_t{engine_()} << 32; }
  template <typename Range>
  const auto& pick(const Range& range) {
    return range[below(std::size(range))];
  }

 private:
  std::mt19937 engine_;
};

constexpr std::uint64_t kValues[] = {
    0,
    1,
    2,
    5,
    7,
    8,
    40,
    0x20000,
    0x7fffffff,
    0x80000000,
    0xfffffffe,
    0xffffffff,
    0x100000000,
    0x100000001,
    0x100000005,
    0x200000007,
    0x7e020000,
    0xffffffff00000000,
    0x7fffffffffffffff,
    UINT64_MAX,
};

std::uint64_t random_value(Random& random) {
  return random.chance(90) ? random.pick(kValues) : random.bits();
}

SeccompAction random_action(Random& random) {
  constexpr SeccompAction kActions[] = {
      SeccompAction::kKillThread, SeccompAction::kKillProcess, SeccompAction::kTrap,
      SeccompAction::kErrno,      SeccompAction::kErrno,       SeccompAction::kErrno,
      SeccompAction::kTrace,      SeccompAction::kAllow,       SeccompAction::kAllow,
      SeccompAction::kLog,
  };
  return random.pick(kActions);
}

std::optional<std::uint32_t> random_errno(Random& random) {
  if (random.chance(40)) return std::nullopt;
  return random.below(200);
}

enum class Shape { kAnything, kFitForLibseccomp };

std::vector<std::string> names_known_to_both(const Machine& machine) {
  std::vector<std::string> names;
  for (const SyscallRow& row : machine.rows) {
    bool same = true;
    for (std::size_t i = 0; i < machine.abis.size(); ++i) {
      if (row.numbers[i] < 0) continue;
      const std::string name(row.name);
      const bool multiplexed = row.subcall != 0 && machine.abis[i].socketcall != 0;
      same &= multiplexed || testing::reference_number(machine.abis[i], name).has_value();
    }
    if (same) names.emplace_back(row.name);
  }
  return names;
}

std::vector<oci::SeccompArg> random_args(Random& random, bool all_operators) {
  constexpr SeccompOperator kOperators[] = {
      SeccompOperator::kEq, SeccompOperator::kMaskedEq, SeccompOperator::kNe, SeccompOperator::kLt,
      SeccompOperator::kLe, SeccompOperator::kGe,       SeccompOperator::kGt,
  };
  std::vector<oci::SeccompArg> args;
  const std::uint32_t count = 1 + random.below(3);
  for (std::uint32_t i = 0; i < count; ++i) {
    args.push_back({random.below(random.chance(70) ? 2 : 6), random_value(random),
                    random_value(random), kOperators[random.below(all_operators ? 7 : 2)]});
  }
  return args;
}

class ProfileMaker {
 public:
  ProfileMaker(Random& random, const Machine& machine, const std::vector<std::string>& names,
               Shape shape)
      : random_(random), machine_(machine), names_(names), shape_(shape) {}

  oci::Seccomp make() {
    oci::Seccomp profile;
    profile.default_action = random_action(random_);
    profile.default_errno_ret = random_errno(random_);
    for (const Abi& abi : machine_.abis) {
      if (random_.chance(60)) profile.architectures.emplace_back(abi.name);
    }
    // A small pool makes rules meet on the same call; a large one fills the search.
    const std::size_t pool_size = random_.chance(60) ? 1 + random_.below(6) : 40;
    pool_.clear();
    used_.clear();
    taken_.clear();
    for (std::size_t i = 0; i < pool_size; ++i) pool_.push_back(random_.pick(names_));
    const std::uint32_t entries = random_.below(pool_size < 10 ? 8 : 40);
    for (std::uint32_t i = 0; i < entries; ++i) profile.syscalls.push_back(entry());
    return profile;
  }

 private:
  oci::SeccompSyscall entry() {
    oci::SeccompSyscall result;
    result.action = random_action(random_);
    result.errno_ret = random_errno(random_);
    if (shape_ == Shape::kFitForLibseccomp && random_.chance(30)) {
      lone_range(result);
      return result;
    }
    const std::uint32_t count = 1 + random_.below(4);
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::string& name = random_.pick(pool_);
      if (!taken_.contains(name)) result.names.push_back(name);
    }
    for (const std::string& name : result.names) used_.insert(name);
    if (random_.chance(70)) result.args = random_args(random_, shape_ == Shape::kAnything);
    return result;
  }

  // A rule with all operators for a call that has no other rule.
  void lone_range(oci::SeccompSyscall& entry) {
    entry.args = random_args(random_, true);
    std::set<std::uint32_t> arguments;
    std::erase_if(entry.args,
                  [&](const oci::SeccompArg& arg) { return !arguments.insert(arg.index).second; });
    const std::string& name = random_.pick(names_);
    if (used_.contains(name) || !taken_.insert(name).second) return;
    entry.names.push_back(name);
  }

  Random& random_;
  const Machine& machine_;
  const std::vector<std::string>& names_;
  Shape shape_;
  std::vector<std::string> pool_;
  std::set<std::string> used_;   // by entries that share their calls
  std::set<std::string> taken_;  // by entries that don't
};

// Calls that the profile is likely to tell apart.
class Inputs {
 public:
  Inputs(const oci::Seccomp& profile, const Machine& machine) {
    for (const Abi& abi : machine.abis) archs_.push_back(abi.audit_arch);
    archs_.push_back(AUDIT_ARCH_PPC64LE);
    for (const oci::SeccompSyscall& entry : profile.syscalls) {
      for (const oci::SeccompArg& arg : entry.args) {
        for (std::uint64_t value : {arg.value, arg.value_two}) {
          for (std::uint64_t near : {value, value - 1, value + 1, value ^ std::uint64_t{1} << 32}) {
            values_.push_back(near);
          }
        }
      }
      for (const std::string& name : entry.names) {
        if (const SyscallRow* row = machine.find(name)) note(*row, machine);
      }
    }
    for (std::uint64_t value : kValues) values_.push_back(value);
    for (std::uint32_t number : {0U, 1U, 102U, 117U, 1000U, 0xf0000U, 0xf0001U, 0xf0006U,
                                 0x3fffffffU, 0x40000000U, 0x40000001U, 0x7fffffffU, 0x80000000U,
                                 0xbfffffffU, 0xc0000000U, 0xfffffffeU, 0xffffffffU}) {
      numbers_.push_back(number);
    }
  }

  seccomp_data pick(Random& random) const {
    seccomp_data data{};
    data.arch = random.pick(archs_);
    data.nr = static_cast<int>(random.chance(90) ? random.pick(numbers_) : random.below(520));
    for (auto& arg : data.args) arg = random.pick(values_);
    if (random.chance(50)) data.args[0] = 1 + random.below(25);  // subcalls
    data.instruction_pointer = random.bits();
    return data;
  }

 private:
  void note(const SyscallRow& row, const Machine& machine) {
    for (std::size_t i = 0; i < machine.abis.size(); ++i) {
      if (row.numbers[i] < 0) continue;
      const std::uint32_t number =
          static_cast<std::uint32_t>(row.numbers[i]) | machine.abis[i].number_bit;
      for (int copy = 0; copy < 4; ++copy) numbers_.push_back(number);
      numbers_.push_back(number + 1);
      numbers_.push_back(number - 1);
    }
  }

  std::vector<std::uint32_t> archs_;
  std::vector<std::uint32_t> numbers_;
  std::vector<std::uint64_t> values_;
};

std::string describe(const oci::Seccomp& profile, const seccomp_data& data) {
  std::string text = cat("default ", static_cast<int>(profile.default_action), "\n");
  for (const std::string& arch : profile.architectures) text += cat("  ", arch, "\n");
  for (const oci::SeccompSyscall& entry : profile.syscalls) {
    text +=
        cat("  action ", static_cast<int>(entry.action), " errno ",
            entry.errno_ret ? static_cast<int>(*entry.errno_ret) : -1, " ", join(entry.names, ","));
    for (const oci::SeccompArg& arg : entry.args) {
      text += cat(" [", arg.index, " op ", static_cast<int>(arg.op), " ", arg.value, " ",
                  arg.value_two, "]");
    }
    text += "\n";
  }
  text += cat("call ", data.arch, " ", static_cast<std::uint32_t>(data.nr));
  for (auto arg : data.args) text += cat(" ", arg);
  return text;
}

std::uint64_t low_mask(bool wide, std::uint64_t mask) { return wide ? mask : mask & UINT32_MAX; }

bool fits(const Condition& condition, const seccomp_data& data, bool wide) {
  const std::uint64_t keep = wide ? UINT64_MAX : UINT32_MAX;
  const std::uint64_t arg = data.args[condition.argument] & keep;
  const std::uint64_t value = condition.value & keep;
  switch (condition.op) {
    case SeccompOperator::kNe:
      return arg != value;
    case SeccompOperator::kLt:
      return arg < value;
    case SeccompOperator::kLe:
      return arg <= value;
    case SeccompOperator::kEq:
      return arg == value;
    case SeccompOperator::kGe:
      return arg >= value;
    case SeccompOperator::kGt:
      return arg > value;
    case SeccompOperator::kMaskedEq:
      return (arg & condition.mask & keep) == value;
  }
  return false;
}

// The plainest reading of a profile: the verdicts of all rules that fit a call, comparing one
// condition at a time. Where a rule always fits, only the first such one counts. Empty when no rule
// names the call.
std::set<std::uint32_t> plain_verdicts(const RuleSet& set, const Machine& machine,
                                       const seccomp_data& data) {
  std::set<std::uint32_t> verdicts;
  bool named = false;
  for (std::size_t i = 0; i < machine.abis.size(); ++i) {
    const Abi& abi = machine.abis[i];
    if (abi.audit_arch != data.arch) continue;
    for (const Assignment& assignment : set.abis[i].assignments) {
      if (assignment.number != static_cast<std::uint32_t>(data.nr)) continue;
      named = true;
      const Rule& rule = set.rules[assignment.rule];
      if (std::ranges::all_of(rule.conditions, [&](const Condition& condition) {
            return low_mask(abi.wide, condition.mask) == 0;
          })) {
        return {rule.verdict};
      }
      if (std::ranges::all_of(rule.conditions, [&](const Condition& condition) {
            return fits(condition, data, abi.wide);
          })) {
        verdicts.insert(rule.verdict);
      }
    }
  }
  if (named && verdicts.empty()) verdicts.insert(set.default_verdict);
  return verdicts;
}

void compare_with_plain_reading(const Machine& machine, std::uint32_t seed) {
  Random random(seed);
  const std::vector<std::string> names = names_known_to_both(machine);
  ProfileMaker maker(random, machine, names, Shape::kAnything);
  unsigned decided = 0;
  for (int round = 0; round < 2000; ++round) {
    const oci::Seccomp profile = maker.make();
    const Result<RuleSet> set = resolve_rules(profile, machine);
    const Result<Program> program = compile_for(profile, machine);
    ASSERT_TRUE(set.has_value() && program.has_value());
    ASSERT_EQ(testing::find_fault(program->instructions), "");
    const Inputs inputs(profile, machine);
    for (int i = 0; i < 300; ++i) {
      const seccomp_data data = inputs.pick(random);
      const std::set<std::uint32_t> expected = plain_verdicts(*set, machine, data);
      if (expected.empty()) continue;
      const auto verdict = testing::run(program->instructions, data);
      ASSERT_TRUE(verdict.has_value());
      ASSERT_TRUE(expected.contains(*verdict)) << describe(profile, data) << "\n" << *verdict;
      if (expected.size() == 1) ++decided;
    }
  }
  EXPECT_GT(decided, 50000U);  // otherwise the profiles have come to test little
}

TEST(Differential, PlainReadingOnX86) { compare_with_plain_reading(kX86Machine, 1); }

TEST(Differential, PlainReadingOnArm) { compare_with_plain_reading(kArmMachine, 2); }

// libseccomp refuses a profile when two rules contradict each other, where we let the order decide:
// the entry that it doesn't take goes.
Reference reference_for(oci::Seccomp& profile, const Machine& machine) {
  while (true) {
    std::optional<std::size_t> refused;
    if (auto reference = Reference::make(profile, machine, refused)) return *std::move(reference);
    profile.syscalls.erase(profile.syscalls.begin() + static_cast<std::ptrdiff_t>(*refused));
  }
}

void compare_with_libseccomp(const Machine& machine, std::uint32_t seed) {
  Random random(seed);
  const std::vector<std::string> names = names_known_to_both(machine);
  ProfileMaker maker(random, machine, names, Shape::kFitForLibseccomp);
  for (int round = 0; round < 2000; ++round) {
    oci::Seccomp profile = maker.make();
    const Reference reference = reference_for(profile, machine);
    const Result<Program> program = compile_for(profile, machine);
    ASSERT_TRUE(program.has_value()) << program.error().message();
    ASSERT_EQ(testing::find_fault(program->instructions), "");
    const Inputs inputs(profile, machine);
    for (int i = 0; i < 300; ++i) {
      const seccomp_data data = inputs.pick(random);
      ASSERT_EQ(testing::run(program->instructions, data), reference.run(data))
          << describe(profile, data);
    }
  }
}

TEST(Differential, LibseccompOnX86) { compare_with_libseccomp(kX86Machine, 3); }

TEST(Differential, LibseccompOnArm) { compare_with_libseccomp(kArmMachine, 4); }

TEST(Differential, EngineProfileOnEveryCall) {
  oci::Seccomp profile = testing::engine_profile();
  std::optional<std::size_t> refused;
  const auto reference = Reference::make(profile, kX86Machine, refused);
  ASSERT_TRUE(reference.has_value()) << "entry " << *refused;
  const Result<Program> program = compile_for(profile, kX86Machine);
  ASSERT_TRUE(program.has_value()) << program.error().message();
  ASSERT_EQ(testing::find_fault(program->instructions), "");
  constexpr std::uint32_t kArchs[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64};
  for (std::uint32_t arch : kArchs) {
    for (std::uint32_t base : {0U, 0x40000000U, 0x80000000U, 0xc0000000U, 0xfffffc00U}) {
      for (std::uint32_t offset = 0; offset < 1024; ++offset) {
        for (std::uint64_t arg : {0ULL, 1ULL, 8ULL, 21ULL, 40ULL, 0x20008ULL, 0xffffffffULL,
                                  0x10000000ULL, 0x100000000ULL, 0x100000028ULL}) {
          seccomp_data data{};
          data.arch = arch;
          data.nr = static_cast<int>(base + offset);
          std::ranges::fill(data.args, arg);
          ASSERT_EQ(testing::run(program->instructions, data), reference->run(data))
              << describe({}, data);
        }
      }
    }
  }
}

}  // namespace
}  // namespace dhow::seccomp
