// SPDX-License-Identifier: Apache-2.0
// exec: another process in a running container.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <tuple>

#include "runtime/attend.h"
#include "runtime/container.h"
#include "runtime/exec_process.h"
#include "runtime/foreground.h"
#include "runtime/handover.h"
#include "runtime/runtime.h"
#include "sys/unix_socket.h"

namespace dhow::runtime {
namespace {

Status check_executable(const Container& container, const ExecOptions& options) {
  TRY_ASSIGN(ContainerStatus status, container.status());
  if (status == ContainerStatus::kStopped) {
    return fail(Code::kFailedPrecondition, "cannot exec in a stopped container");
  }
  if (status == ContainerStatus::kPaused && !options.ignore_paused) {
    return fail(Code::kFailedPrecondition,
                "cannot exec in a paused container (use --ignore-paused to override)");
  }
  return {};
}

// The process being made: killed and reaped unless it was handed over.
struct Guarded {
  SpawnedInit process;
  bool done = false;
  ~Guarded() {
    if (done || process.pid <= 0) return;
    std::ignore = process.pidfd.send_signal(SIGKILL);  // it may have ended by itself
    std::ignore = wait_for(process.pid);
  }
};

Status run_process(const ExecOptions& options, ExecPlan& plan, Guarded& guarded,
                   Foreground* foreground) {
  TRY_ASSIGN(SocketPair sync, make_socket_pair(SOCK_SEQPACKET));
  auto ready = [&]() -> Status {
    TRY_ASSIGN(guarded.process, spawn_exec_process(plan, sync));
    sync.second.reset();
    TRY(attend_process({.config = plan.config,
                        .process = plan.process,
                        .json_path = "$",
                        .state = plan.state,
                        .cloned = guarded.process,
                        .sync = sync.first,
                        .rootless = plan.rootless,
                        .failure_context = {},
                        .on_mounts_done = {},
                        .on_early_hooks = {}}));
    if (foreground != nullptr) TRY(foreground->accept_console());
    TRY(announce_process(options.pidfd_socket, options.pid_file, guarded.process.pid,
                         guarded.process.pidfd));
    auto started = start_process(sync.first);
    if (!started) retract_process(options.pid_file);
    return started;
  }();
  if (ready) return {};
  return fail(std::move(ready).error().add_context("unable to start container process"));
}

}  // namespace

Result<int> exec(const Context& context, const ExecOptions& options) {
  TRY_ASSIGN(Container container, Container::open(context, options.id, false));
  TRY(check_executable(container, options));
  TRY_ASSIGN(ExecPlan plan, plan_exec(context, container, options));
  TRY(check_console(context.program_name, has_console(options), plan.process.terminal,
                    options.detach));
  // Processes of the container see this one as soon as it is in their pid namespace, and must not
  // get at what it holds (CVE-2016-9962). Without rights of its own in the container's user
  // namespace it has to stay readable for itself a little longer.
  if (!plan.rootless && ::prctl(PR_SET_DUMPABLE, 0) != 0) {
    return fail_errno(errno, "prctl PR_SET_DUMPABLE");
  }
  Guarded guarded;
  if (options.detach) {
    TRY_ASSIGN(auto console, connect_console(options.console_socket, options.console));
    plan.console = console ? &*console : nullptr;
    TRY(run_process(options, plan, guarded, nullptr));
    guarded.done = true;
    if (options.pid != nullptr) *options.pid = guarded.process.pid;
    return 0;
  }
  TRY_ASSIGN(Foreground foreground, Foreground::make(plan.process.terminal, true));
  plan.console = foreground.console();
  TRY(run_process(options, plan, guarded, &foreground));
  guarded.done = true;
  return foreground.serve(guarded.process.pid, guarded.process.pidfd);
}

}  // namespace dhow::runtime
