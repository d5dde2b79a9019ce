// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/testing/profiles.h"

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "runtime/seccomp/machine.h"

namespace dhow::seccomp::testing {
namespace {

// What such a profile leaves out: the host's clock, kernel modules, mounts, namespaces, keys,
// other processes' memory, raw I/O, tracing; and calls that have rules of their own below.
constexpr std::string_view kLeftOut[] = {
    "_sysctl",
    "acct",
    "add_key",
    "afs_syscall",
    "bdflush",
    "bpf",
    "break",
    "chroot",
    "clock_adjtime",
    "clock_adjtime64",
    "clock_settime",
    "clock_settime64",
    "clone",
    "clone3",
    "create_module",
    "delete_module",
    "fanotify_init",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "ftime",
    "get_kernel_syms",
    "get_mempolicy",
    "getpmsg",
    "gtty",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lock",
    "lookup_dcookie",
    "mbind",
    "migrate_pages",
    "mount",
    "mount_setattr",
    "move_mount",
    "move_pages",
    "mpx",
    "name_to_handle_at",
    "nfsservctl",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "personality",
    "pivot_root",
    "process_madvise",
    "process_vm_readv",
    "process_vm_writev",
    "prof",
    "profil",
    "ptrace",
    "putpmsg",
    "query_module",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "request_key",
    "security",
    "set_mempolicy",
    "set_mempolicy_home_node",
    "setdomainname",
    "sethostname",
    "setns",
    "settimeofday",
    "socket",
    "stime",
    "stty",
    "swapoff",
    "swapon",
    "syslog",
    "tuxcall",
    "umount",
    "umount2",
    "unshare",
    "userfaultfd",
    "uselib",
    "ustat",
    "uprobe",
    "uretprobe",
    "vm86",
    "vm86old",
    "vserver",
};

constexpr std::int32_t kNewestInLibseccomp = 456;  // futex_requeue

bool is_newer(const SyscallRow& row) {
  return std::ranges::any_of(row.numbers, [](std::int32_t number) {
    return number > kNewestInLibseccomp && number < 512;  // x32 has calls of its own from 512 on
  });
}

oci::SeccompSyscall entry(std::vector<std::string> names, oci::SeccompAction action,
                          std::vector<oci::SeccompArg> args = {}) {
  oci::SeccompSyscall result;
  result.names = std::move(names);
  result.action = action;
  result.args = std::move(args);
  return result;
}

}  // namespace

oci::Seccomp engine_profile() {
  using oci::SeccompAction;
  using oci::SeccompOperator;
  oci::Seccomp profile;
  profile.default_action = SeccompAction::kErrno;
  profile.default_errno_ret = EPERM;
  profile.architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
  std::vector<std::string> allowed;
  for (const SyscallRow& row : kX86Machine.rows) {
    if (!is_newer(row) && std::ranges::find(kLeftOut, row.name) == std::end(kLeftOut)) {
      allowed.emplace_back(row.name);
    }
  }
  profile.syscalls.push_back(entry(std::move(allowed), SeccompAction::kAllow));
  constexpr std::uint64_t kVsock = 40;  // AF_VSOCK
  profile.syscalls.push_back(
      entry({"socket"}, SeccompAction::kAllow, {{0, kVsock, 0, SeccompOperator::kNe}}));
  for (std::uint64_t domain : {0x0ULL, 0x8ULL, 0x20000ULL, 0x20008ULL, 0xffffffffULL}) {
    profile.syscalls.push_back(
        entry({"personality"}, SeccompAction::kAllow, {{0, domain, 0, SeccompOperator::kEq}}));
  }
  constexpr std::uint64_t kNamespaceFlags = 0x7e020000;  // CLONE_NEW*
  profile.syscalls.push_back(entry({"clone"}, SeccompAction::kAllow,
                                   {{0, kNamespaceFlags, 0, SeccompOperator::kMaskedEq}}));
  profile.syscalls.push_back(entry({"clone3"}, SeccompAction::kErrno));
  profile.syscalls.back().errno_ret = ENOSYS;
  return profile;
}

}  // namespace dhow::seccomp::testing
