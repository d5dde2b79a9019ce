// SPDX-License-Identifier: Apache-2.0
#include "runtime/init/container_init.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <vector>

#include "base/log.h"
#include "base/strings.h"
#include "runtime/hooks.h"
#include "runtime/init/exec_program.h"
#include "runtime/init/process_setup.h"
#include "runtime/init/terminal.h"
#include "runtime/net_devices.h"
#include "runtime/sync.h"

namespace dhow::init {
namespace {

using oci::NamespaceType;
using runtime::MessageType;

Status enter_network(const InitPlan& plan) {
  if (!plan.namespaces.creates(NamespaceType::kNetwork)) return {};
  return runtime::bring_loopback_up();
}

// With the terminal, where one is wanted, on /dev/console.
Result<std::optional<rootfs::Rootfs::Console>> build_root(InitPlan& plan) {
  TRY(plan.rootfs.build());
  std::optional<rootfs::Rootfs::Console> console;
  if (plan.process.terminal) {
    // Before the runtime hears of the mounts: the device rules that it sets then come one by one on
    // v1, after one that denies everything.
    TRY_ASSIGN(console, plan.rootfs.open_console(true));
  }
  const oci::Hooks& hooks = plan.config.hooks;
  TRY(runtime::send_sync(plan.sync, MessageType::kMountsDone));
  if (!hooks.prestart.empty() || !hooks.create_runtime.empty() || !hooks.create_container.empty()) {
    TRY(runtime::send_sync(plan.sync, MessageType::kEarlyHooks));
    TRY(runtime::expect_sync(plan.sync, MessageType::kGo, "wait for hooks"));
  }
  TRY(runtime::run_hooks("createContainer", hooks.create_container, plan.state, {}, plan.bundle));
  TRY(plan.rootfs.switch_root());
  return console;
}

Status make_working_folder(const InitPlan& plan) {
  // As a user of runc expects: a missing working folder is made. Where it can't be (a read-only
  // image), the chdir later says why.
  auto made = plan.rootfs.root().make_dirs_in_root(plan.process.cwd, 0755);
  if (!made) log::debug(cat("make working folder: ", made.error().message()));
  return {};
}

Status set_names(const InitPlan& plan) {
  if (!plan.config.hostname.empty()) TRY(set_hostname(plan.config.hostname));
  if (!plan.config.domainname.empty()) TRY(set_domainname(plan.config.domainname));
  return {};
}

Status restrict_paths(InitPlan& plan) {
  TRY(plan.rootfs.apply_readonly_paths());
  return plan.rootfs.apply_masked_paths();
}

// Closes every descriptor but the standard streams, those to preserve, and those that still wait
// for the start: what created containers hold open for hours, and what a hook could inherit.
void close_the_rest(const InitPlan& plan, std::optional<FdRef> proc) {
  std::vector<unsigned> kept{static_cast<unsigned>(plan.sync.get())};
  if (proc) kept.push_back(static_cast<unsigned>(proc->get()));
  if (plan.gate.go) kept.push_back(static_cast<unsigned>(plan.gate.go->get()));
  if (plan.gate.result) kept.push_back(static_cast<unsigned>(plan.gate.result->get()));
  std::ranges::sort(kept);
  unsigned first = 3 + plan.preserved_fds;
  for (unsigned fd : kept) {
    if (fd > first) ::close_range(first, fd - 1, 0);
    first = fd + 1;
  }
  ::close_range(first, ~0U, 0);
}

// Everything up to the point where only the start is missing.
Result<Program> set_up(InitPlan& plan) {
  // Nothing of the container may look into this process before it is the user's program
  // (CVE-2016-9962); ids may have changed, which resets it.
  if (::prctl(PR_SET_DUMPABLE, 0) != 0) return fail_errno(errno, "prctl PR_SET_DUMPABLE");
  TRY_ASSIGN(auto go, runtime::expect_sync(plan.sync, MessageType::kGo, "wait for the runtime"));
  plan.state.pid = go.number;
  if (plan.namespaces.new_cgroup && ::unshare(CLONE_NEWCGROUP) != 0) {
    return fail_errno(errno, "make cgroup namespace");
  }
  if (::setsid() < 0 && errno != EPERM) return fail_errno(errno, "setsid");
  TRY(enter_network(plan));
  TRY_ASSIGN(auto console, build_root(plan));
  TRY(make_working_folder(plan));
  if (console) TRY(give_terminal(*plan.console_socket, *console, plan.process));
  // What is to be read-only though it had to be written to so far: the root, if it says so, and
  // tmpfs.
  TRY(plan.rootfs.remount_root_readonly());
  ::umask(plan.process.user.umask.value_or(0022));
  TRY(set_names(plan));
  TRY_ASSIGN(FdRef proc, plan.rootfs.private_proc());
  if (plan.new_keyring) {
    TRY(join_session_keyring(proc, plan.state.id, plan.process.selinux_label));
  }
  if (!plan.process.apparmor_profile.empty()) {
    TRY(set_apparmor_exec_profile(proc, plan.process.apparmor_profile));
  }
  TRY(write_sysctls(proc, plan.config.linux.sysctl));
  TRY(restrict_paths(plan));
  TRY(set_attributes(plan.process, plan.config.linux, Role::kInit));
  // Before the change to the working folder: a path through /proc/self/fd must not find a
  // descriptor of ours (CVE-2024-21626).
  close_the_rest(plan, proc);
  return take_credentials({.process = plan.process,
                           .seccomp = plan.seccomp,
                           .landlock = plan.landlock,
                           .proc = proc,
                           .sync = plan.sync,
                           .keep_groups = keeps_groups(plan.config),
                           .listen_fds = plan.listen_fds,
                           .notify_socket = plan.notify_socket});
}

Status wait_for_start(const InitPlan& plan) {
  log::replace_sink(nullptr);  // after the ready message nobody reads
  close_the_rest(plan, std::nullopt);
  // The runtime has seen all it can see fail; from now on the process lives without it.
  if (::prctl(PR_SET_PDEATHSIG, 0) != 0) return fail_errno(errno, "prctl PR_SET_PDEATHSIG");
  TRY(runtime::send_sync(plan.sync, MessageType::kReady));
  TRY(runtime::expect_sync(plan.sync, MessageType::kStart, "wait for start"));
  if (!plan.gate.go) return {};
  char byte;
  ssize_t got;
  do {
    got = ::read(plan.gate.go->get(), &byte, 1);
  } while (got < 0 && errno == EINTR);
  if (got != 1) return fail_errno(got < 0 ? errno : EPIPE, "wait for start");
  return {};
}

// A failure after the start is told to whoever started: `run` on the sync socket, `start` on its
// fifo.
[[noreturn]] void die(const InitPlan& plan, bool started, const Error& error) {
  if (started && plan.gate.result) {
    std::string text = error.message().substr(0, PIPE_BUF);  // one atomic write
    std::ignore = ::write(plan.gate.result->get(), text.data(), text.size());
  } else {
    std::ignore = runtime::send_sync_error(plan.sync, error);
  }
  ::_exit(1);
}

}  // namespace

void run_container_init(InitPlan& plan) {
  runtime::SyncSink sink(plan.sync);
  log::replace_sink(&sink);
  auto program = set_up(plan);
  if (!program) die(plan, false, program.error());
  auto started = wait_for_start(plan);
  if (!started) die(plan, false, started.error());
  auto hooked = runtime::run_hooks("startContainer", plan.config.hooks.start_container, plan.state,
                                   plan.process.env, "");
  if (!hooked) die(plan, true, hooked.error());
  // The last look at descriptors before the program gets them: all but the standard streams and
  // what the caller asked to preserve go, whoever opened them.
  auto closed = set_cloexec_from(3 + plan.preserved_fds);
  if (!closed) die(plan, true, closed.error());
  reset_signals();
  die(plan, true, execute_program(*program, plan.process.args));
}

}  // namespace dhow::init
