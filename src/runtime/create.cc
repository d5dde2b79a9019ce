// SPDX-License-Identifier: Apache-2.0
// create and run: a container from a bundle.
#include "base/log.h"
#include "runtime/container.h"
#include "runtime/creation.h"
#include "runtime/foreground.h"
#include "runtime/handover.h"
#include "runtime/hooks.h"
#include "runtime/rootfs/rootfs.h"
#include "runtime/runtime.h"

namespace dhow::runtime {
namespace {

// The container's READY=1 is passed on; that the caller's socket is gone doesn't end the container.
void forward_ready(Creation& creation) {
  NotifySocket* notify = creation.notify();
  if (notify == nullptr) return;
  auto forwarded = notify->forward_ready(creation.pidfd(), creation.pid());
  if (!forwarded) log::warning(forwarded.error().message());
}

// A failed poststart hook ends the container and is the operation's failure (runtime-spec 1.3,
// lifecycle step 9).
Status run_poststart(const Creation& creation) {
  const oci::Config& config = creation.config();
  return run_hooks("poststart", config.hooks.poststart, hook_state(creation.record(), "running"),
                   {}, creation.record().bundle);
}

Status start_container(Creation& creation) {
  auto started = creation.start_now();
  if (started) started = run_poststart(creation);
  if (started) return {};
  return creation.give_up(std::move(started).error());
}

Result<int> run_foreground(Creation& creation, const CreateOptions& options,
                           Foreground& foreground) {
  forward_ready(creation);
  auto code = foreground.serve(creation.pid(), creation.pidfd());
  if (!code) return creation.give_up(std::move(code).error());
  if (!options.keep) TRY(creation.remove_ended());
  return code;
}

}  // namespace

std::optional<Fd> empty_mounts() { return rootfs::empty_mount_namespace().value_or(std::nullopt); }

Status create(const Context& context, const CreateOptions& options) {
  Creation creation(context, options);
  TRY(creation.load());
  TRY(check_console(context.program_name, has_console(options), creation.config().process->terminal,
                    true));
  TRY_ASSIGN(auto console, connect_console(options.console_socket, options.console));
  TRY(creation.make(true, console ? &*console : nullptr));
  TRY(creation.finish());
  // Init now waits for the start command, no longer for us.
  auto released = creation.release_to_gate();
  if (released) return {};
  return creation.give_up(std::move(released).error());
}

Result<int> run(const Context& context, const CreateOptions& options) {
  Creation creation(context, options);
  TRY(creation.load());
  const oci::Process& process = *creation.config().process;
  TRY(check_console(context.program_name, has_console(options), process.terminal, options.detach));
  if (options.detach) {
    TRY_ASSIGN(auto console, connect_console(options.console_socket, options.console));
    TRY(creation.make(false, console ? &*console : nullptr));
    TRY(creation.finish());
    TRY(start_container(creation));
    forward_ready(creation);
    return 0;
  }
  TRY_ASSIGN(Foreground foreground, Foreground::make(process.terminal, !options.no_subreaper));
  TRY(creation.make(false, foreground.console()));
  TRY(foreground.accept_console());
  TRY(creation.finish());
  TRY(start_container(creation));
  return run_foreground(creation, options, foreground);
}

}  // namespace dhow::runtime
