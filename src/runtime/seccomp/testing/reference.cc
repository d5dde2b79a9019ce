// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/testing/reference.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iterator>

#include "runtime/seccomp/testing/bpf.h"
#include "sys/fd.h"

#if defined(__SANITIZE_ADDRESS__)
// libseccomp 2.5.4 itself loses tree nodes when a rule replaces others.
extern "C" const char* __lsan_default_suppressions() { return "leak:libseccomp.so"; }
#endif

namespace dhow::seccomp::testing {
namespace {

using oci::SeccompAction;
using oci::SeccompOperator;
using Context = std::unique_ptr<void, decltype(&seccomp_release)>;

std::uint32_t token(const Abi& abi) {
  if (abi.name == "SCMP_ARCH_X86_64") return SCMP_ARCH_X86_64;
  if (abi.name == "SCMP_ARCH_X86") return SCMP_ARCH_X86;
  if (abi.name == "SCMP_ARCH_X32") return SCMP_ARCH_X32;
  return abi.name == "SCMP_ARCH_AARCH64" ? SCMP_ARCH_AARCH64 : SCMP_ARCH_ARM;
}

std::uint32_t action(SeccompAction kind, std::optional<std::uint32_t> errno_ret) {
  switch (kind) {
    case SeccompAction::kKillThread:
      return SCMP_ACT_KILL_THREAD;
    case SeccompAction::kKillProcess:
      return SCMP_ACT_KILL_PROCESS;
    case SeccompAction::kTrap:
      return SCMP_ACT_TRAP;
    case SeccompAction::kErrno:
      return SCMP_ACT_ERRNO(errno_ret.value_or(EPERM));
    case SeccompAction::kTrace:
      return SCMP_ACT_TRACE(errno_ret.value_or(EPERM));
    case SeccompAction::kAllow:
      return SCMP_ACT_ALLOW;
    case SeccompAction::kLog:
      return SCMP_ACT_LOG;
    case SeccompAction::kNotify:
      return SCMP_ACT_NOTIFY;
  }
  abort();
}

scmp_compare comparison(SeccompOperator op) {
  switch (op) {
    case SeccompOperator::kNe:
      return SCMP_CMP_NE;
    case SeccompOperator::kLt:
      return SCMP_CMP_LT;
    case SeccompOperator::kLe:
      return SCMP_CMP_LE;
    case SeccompOperator::kEq:
      return SCMP_CMP_EQ;
    case SeccompOperator::kGe:
      return SCMP_CMP_GE;
    case SeccompOperator::kGt:
      return SCMP_CMP_GT;
    case SeccompOperator::kMaskedEq:
      return SCMP_CMP_MASKED_EQ;
  }
  abort();
}

// False: libseccomp refuses.
bool add_entry(scmp_filter_ctx context, const oci::SeccompSyscall& entry,
               std::uint32_t default_action) {
  const std::uint32_t verdict = action(entry.action, entry.errno_ret);
  if (verdict == default_action) return true;
  std::vector<scmp_arg_cmp> conditions;
  bool repeats = false;
  for (const oci::SeccompArg& arg : entry.args) {
    repeats |= std::ranges::any_of(
        conditions, [&](const scmp_arg_cmp& other) { return other.arg == arg.index; });
    conditions.push_back({arg.index, comparison(arg.op), arg.value, arg.value_two});
  }
  for (const std::string& name : entry.names) {
    const int number = seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) continue;
    if (!repeats) {
      if (seccomp_rule_add_array(context, verdict, number, static_cast<unsigned>(conditions.size()),
                                 conditions.data()) != 0) {
        return false;
      }
      continue;
    }
    for (const scmp_arg_cmp& condition : conditions) {
      if (seccomp_rule_add_array(context, verdict, number, 1, &condition) != 0) return false;
    }
  }
  return true;
}

std::vector<sock_filter> export_program(scmp_filter_ctx context) {
  Fd file(memfd_create("filter", MFD_CLOEXEC));
  struct stat status{};
  if (seccomp_export_bpf(context, file.get()) != 0 || fstat(file.get(), &status) != 0) abort();
  std::vector<sock_filter> program(static_cast<std::size_t>(status.st_size) / sizeof(sock_filter));
  if (pread(file.get(), program.data(), static_cast<std::size_t>(status.st_size), 0) !=
      status.st_size) {
    abort();
  }
  return program;
}

}  // namespace

