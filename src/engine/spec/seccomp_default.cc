// SPDX-License-Identifier: Apache-2.0
#include <cerrno>

#include "base/strings.h"
#include "engine/spec/seccomp_profile.h"

// What docker lets a container call (moby/profiles, seccomp, of 2026).
namespace dhow::engine {
namespace {

using oci::SeccompAction;
using oci::SeccompOperator;

// Names are apart by a space.
constexpr std::string_view kFiles =
    "access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 "
    "faccessat "
    "faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 "
    "fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock "
    "fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 "
    "futimesat getcwd getdents getdents64 getxattr getxattrat inotify_add_watch inotify_init "
    "inotify_init1 inotify_rm_watch ioctl lchown lchown32 lgetxattr link linkat listmount "
    "listxattr "
    "listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 mkdir mkdirat mknod "
    "mknodat name_to_handle_at newfstatat open openat openat2 pipe pipe2 pread64 preadv preadv2 "
    "pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr removexattrat "
    "rename renameat renameat2 rmdir sendfile sendfile64 setxattr setxattrat splice stat stat64 "
    "statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs tee truncate "
    "truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice write "
    "writev";
constexpr std::string_view kMemory =
    "brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock "
    "mlock2 "
    "mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc "
    "pkey_free "
    "pkey_mprotect process_mrelease remap_file_pages";
constexpr std::string_view kProcesses =
    "capget capset execve execveat exit exit_group fork getcpu getegid getegid32 geteuid geteuid32 "
    "getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid getpriority getresgid "
    "getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid get_thread_area "
    "gettid getuid getuid32 ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset "
    "landlock_restrict_self pause pidfd_open pidfd_send_signal prctl prlimit64 restart_syscall "
    "riscv_hwprobe rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
    "rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity "
    "sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler "
    "sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr "
    "sched_setparam sched_setscheduler sched_yield seccomp setfsgid setfsgid32 setfsuid setfsuid32 "
    "setgid setgid32 setgroups setgroups32 setpgid setpriority setregid setregid32 setresgid "
    "setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit set_robust_list setsid "
    "set_thread_area set_tid_address setuid setuid32 sigaltstack sigprocmask sigreturn sysinfo "
    "tgkill tkill ugetrlimit uname uretprobe vfork wait4 waitid waitpid";
constexpr std::string_view kTime =
    "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime "
    "clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep "
    "setitimer "
    "time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime "
    "timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime "
    "timerfd_settime64 times";
constexpr std::string_view kWaiting =
    "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait "
    "epoll_wait_old eventfd eventfd2 futex futex_requeue futex_time64 futex_wait futex_waitv "
    "futex_wake io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup "
    "io_submit _newselect poll ppoll ppoll_time64 pselect6 pselect6_time64 select signalfd "
    "signalfd4";
constexpr std::string_view kTalking =
    "accept accept4 bind connect getpeername getrandom getsockname getsockopt ipc listen "
    "mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
    "mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd recv recvfrom recvmmsg "
    "recvmmsg_time64 recvmsg semctl semget semop semtimedop semtimedop_time64 send sendmmsg "
    "sendmsg "
    "sendto setsockopt shmat shmctl shmdt shmget shutdown socketcall socketpair";

// CLONE_NEW*: what makes namespaces takes CAP_SYS_ADMIN.
constexpr std::uint64_t kNewNamespaces = 0x7E020000;
// Families of sockets beyond the first twelve; the kernel's crypto (38), vsock (40) and others that
// reach around namespaces are not among them.
constexpr std::uint64_t kFirstFamilies = 12;
constexpr std::uint64_t kMoreFamilies[] = {13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29,
                                           30, 31, 32, 33, 35, 36, 39, 41, 42, 43, 44, 45};
// Linux, Linux in 32 bits, both without random addresses, and asking which it is.
constexpr std::uint64_t kPersonalities[] = {0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF};

struct Guarded {
  std::string_view capability;
  std::string_view names;
};
constexpr Guarded kGuarded[] = {
    {"CAP_DAC_READ_SEARCH", "open_by_handle_at"},
    {"CAP_SYS_ADMIN",
     "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie "
     "lsm_get_self_attr "
     "lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open "
     "quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare"},
    {"CAP_SYS_BOOT", "reboot"},
    {"CAP_SYS_CHROOT", "chroot"},
    {"CAP_SYS_MODULE", "delete_module init_module finit_module"},
    {"CAP_SYS_PACCT", "acct"},
    {"CAP_SYS_PTRACE",
     "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"},
    {"CAP_SYS_RAWIO", "iopl ioperm"},
    {"CAP_SYS_TIME", "settimeofday stime clock_settime clock_settime64"},
    {"CAP_SYS_TTY_CONFIG", "vhangup"},
    {"CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
    {"CAP_SYSLOG", "syslog"},
    {"CAP_BPF", "bpf"},
    {"CAP_PERFMON", "perf_event_open"},
};

SeccompRule allow(std::string_view names) {
  SeccompRule rule;
  for (std::string_view name : split(names, ' ')) rule.calls.names.emplace_back(name);
  rule.calls.action = SeccompAction::kAllow;
  return rule;
}

SeccompRule allow_if(std::string_view name, std::uint64_t value, SeccompOperator op) {
  SeccompRule rule = allow(name);
  oci::SeccompArg argument;
  argument.value = value;
  argument.op = op;
  rule.calls.args = {argument};
  return rule;
}

SeccompRule allow_on(std::vector<std::string> machines, std::string_view names) {
  SeccompRule rule = allow(names);
  rule.includes.machines = std::move(machines);
  return rule;
}

}  // namespace

SeccompProfile default_seccomp_profile() {
  SeccompProfile profile;
  profile.base.default_action = SeccompAction::kErrno;
  profile.base.default_errno_ret = EPERM;
#if defined(__x86_64__)
  profile.base.architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
#elif defined(__aarch64__)
  profile.base.architectures = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
#endif
  auto& rules = profile.rules;
  SeccompRule plain;
  plain.calls.action = SeccompAction::kAllow;
  for (std::string_view group : {kFiles, kMemory, kProcesses, kTime, kWaiting, kTalking}) {
    for (std::string_view name : split(group, ' ')) plain.calls.names.emplace_back(name);
  }
  rules.push_back(std::move(plain));
  // Before 4.8 ptrace went around seccomp.
  rules.push_back(allow("process_vm_readv process_vm_writev ptrace"));
  rules.back().includes.min_kernel = "4.8";
  rules.push_back(allow_if("socket", kFirstFamilies, SeccompOperator::kLt));
  for (std::uint64_t family : kMoreFamilies) {
    rules.push_back(allow_if("socket", family, SeccompOperator::kEq));
  }
  for (std::uint64_t personality : kPersonalities) {
    rules.push_back(allow_if("personality", personality, SeccompOperator::kEq));
  }
  rules.push_back(allow_on({"arm", "arm64"},
                           "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint "
                           "cacheflush set_tls"));
  rules.push_back(allow_on({"amd64", "x32"}, "arch_prctl"));
  rules.push_back(allow_on({"amd64", "x32", "x86"}, "modify_ldt"));
  for (const Guarded& guarded : kGuarded) {
    rules.push_back(allow(guarded.names));
    rules.back().includes.capabilities = {std::string(guarded.capability)};
  }
  rules.push_back(allow_if("clone", kNewNamespaces, SeccompOperator::kMaskedEq));
  rules.back().excludes.capabilities = {"CAP_SYS_ADMIN"};
  // Its flags are in memory, where no filter sees them: programs fall back to clone.
  rules.push_back(allow("clone3"));
  rules.back().calls.action = SeccompAction::kErrno;
  rules.back().calls.errno_ret = ENOSYS;
  rules.back().excludes.capabilities = {"CAP_SYS_ADMIN"};
  return profile;
}

}  // namespace dhow::engine
