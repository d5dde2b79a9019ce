// SPDX-License-Identifier: Apache-2.0
#include "bench/seccomp_profile.h"

#include <sched.h>
#include <sys/socket.h>

#include <string_view>

#include "base/strings.h"

namespace dhow::bench {
namespace {

// Files, memory, processes, time, signals, networking: all that an ordinary program may call.
constexpr std::string_view kAllowed =
    // files and folders
    "access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 "
    "faccessat faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown "
    "fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr "
    "fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd "
    "getdents getdents64 getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch "
    "ioctl lchown lchown32 lgetxattr link linkat listxattr llistxattr _llseek lremovexattr lseek "
    "lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat _newselect "
    "open openat openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read "
    "readahead readlink readlinkat readv removexattr rename renameat renameat2 rmdir sendfile "
    "sendfile64 setxattr splice stat stat64 statfs statfs64 statx symlink symlinkat sync "
    "sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat "
    "utimensat_time64 utimes vmsplice write writev cachestat setxattrat getxattrat listxattrat "
    "removexattrat "
    // asynchronous input and output, waiting
    "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait "
    "epoll_wait_old eventfd eventfd2 io_cancel io_destroy io_getevents io_pgetevents "
    "io_pgetevents_time64 io_setup io_submit poll ppoll ppoll_time64 pselect6 pselect6_time64 "
    "select signalfd signalfd4 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime "
    "timerfd_settime64 "
    // memory
    "brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 "
    "mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc "
    "pkey_free pkey_mprotect process_madvise process_mrelease remap_file_pages "
    // processes, users, limits, scheduling
    "arch_prctl alarm capget capset execve execveat exit exit_group fork getcpu getegid getegid32 "
    "geteuid geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid "
    "getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid "
    "gettid getuid getuid32 ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset "
    "landlock_restrict_self modify_ldt nanosleep pause pidfd_open pidfd_send_signal prctl "
    "prlimit64 process_vm_readv process_vm_writev ptrace restart_syscall rseq sched_getaffinity "
    "sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min "
    "sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity "
    "sched_setattr sched_setparam sched_setscheduler sched_yield seccomp setfsgid setfsgid32 "
    "setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 set_robust_list get_robust_list "
    "setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid "
    "setreuid32 setrlimit setsid set_thread_area get_thread_area set_tid_address setuid setuid32 "
    "sysinfo tgkill times tkill ugetrlimit uname vfork wait4 waitid waitpid "
    // signals, timers, clocks, futexes
    "adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime "
    "clock_gettime64 clock_nanosleep clock_nanosleep_time64 futex futex_requeue futex_time64 "
    "futex_wait futex_waitv futex_wake getitimer gettimeofday rt_sigaction rt_sigpending "
    "rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait "
    "rt_sigtimedwait_time64 rt_tgsigqueueinfo setitimer sigaltstack sigprocmask sigreturn time "
    "timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime "
    "timer_settime64 "
    // sockets
    "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg "
    "recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall "
    "socketpair "
    // System V and POSIX queues, semaphores, shared memory
    "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
    "mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop "
    "semtimedop_time64 shmat shmctl shmdt shmget";

std::string name_list(std::string_view names) {
  std::string list;
  for (const std::string_view name : split(names, ' ')) {
    list += cat(list.empty() ? "" : ",", quoted(name));
  }
  return list;
}

std::string argument_rule(std::string_view name, std::uint64_t value, std::uint64_t value_two,
                          std::string_view operation) {
  return cat(R"({"names":[)", quoted(name), R"(],"action":"SCMP_ACT_ALLOW","args":[{"index":0,)",
             R"("value":)", value, R"(,"valueTwo":)", value_two, R"(,"op":)", quoted(operation),
             "}]}");
}

}  // namespace

std::string seccomp_profile() {
  // The persona that any program may ask for: Linux and its variants, and the query.
  constexpr std::uint64_t kPersonas[] = {0x0, 0x8, 0x20000, 0x20008, 0xffffffff};
  constexpr std::uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                        CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  std::string rules = cat(R"({"names":[)", name_list(kAllowed), R"(],"action":"SCMP_ACT_ALLOW"})");
  for (const std::uint64_t persona : kPersonas) {
    rules += cat(",", argument_rule("personality", persona, 0, "SCMP_CMP_EQ"));
  }
  rules += cat(",", argument_rule("socket", AF_VSOCK, 0, "SCMP_CMP_NE"));
  rules += cat(",", argument_rule("clone", kNamespaces, 0, "SCMP_CMP_MASKED_EQ"));
  // clone3's flags are behind a pointer, out of a filter's reach: programs must fall back to clone.
  rules += R"(,{"names":["clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":38})";
#if defined(__x86_64__)
  constexpr const char* kArchitectures = R"(["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32"])";
#else
  constexpr const char* kArchitectures = R"(["SCMP_ARCH_AARCH64","SCMP_ARCH_ARM"])";
#endif
  return cat(R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"architectures":)",
             kArchitectures, R"(,"syscalls":[)", rules, "]}");
}

}  // namespace dhow::bench