std::optional<std::uint32_t> reference_number(const Abi& abi, const std::string& name) {
  const int number = seccomp_syscall_resolve_name_arch(token(abi), name.c_str());
  if (number < 0) return std::nullopt;
  return static_cast<std::uint32_t>(number);
}

std::optional<Reference> Reference::make(const oci::Seccomp& profile, const Machine& machine,
                                         std::optional<std::size_t>& refused) {
  refused.reset();
  const std::uint32_t default_action = action(profile.default_action, profile.default_errno_ret);
  const Context context(seccomp_init(default_action), seccomp_release);
  for (std::size_t i = 0; i < machine.abis.size(); ++i) {
    const bool listed = i == 0 || std::ranges::find(profile.architectures, machine.abis[i].name) !=
                                      profile.architectures.end();
    if (listed) std::ignore = seccomp_arch_add(context.get(), token(machine.abis[i]));
  }
  if (seccomp_arch_native() != token(machine.abis[0])) {
    std::ignore = seccomp_arch_remove(context.get(), SCMP_ARCH_NATIVE);
  }
  for (std::size_t i = 0; i < profile.syscalls.size(); ++i) {
    if (!add_entry(context.get(), profile.syscalls[i], default_action)) {
      refused = i;
      return std::nullopt;
    }
  }
  // As runc does for long profiles. Also the way around a fault of 2.5.4: without it, a filter for
  // x86-64 and x32 can forget to load the call's number (when its first rule is for a call that x32
  // doesn't have). With it, a filter without rules is wrong instead.
  if (!profile.syscalls.empty()) {
    std::ignore = seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  }
  Reference reference;
  reference.machine_ = &machine;
  reference.program_ = export_program(context.get());
  reference.hides_newer_ = profile.default_action != SeccompAction::kAllow &&
                           profile.default_action != SeccompAction::kLog &&
                           profile.default_action != SeccompAction::kTrace;
  reference.note_newest(profile);
  return reference;
}

void Reference::note_newest(const oci::Seccomp& profile) {
  for (std::size_t i = 0; i < machine_->abis.size(); ++i) {
    const Abi& abi = machine_->abis[i];
    if (i != 0 &&
        std::ranges::find(profile.architectures, abi.name) == profile.architectures.end()) {
      continue;
    }
    for (const oci::SeccompSyscall& entry : profile.syscalls) {
      for (const std::string& name : entry.names) {
        std::optional<std::uint32_t> number = reference_number(abi, name);
        // Difference 1: libseccomp gives no number for a call that i386 also multiplexes. runc
        // therefore hides its direct number when nothing newer is named, even if it is allowed.
        const SyscallRow* row = machine_->find(name);
        if (abi.socketcall != 0 && row != nullptr && row->subcall != 0) {
          number = row->subcall > 100 ? abi.ipc : abi.socketcall;
          if (row->numbers[i] >= 0) number = static_cast<std::uint32_t>(row->numbers[i]);
        }
        if (!number) continue;
        // Difference 2: with runc, naming one of arm's private calls (from 0xf0000 on) switches
        // the test for newer calls off. We test the two ranges apart.
        const bool is_private = abi.private_base != 0 && *number >= abi.private_base;
        std::uint32_t& newest = is_private ? newest_[i].machine_private : newest_[i].common;
        newest = std::max(newest, *number);
      }
    }
  }
}

bool Reference::is_newer(const seccomp_data& data) const {
  const auto number = static_cast<std::uint32_t>(data.nr);
  bool has_flagged = false;
  for (const Abi& abi : machine_->abis) {
    has_flagged |= abi.number_bit != 0 && abi.audit_arch == data.arch;
  }
  for (std::size_t i = 0; i < machine_->abis.size(); ++i) {
    const Abi& abi = machine_->abis[i];
    if (abi.audit_arch != data.arch) continue;
    constexpr std::uint32_t kX32Bit = 0x40000000;
    if (has_flagged && (number & kX32Bit) != abi.number_bit) continue;
    const Newest& newest = newest_[i];
    const bool is_private = newest.machine_private != 0 && number >= abi.private_base;
    const std::uint32_t limit = is_private ? newest.machine_private : newest.common;
    if (limit != 0 && number > limit) return true;
  }
  return false;
}

std::uint32_t Reference::run(const seccomp_data& data) const {
  if (hides_newer_ && is_newer(data)) return SECCOMP_RET_ERRNO | ENOSYS;
  const std::optional<std::uint32_t> verdict = testing::run(program_, data);
  if (!verdict) abort();
  return *verdict;
}

}  // namespace dhow::seccomp::testing
