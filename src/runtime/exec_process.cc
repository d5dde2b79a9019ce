// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec_process.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "base/strings.h"
#include "runtime/init/exec_program.h"
#include "runtime/init/process_setup.h"
#include "runtime/init/terminal.h"
#include "runtime/rootfs/console.h"
#include "runtime/rootfs/trusted_proc.h"
#include "runtime/sync.h"
#include "sys/dir_fd.h"

namespace dhow::runtime {
namespace {

Status join_namespaces(const ExecPlan& plan, int flags) {
  // One call for all: the kernel takes the user namespace first and the rest with its rights.
  if (flags == 0 || ::setns(plan.init.fd().get(), flags) == 0) return {};
  return fail_errno(errno, "join the container's namespaces");
}

Status enter_container(const ExecPlan& plan, int flags) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return fail_errno(errno, "prctl PR_SET_PDEATHSIG");
  for (const Fd& file : plan.join.self_join_files) {
    if (::write(file.get(), "0", 1) != 1) return fail_errno(errno, "join cgroup");
  }
  if (plan.process.exec_cpu_affinity && !plan.process.exec_cpu_affinity->initial.empty()) {
    TRY(init::set_cpu_affinity(plan.process.exec_cpu_affinity->initial));
  }
  TRY(join_namespaces(plan, flags));
  if (plan.joins_user) {
    const oci::Linux& linux = plan.config.linux;
    // A joined user namespace has no mappings in the configuration; its root is still wanted.
    std::vector<oci::IdMapping> root{{0, 0, 1}};
    auto became = become_namespace_root(linux.uid_mappings.empty() ? root : linux.uid_mappings,
                                        linux.gid_mappings.empty() ? root : linux.gid_mappings);
    if (!became && became.error().sys_errno() != EINVAL) return became;
  }
  return {};
}

// In the process itself, in the container's namespaces.
Result<init::Program> set_up(const ExecPlan& plan, const Fd& sync) {
  if (::prctl(PR_SET_DUMPABLE, 0) != 0) return fail_errno(errno, "prctl PR_SET_DUMPABLE");
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return fail_errno(errno, "prctl PR_SET_PDEATHSIG");
  if (::setsid() < 0 && errno != EPERM) return fail_errno(errno, "setsid");
  rootfs::TrustedProc trusted;
  TRY_ASSIGN(FdRef proc, trusted.get());
  TRY(init::join_session_keyring(proc, plan.state.id, plan.process.selinux_label));
  if (plan.process.terminal) {
    TRY_ASSIGN(DirFd root, DirFd::open("/"));
    TRY_ASSIGN(auto console, rootfs::open_terminal(root));
    TRY(init::give_terminal(*plan.console, console, plan.process));
  }
  ::umask(plan.process.user.umask.value_or(0022));
  if (!plan.process.apparmor_profile.empty()) {
    TRY(init::set_apparmor_exec_profile(proc, plan.process.apparmor_profile));
  }
  TRY(init::set_attributes(plan.process, plan.config.linux, init::Role::kExec));
  return init::take_credentials({.process = plan.process,
                                 .seccomp = plan.seccomp ? &*plan.seccomp : nullptr,
                                 .landlock = plan.landlock ? &*plan.landlock : nullptr,
                                 .proc = proc,
                                 .sync = sync,
                                 .keep_groups = init::keeps_groups(plan.config)});
}

[[noreturn]] void die(const Fd& sync, const Error& error) {
  std::ignore = send_sync_error(sync, error);  // nobody else to tell
  ::_exit(1);
}

[[noreturn]] void run_exec_process(const ExecPlan& plan, const Fd& sync) {
  SyncSink sink(sync);
  log::replace_sink(&sink);
  auto program = set_up(plan, sync);
  log::replace_sink(nullptr);  // after the ready message nobody reads
  if (!program) die(sync, program.error());
  ::prctl(PR_SET_PDEATHSIG, 0);
  auto started = send_sync(sync, MessageType::kReady);
  if (started) {
    auto message = expect_sync(sync, MessageType::kStart, "wait for start");
    if (!message) die(sync, message.error());
  }
  auto closed = set_cloexec_from(3 + plan.preserved_fds);
  if (!closed) die(sync, closed.error());
  init::reset_signals();
  die(sync, init::execute_program(*program, plan.process.args));
}

// Through a stage that joins the user namespace and, with its rights, points its child into the pid
// namespace; the child is the runtime's (CLONE_PARENT).
Result<SpawnedInit> spawn_staged(ExecPlan& plan, SocketPair& sync, const CloneOptions& options) {
  TRY_ASSIGN(CloneResult stage, clone_process(options));
  if (stage.pid == 0) {
    sync.first.reset();
    auto entered = enter_container(plan, plan.namespace_flags);
    if (!entered) die(sync.second, entered.error());
    auto sibling = clone_process({.flags = CLONE_PARENT, .cgroup = {}, .want_pidfd = false});
    if (!sibling) die(sync.second, sibling.error());
    if (sibling->pid == 0) {
      // Its own messages come after the one that says who it is.
      auto go = expect_sync(sync.second, MessageType::kGo, "wait for the runtime");
      if (!go) die(sync.second, go.error());
      run_exec_process(plan, sync.second);
    }
    bool told = send_sync(sync.second, MessageType::kPid, sibling->pid).has_value();
    ::_exit(told ? 0 : 1);
  }
  sync.second.reset();
  auto told =
      expect_sync_of(stage.pidfd, sync.first, MessageType::kPid, "join the container's namespaces");
  std::ignore = wait_for(stage.pid);  // it ends by itself right after its message or error
  if (!told) return fail(std::move(told).error());
  SpawnedInit process;
  process.pid = told->number;
  TRY_ASSIGN(process.pidfd, PidFd::open(process.pid));
  TRY(send_sync(sync.first, MessageType::kGo));
  return process;
}

}  // namespace

Result<SpawnedInit> spawn_exec_process(ExecPlan& plan, SocketPair& sync) {
  CloneOptions options;
  if (plan.join.unified_dir) options.cgroup = plan.join.unified_dir->get();
  if (plan.joins_user) return spawn_staged(plan, sync, options);
  // With root's rights no stage is needed: the next child of this process goes straight into the
  // pid namespace, and joins the others itself.
  int direct = plan.namespace_flags & CLONE_NEWPID;
  TRY(join_namespaces(plan, direct));
  TRY_ASSIGN(CloneResult child, clone_process(options));
  if (child.pid != 0) return SpawnedInit{child.pid, std::move(child.pidfd)};
  sync.first.reset();
  auto entered = enter_container(plan, plan.namespace_flags & ~direct);
  if (!entered) die(sync.second, entered.error());
  run_exec_process(plan, sync.second);
}

}  // namespace dhow::runtime
