// SPDX-License-Identifier: Apache-2.0
#include <linux/audit.h>

#include <algorithm>
#include <cerrno>
#include <gmock/gmock.h>

#include "base/strings.h"
#include "runtime/seccomp/assembler.h"
#include "runtime/seccomp/compile.h"
#include "runtime/seccomp/testing/bpf.h"
#include "runtime/seccomp/testing/profiles.h"

namespace dhow::seccomp {
namespace {

using oci::SeccompAction;
using oci::SeccompOperator;
using ::testing::HasSubstr;

constexpr std::uint32_t kX32Bit = 0x40000000;
constexpr std::uint32_t kEnosys = SECCOMP_RET_ERRNO | ENOSYS;

oci::SeccompSyscall entry(std::vector<std::string> names, SeccompAction action,
                          std::vector<oci::SeccompArg> args = {},
                          std::optional<std::uint32_t> errno_ret = std::nullopt) {
  oci::SeccompSyscall result;
  result.names = std::move(names);
  result.action = action;
  result.args = std::move(args);
  result.errno_ret = errno_ret;
  return result;
}

oci::Seccomp profile_of(SeccompAction default_action, std::vector<oci::SeccompSyscall> entries,
                        std::vector<std::string> architectures = {}) {
  oci::Seccomp profile;
  profile.default_action = default_action;
  profile.syscalls = std::move(entries);
  profile.architectures = std::move(architectures);
  return profile;
}

std::uint32_t verdict(const oci::Seccomp& profile, const Machine& machine, std::uint32_t arch,
                      std::uint32_t number, std::vector<std::uint64_t> args = {}) {
  const Result<Program> program = compile_for(profile, machine);
  if (!program) {
    ADD_FAILURE() << program.error().message();
    return 0;
  }
  EXPECT_EQ(testing::find_fault(program->instructions), "");
  seccomp_data data{};
  data.arch = arch;
  data.nr = static_cast<int>(number);
  std::ranges::copy(args, data.args);
  return testing::run(program->instructions, data).value_or(0xdeadbeef);
}

std::uint32_t on_x86_64(const oci::Seccomp& profile, std::uint32_t number,
                        std::vector<std::uint64_t> args = {}) {
  return verdict(profile, kX86Machine, AUDIT_ARCH_X86_64, number, std::move(args));
}

std::uint32_t on_i386(const oci::Seccomp& profile, std::uint32_t number,
                      std::vector<std::uint64_t> args = {}) {
  return verdict(profile, kX86Machine, AUDIT_ARCH_I386, number, std::move(args));
}

std::string error_of(const oci::Seccomp& profile) {
  const Result<Program> program = compile_for(profile, kX86Machine);
  return program ? "no error" : program.error().message();
}

TEST(Seccomp, EveryActionHasItsVerdict) {
  const auto of = [](SeccompAction action, std::optional<std::uint32_t> errno_ret) {
    const bool allow = action == SeccompAction::kAllow;
    return on_x86_64(profile_of(allow ? SeccompAction::kTrap : SeccompAction::kAllow,
                                {entry({"read"}, action, {}, errno_ret)}),
                     0);
  };
  EXPECT_EQ(of(SeccompAction::kKillThread, {}), SECCOMP_RET_KILL_THREAD);
  EXPECT_EQ(of(SeccompAction::kKillProcess, {}), SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(of(SeccompAction::kTrap, {}), unsigned{SECCOMP_RET_TRAP});
  EXPECT_EQ(of(SeccompAction::kErrno, {}), SECCOMP_RET_ERRNO | unsigned{EPERM});
  EXPECT_EQ(of(SeccompAction::kErrno, 0), unsigned{SECCOMP_RET_ERRNO});
  EXPECT_EQ(of(SeccompAction::kErrno, 38), SECCOMP_RET_ERRNO | 38U);
  EXPECT_EQ(of(SeccompAction::kTrace, {}), SECCOMP_RET_TRACE | unsigned{EPERM});
  EXPECT_EQ(of(SeccompAction::kTrace, 0xffff), SECCOMP_RET_TRACE | 0xffffU);
  EXPECT_EQ(of(SeccompAction::kAllow, {}), unsigned{SECCOMP_RET_ALLOW});
  EXPECT_EQ(of(SeccompAction::kLog, {}), unsigned{SECCOMP_RET_LOG});
  EXPECT_EQ(of(SeccompAction::kNotify, {}), unsigned{SECCOMP_RET_USER_NOTIF});
}

// Cut to 16 bits, 65536 would become errno 0, which a program takes for success.
TEST(Seccomp, LargeErrnosAreCappedAsTheKernelDoes) {
  for (std::uint32_t value : {4096U, 65536U, UINT32_MAX}) {
    EXPECT_EQ(on_x86_64(profile_of(SeccompAction::kAllow,
                                   {entry({"read"}, SeccompAction::kErrno, {}, value)}),
                        0),
              SECCOMP_RET_ERRNO | 4095U);
  }
}

TEST(Seccomp, CallsOfUncoveredAbisAreKilled) {
  const oci::Seccomp profile = profile_of(SeccompAction::kAllow, {});
  EXPECT_EQ(on_x86_64(profile, 1), unsigned{SECCOMP_RET_ALLOW});
  EXPECT_EQ(on_i386(profile, 1), SECCOMP_RET_KILL_THREAD);
  EXPECT_EQ(on_x86_64(profile, kX32Bit | 1), SECCOMP_RET_KILL_THREAD);
  EXPECT_EQ(verdict(profile, kX86Machine, AUDIT_ARCH_AARCH64, 1), SECCOMP_RET_KILL_THREAD);
  // A tracer's way to skip a call.
  EXPECT_EQ(on_x86_64(profile, UINT32_MAX), unsigned{SECCOMP_RET_ALLOW});
  EXPECT_EQ(verdict(profile, kArmMachine, AUDIT_ARCH_AARCH64, 1), unsigned{SECCOMP_RET_ALLOW});
  EXPECT_EQ(verdict(profile, kArmMachine, AUDIT_ARCH_ARM, 1), SECCOMP_RET_KILL_THREAD);
}

TEST(Seccomp, TheNativeAbiIsAlwaysCovered) {
  const oci::Seccomp profile = profile_of(
      SeccompAction::kTrap, {entry({"getpid"}, SeccompAction::kAllow)}, {"SCMP_ARCH_X86"});
  EXPECT_EQ(on_x86_64(profile, 39), unsigned{SECCOMP_RET_ALLOW});
  EXPECT_EQ(on_i386(profile, 20), unsigned{SECCOMP_RET_ALLOW});
  EXPECT_EQ(on_i386(profile, 19), unsigned{SECCOMP_RET_TRAP});
}

TEST(Seccomp, X32HasItsOwnNumbers) {
  // readv is 19 on x86-64 and 515 on x32.
  const oci::Seccomp profile = profile_of(
      SeccompAction::kAllow, {entry({"readv"}, SeccompAction::kErrno)}, {"SCMP_ARCH_X32"});
  EXPECT_EQ(on_x86_64(profile, 19), SECCOMP_RET_ERRNO | unsigned{EPERM});
  EXPECT_EQ(on_x86_64(profile, kX32Bit | 515), SECCOMP_RET_ERRNO | unsigned{EPERM});
  EXPECT_EQ(on_x86_64(profile, kX32Bit | 19), unsigned{SECCOMP_RET_ALLOW});
}

TEST(Seccomp, ArchitecturesOfOtherMachinesAreAccepted) {
  oci::Seccomp profile = profile_of(SeccompAction::kAllow, {});
  profile.architectures = known_architectures();
  EXPECT_EQ(profile.architectures.size(), 23U);
  EXPECT_EQ(on_x86_64(profile, 1), unsigned{SECCOMP_RET_ALLOW});
  profile.architectures = {"SCMP_ARCH_S390X"};
  EXPECT_EQ(on_i386(profile, 1), SECCOMP_RET_KILL_THREAD);
}

TEST(Seccomp, NewerCallsSeemToBeMissing) {
  // mseal (462) is the newest call that the profile names.
  const std::vector<oci::SeccompSyscall> entries = {
      entry({"read", "mseal"}, SeccompAction::kAllow)};
  for (SeccompAction action : {SeccompAction::kErrno, SeccompAction::kKillThread,
                               SeccompAction::kKillProcess, SeccompAction::kTrap}) {
    const oci::Seccomp profile = profile_of(action, entries, {"SCMP_ARCH_X86", "SCMP_ARCH_X32"});
    EXPECT_NE(on_x86_64(profile, 461), kEnosys);
    EXPECT_EQ(on_x86_64(profile, 462), unsigned{SECCOMP_RET_ALLOW});
    EXPECT_EQ(on_x86_64(profile, 463), kEnosys);
    EXPECT_EQ(on_x86_64(profile, kX32Bit | 463), kEnosys);
    EXPECT_EQ(on_i386(profile, 463), kEnosys);
    EXPECT_EQ(on_i386(profile, UINT32_MAX), kEnosys);
  }
  for (SeccompAction action : {SeccompAction::kLog, SeccompAction::kTrace}) {
    EXPECT_NE(on_x86_64(profile_of(action, entries), 463), kEnosys);
  }
}

TEST(Seccomp, ARuleThatIsDroppedStillCountsAsKnown) {
  const oci::Seccomp profile =
      profile_of(SeccompAction::kErrno,
                 {entry({"mseal"}, SeccompAction::kErrno), entry({"read"}, SeccompAction::kAllow)});
  EXPECT_EQ(on_x86_64(profile, 462), SECCOMP_RET_ERRNO | unsigned{EPERM});
  EXPECT_EQ(on_x86_64(profile, 463), kEnosys);
}

TEST(Seccomp, ArmsPrivateCallsDoNotHideWhatIsNew) {
  const oci::Seccomp profile =
      profile_of(SeccompAction::kErrno, {entry({"read", "set_tls"}, SeccompAction::kAllow)},
                 {"SCMP_ARCH_ARM"});
  const auto on_arm = [&](std::uint32_t number) {
    return verdict(profile, kArmMachine, AUDIT_ARCH_ARM, number);
  };
  EXPECT_EQ(on_arm(3), unsigned{SECCOMP_RET_ALLOW});
  EXPECT_EQ(on_arm(462), kEnosys);
  EXPECT_EQ(on_arm(0xf0002), SECCOMP_RET_ERRNO | unsigned{EPERM});
  EXPECT_EQ(on_arm(0xf0005), unsigned{SECCOMP_RET_ALLOW});
  EXPECT_EQ(on_arm(0xf0006), kEnosys);
}

TEST(Seccomp, UnknownNamesAreIgnored) {
  const oci::Seccomp profile =
      profile_of(SeccompAction::kErrno, {entry({"no_such_call", "getpid"}, SeccompAction::kAllow)});
  EXPECT_EQ(on_x86_64(profile, 39), unsigned{SECCOMP_RET_ALLOW});
}

TEST(Seccomp, ConditionsOfAnEntryMustAllHold) {
  const oci::Seccomp profile =
      profile_of(SeccompAction::kAllow,
                 {entry({"read"}, SeccompAction::kTrap,
                        {{0, 3, 0, SeccompOperator::kEq}, {2, 9, 0, SeccompOperator::kGt}})});
  EXPECT_EQ(on_x86_64(profile, 0, {3, 0, 10}), unsigned{SECCOMP_RET_TRAP});
  EXPECT_EQ(on_x86_64(profile, 0, {3, 0, 9}), unsigned{SECCOMP_RET_ALLOW});
  EXPECT_EQ(on_x86_64(profile, 0, {4, 0, 10}), unsigned{SECCOMP_RET_ALLOW});
}

TEST(Seccomp, AnArgumentComparedTwiceMakesThemAlternatives) {
  const oci::Seccomp profile =
      profile_of(SeccompAction::kErrno,
                 {entry({"personality"}, SeccompAction::kAllow,
                        {{0, 0, 0, SeccompOperator::kEq}, {0, 8, 0, SeccompOperator::kEq}})});
  EXPECT_EQ(on_x86_64(profile, 135, {0}), unsigned{SECCOMP_RET_ALLOW});
  EXPECT_EQ(on_x86_64(profile, 135, {8}), unsigned{SECCOMP_RET_ALLOW});
  EXPECT_EQ(on_x86_64(profile, 135, {4}), SECCOMP_RET_ERRNO | unsigned{EPERM});
}

TEST(Seccomp, OperatorsCompareAllBitsUnsigned) {
  constexpr std::uint64_t kValue = 0x100000005;
  const auto fits = [](SeccompOperator op, std::uint64_t arg) {
    return on_x86_64(profile_of(SeccompAction::kAllow,
                                {entry({"read"}, SeccompAction::kTrap, {{0, kValue, 0, op}})}),
                     0, {arg}) == SECCOMP_RET_TRAP;
  };
  for (std::uint64_t arg :
       std::initializer_list<std::uint64_t>{0, 5, 0xffffffff, kValue - 1, kValue, kValue + 1,
                                            0x200000005, 0x200000000, UINT64_MAX}) {
    EXPECT_EQ(fits(SeccompOperator::kEq, arg), arg == kValue) << arg;
    EXPECT_EQ(fits(SeccompOperator::kNe, arg), arg != kValue) << arg;
    EXPECT_EQ(fits(SeccompOperator::kLt, arg), arg < kValue) << arg;
    EXPECT_EQ(fits(SeccompOperator::kLe, arg), arg <= kValue) << arg;
    EXPECT_EQ(fits(SeccompOperator::kGt, arg), arg > kValue) << arg;
    EXPECT_EQ(fits(SeccompOperator::kGe, arg), arg >= kValue) << arg;
  }
}

TEST(Seccomp, MaskedEqualTakesTheMaskFirst) {
  const auto fits = [](std::uint64_t mask, std::uint64_t value, std::uint64_t arg) {
    return on_x86_64(profile_of(SeccompAction::kAllow,
                                {entry({"clone"}, SeccompAction::kTrap,
                                       {{0, mask, value, SeccompOperator::kMaskedEq}})}),
                     56, {arg}) == SECCOMP_RET_TRAP;
  };
  EXPECT_TRUE(fits(0x7e020000, 0, 0x1200011));
  EXPECT_FALSE(fits(0x7e020000, 0, 0x10000000));
  EXPECT_TRUE(fits(0xf0, 0x50, 0x15a));
  EXPECT_FALSE(fits(0xf0, 0x50, 0x16a));
  EXPECT_TRUE(fits(0x10, 0x10, 0x30));
  EXPECT_TRUE(fits(0xff00000000, 0x1200000000, 0x3412ffffffff));
  EXPECT_FALSE(fits(0xff00000000, 0x1200000000, 0x3413ffffffff));
  EXPECT_TRUE(fits(0xff, 0x1ff, 0xff)) << "bits of the value outside of the mask don't count";
  EXPECT_TRUE(fits(0, 0, 1)) << "an empty mask fits always";
}

TEST(Seccomp, NarrowAbisCompareTheLowHalf) {
  const oci::Seccomp profile = profile_of(
      SeccompAction::kAllow,
      {entry({"getpriority"}, SeccompAction::kTrap, {{1, UINT64_MAX, 0, SeccompOperator::kEq}})},
      {"SCMP_ARCH_X86"});
  EXPECT_EQ(on_i386(profile, 96, {0, 0xffffffff}), unsigned{SECCOMP_RET_TRAP});
  EXPECT_EQ(on_x86_64(profile, 140, {0, 0xffffffff}), unsigned{SECCOMP_RET_ALLOW});
}

TEST(Seccomp, AnUnconditionalRuleBeatsConditionalOnes) {
  const oci::SeccompSyscall always = entry({"read"}, SeccompAction::kAllow);
  const oci::SeccompSyscall sometimes =
      entry({"read"}, SeccompAction::kTrap, {{0, 0, 0, SeccompOperator::kEq}});
  EXPECT_EQ(on_x86_64(profile_of(SeccompAction::kErrno, {always, sometimes}), 0, {0}),
            unsigned{SECCOMP_RET_ALLOW});
  EXPECT_EQ(on_x86_64(profile_of(SeccompAction::kErrno, {sometimes, always}), 0, {0}),
            unsigned{SECCOMP_RET_ALLOW});
  const oci::SeccompSyscall other = entry({"read"}, SeccompAction::kLog);
  EXPECT_EQ(on_x86_64(profile_of(SeccompAction::kErrno, {other, always}), 0),
            unsigned{SECCOMP_RET_LOG});
}

TEST(Seccomp, OverlappingConditionsFollowTheirOrder) {
  const auto rule = [](SeccompAction action, std::vector<oci::SeccompArg> args) {
    return entry({"read"}, action, std::move(args));
  };
  const auto decide = [](std::vector<oci::SeccompSyscall> rules, std::vector<std::uint64_t> args) {
    const std::uint32_t one = on_x86_64(profile_of(SeccompAction::kErrno, rules), 0, args);
    std::ranges::reverse(rules);
    EXPECT_EQ(on_x86_64(profile_of(SeccompAction::kErrno, rules), 0, args), one);
    return one;
  };
  using enum SeccompAction;
  using enum SeccompOperator;
  // The same conditions and more lose; a higher argument, an equality, a larger value win.
  EXPECT_EQ(decide({rule(kTrap, {{0, 1, 0, kEq}}), rule(kAllow, {{0, 1, 0, kEq}, {1, 2, 0, kEq}})},
                   {1, 2}),
            unsigned{SECCOMP_RET_TRAP});
  EXPECT_EQ(decide({rule(kTrap, {{0, 1, 0, kEq}}), rule(kAllow, {{1, 2, 0, kEq}})}, {1, 2}),
            unsigned{SECCOMP_RET_ALLOW});
  EXPECT_EQ(decide({rule(kTrap, {{0, 1, 0, kEq}}), rule(kAllow, {{0, 1, 0, kGe}})}, {1}),
            unsigned{SECCOMP_RET_TRAP});
  EXPECT_EQ(decide({rule(kTrap, {{0, 9, 0, kLt}}), rule(kAllow, {{0, 1, 0, kGe}})}, {1}),
            unsigned{SECCOMP_RET_TRAP});
  EXPECT_EQ(decide({rule(kTrap, {{0, 5, 0, kGt}}), rule(kAllow, {{0, 3, 0, kGt}})}, {7}),
            unsigned{SECCOMP_RET_TRAP});
  EXPECT_EQ(decide({rule(kTrap, {{0, 5, 0, kLt}}), rule(kAllow, {{0, 3, 0, kLt}})}, {1}),
            unsigned{SECCOMP_RET_ALLOW});
}

TEST(Seccomp, OfContradictingRulesTheFirstCounts) {
  const std::vector<oci::SeccompArg> args = {{0, 1, 0, SeccompOperator::kEq}};
  const oci::Seccomp profile = profile_of(
      SeccompAction::kErrno,
      {entry({"read"}, SeccompAction::kTrap, args), entry({"read"}, SeccompAction::kAllow, args)});
  EXPECT_EQ(on_x86_64(profile, 0, {1}), unsigned{SECCOMP_RET_TRAP});
}

TEST(Seccomp, SocketCallsOfI386AreReachedBothWays) {
  const oci::Seccomp profile = profile_of(
      SeccompAction::kErrno,
      {entry({"socket"}, SeccompAction::kAllow, {{0, 40, 0, SeccompOperator::kNe}}),
       entry({"semop"}, SeccompAction::kAllow), entry({"accept"}, SeccompAction::kAllow)},
      {"SCMP_ARCH_X86"});
  EXPECT_EQ(on_i386(profile, 359, {1}), unsigned{SECCOMP_RET_ALLOW});
  EXPECT_EQ(on_i386(profile, 359, {40}), SECCOMP_RET_ERRNO | unsigned{EPERM});
  EXPECT_EQ(on_i386(profile, 102, {1}), unsigned{SECCOMP_RET_ALLOW});  // socketcall(SYS_SOCKET)
  EXPECT_EQ(on_i386(profile, 102, {5}), unsigned{SECCOMP_RET_ALLOW});  // accept
  EXPECT_EQ(on_i386(profile, 102, {2}), SECCOMP_RET_ERRNO | unsigned{EPERM});  // bind
  EXPECT_EQ(on_i386(profile, 117, {1}), unsigned{SECCOMP_RET_ALLOW});          // ipc(SEMOP)
  EXPECT_EQ(on_i386(profile, 117, {2}), SECCOMP_RET_ERRNO | unsigned{EPERM});  // SEMGET
}

TEST(Seccomp, FlagsAreResolved) {
  oci::Seccomp profile = profile_of(SeccompAction::kAllow, {});
  const auto flags = [&] { return compile_for(profile, kX86Machine).value().flags; };
  EXPECT_EQ(flags(), unsigned{SECCOMP_FILTER_FLAG_SPEC_ALLOW});
  EXPECT_FALSE(compile_for(profile, kX86Machine).value().flags_required);
  profile.flags.emplace();  // an empty list is not the default
  EXPECT_EQ(flags(), 0U);
  EXPECT_TRUE(compile_for(profile, kX86Machine).value().flags_required);
  profile.flags = {"SECCOMP_FILTER_FLAG_TSYNC"};
  EXPECT_EQ(flags(), 0U);
  profile.flags = {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"};
  EXPECT_EQ(flags(), unsigned{SECCOMP_FILTER_FLAG_LOG} | unsigned{SECCOMP_FILTER_FLAG_SPEC_ALLOW});
  profile.flags = {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};
  EXPECT_EQ(flags(), 0U);
  profile.syscalls = {entry({"mkdir"}, SeccompAction::kNotify)};
  EXPECT_EQ(flags(), unsigned{SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV});
  profile.flags = {"SECCOMP_FILTER_FLAG_NEW"};
  EXPECT_EQ(error_of(profile),
            "$.linux.seccomp.flags[0]: seccomp flag \"SECCOMP_FILTER_FLAG_NEW\" is not known");
}

TEST(Seccomp, MistakesAreNamedWithTheirPath) {
  oci::Seccomp profile = profile_of(SeccompAction::kAllow, {}, {"SCMP_ARCH_VAX"});
  EXPECT_EQ(error_of(profile),
            "$.linux.seccomp.architectures[0]: unknown architecture \"SCMP_ARCH_VAX\"");
  profile = profile_of(SeccompAction::kAllow,
                       {entry({"read"}, SeccompAction::kTrap, {{6, 0, 0, SeccompOperator::kEq}})});
  EXPECT_EQ(error_of(profile),
            "$.linux.seccomp.syscalls[0].args[0].index: 6 is no argument, a system call has six "
            "from 0 to 5");
  profile = profile_of(SeccompAction::kAllow, {entry({""}, SeccompAction::kTrap)});
  EXPECT_EQ(error_of(profile),
            "$.linux.seccomp.syscalls[0].names[0]: empty string is not a valid syscall");
  profile = profile_of(SeccompAction::kAllow, {entry({"read", "write"}, SeccompAction::kNotify)});
  EXPECT_THAT(error_of(profile), HasSubstr("SCMP_ACT_NOTIFY cannot be used for the write syscall"));
  profile = profile_of(SeccompAction::kNotify, {});
  EXPECT_THAT(error_of(profile), HasSubstr("SCMP_ACT_NOTIFY cannot be used as default action"));
  profile =
      profile_of(SeccompAction::kAllow, {entry({"read"}, SeccompAction::kTrace, {}, 0x10000)});
  EXPECT_THAT(error_of(profile), HasSubstr("$.linux.seccomp.syscalls[0].errnoRet"));
}

TEST(Seccomp, TooLongAFilterIsRefused) {
  std::vector<oci::SeccompSyscall> entries;
  for (std::uint64_t value = 0; value < 4096; ++value) {
    entries.push_back(entry({"read"}, SeccompAction::kTrap, {{0, value, 0, SeccompOperator::kEq}}));
  }
  oci::Seccomp profile = profile_of(SeccompAction::kAllow, std::move(entries));
  EXPECT_THAT(error_of(profile), HasSubstr("the kernel takes at most 4096"));
  profile.syscalls.resize(4000);
  EXPECT_EQ(on_x86_64(profile, 0, {3999}), unsigned{SECCOMP_RET_TRAP});
  EXPECT_EQ(on_x86_64(profile, 0, {0}), unsigned{SECCOMP_RET_TRAP});
  EXPECT_EQ(on_x86_64(profile, 0, {4000}), unsigned{SECCOMP_RET_ALLOW});
}

// A common call must not cost more comparisons than a search among all ranges needs.
TEST(Seccomp, ACommonCallTakesFewInstructions) {
  const Result<Program> program = compile_for(testing::engine_profile(), kX86Machine);
  ASSERT_TRUE(program.has_value()) << program.error().message();
  for (const SyscallRow& row : kX86Machine.rows) {
    if (row.numbers[0] < 0) continue;
    seccomp_data data{};
    data.arch = AUDIT_ARCH_X86_64;
    data.nr = row.numbers[0];
    unsigned steps = 0;
    ASSERT_TRUE(testing::run(program->instructions, data, &steps).has_value());
    EXPECT_LE(steps, 24U) << row.name;
  }
}

TEST(Seccomp, TablesAreSortedAndComplete) {
  for (const Machine* machine : {&kX86Machine, &kArmMachine}) {
    EXPECT_TRUE(std::ranges::is_sorted(machine->rows, {}, &SyscallRow::name));
    for (const SyscallRow& row : machine->rows) EXPECT_EQ(machine->find(row.name), &row);
    EXPECT_EQ(machine->find("file_setattr")->numbers[0], 469);
    EXPECT_EQ(machine->find("nothing"), nullptr);
    EXPECT_EQ(machine->find(""), nullptr);
  }
}

// A jump in a classic BPF program reaches 255 instructions.
TEST(Assembler, FarTargetsAreReachedBySteppingStones) {
  for (int length : {250, 253, 254, 255, 256, 257, 300, 1000}) {
    Assembler assembler;
    const Assembler::Label near = assembler.new_label();
    const Assembler::Label far = assembler.new_label();
    const Assembler::Label end = assembler.new_label();
    assembler.load(0);
    assembler.jump(BPF_JEQ, 1, near, far);
    assembler.place(near);
    for (int i = 0; i < length; ++i) assembler.bit_and(UINT32_MAX);
    assembler.jump(BPF_JEQ, 1, assembler.return_label(11), end);
    assembler.place(far);
    assembler.jump(BPF_JEQ, 2, assembler.return_label(22), end);
    assembler.place(end);
    assembler.load(0);
    assembler.jump(BPF_JEQ, 3, assembler.return_label(33), assembler.return_label(44));
    const auto program = assembler.assemble();
    ASSERT_TRUE(program.has_value());
    ASSERT_EQ(testing::find_fault(*program), "") << length;
    for (int number = 1; number <= 4; ++number) {
      seccomp_data data{};
      data.nr = number;
      EXPECT_EQ(testing::run(*program, data), static_cast<std::uint32_t>(11 * number)) << length;
    }
  }
}

}  // namespace
}  // namespace dhow::seccomp
