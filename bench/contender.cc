// SPDX-License-Identifier: Apache-2.0
#include "bench/contender.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <tuple>

#include "base/log.h"
#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/process.h"

namespace dhow::bench {
namespace {

constexpr int kStopTimeoutMs = 10'000;

LauncherOptions options_for(const Contender::Options& options, const std::string& folder) {
  return {.program = options.launcher,
          .log_file = folder + "/log",
          .hide_unified = options.hide_unified,
          .extra_mount_source = {},
          .extra_mount_target = {}};
}

}  // namespace

Result<Contender> Contender::make(Options options, const Workspace& workspace,
                                  const Interrupt& interrupt) {
  const std::string folder = cat(workspace.root(), "/contenders/", options.name);
  TRY(make_dirs(folder + "/state", 0711));
  TRY(make_dirs(folder + "/bundles", 0755));
  TRY(make_dirs(folder + "/pids", 0755));
  TRY_ASSIGN(Launcher launcher, Launcher::start(options_for(options, folder), interrupt));
  Contender contender(std::move(options), workspace, interrupt, folder, std::move(launcher));
  TRY_CONTEXT(contender.invoke({"--version"}), cat("ask ", contender.name(), " for its version"));
  TRY_ASSIGN(const std::string log, read_file(folder + "/log"));
  contender.version_ = log.substr(0, log.find('\n'));
  return contender;
}

Result<std::string> Contender::write_bundle(const std::string& name, SpecOptions spec) const {
  const std::string bundle = cat(folder_, "/bundles/", name);
  spec.rootfs = workspace_->rootfs();
  spec.cgroups_path = cat(cgroup(), "/", name);
  TRY(make_dirs(bundle, 0755));
  TRY_ASSIGN(const Fd dir, open_at(kCwd, bundle, O_RDONLY | O_DIRECTORY));
  TRY(replace_file(dir, "config.json", make_config(spec), 0644));
  return bundle;
}

Command Contender::command(const std::vector<std::string>& arguments) const {
  Command command = {options_.program, "--root", folder_ + "/state"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

Result<LaunchReply> Contender::invoke(const std::vector<std::string>& arguments,
                                      Launcher& launcher) {
  TRY_ASSIGN(const LaunchReply reply, launcher.run(command(arguments)));
  const int code = exit_code_from_wait_status(reply.status);
  if (code != 0) {
    return fail(Code::kUnknown, cat(options_.name, " ", join(arguments, " "), ": exit code ", code,
                                    ": ", last_output()));
  }
  return reply;
}

Result<Launcher> Contender::start_launcher(int extra_mounts, bool join) const {
  LauncherOptions options = options_for(options_, folder_);
  options.join = join ? launcher_.pid() : 0;
  options.extra_mounts = extra_mounts;
  options.extra_mount_source = workspace_->mount_source();
  options.extra_mount_target = workspace_->mount_targets();
  return Launcher::start(options, *interrupt_);
}

std::string Contender::pid_file(const std::string& id) const { return cat(folder_, "/pids/", id); }

Result<pid_t> Contender::read_pid(const std::string& id) const {
  TRY_ASSIGN(const std::string text, read_file(pid_file(id)));
  const auto pid = parse_number<pid_t>(text);
  if (!pid) return fail(Code::kInternal, cat("pid file of ", dhow::quoted(id), ": not a number"));
  return *pid;
}

Status Contender::wait_stopped(const std::string& id) const {
  TRY_ASSIGN(const pid_t pid, read_pid(id));
  const auto process = PidFd::open(pid);
  if (process) {
    TRY_ASSIGN(const bool ended, process->wait_exit(kStopTimeoutMs));
    if (!ended)
      return fail(Code::kDeadlineExceeded, cat("container ", dhow::quoted(id), " lives on"));
  } else if (process.error().sys_errno() != ESRCH) {
    return fail(process.error());
  }
  waitpid(pid, nullptr, WNOHANG);
  return {};
}

std::vector<std::string> Contender::leftovers() const {
  const auto dir = open_at(kCwd, folder_ + "/state", O_RDONLY | O_DIRECTORY);
  if (!dir) return {};
  auto names = list_dir(*dir);
  if (!names) return {};
  // Dot files are the runtime's own (a cache of compiled filters), not containers.
  std::erase_if(*names, [](const std::string& name) { return name.starts_with('.'); });
  return *names;
}

void Contender::wipe() {
  for (const std::string& id : leftovers()) {
    const auto deleted = launcher_.run(command({"delete", "--force", id}));
    if (!deleted) log::warning(cat("delete ", dhow::quoted(id), ": ", deleted.error().message()));
  }
  reap_orphans();
}

std::string Contender::last_output() const {
  constexpr std::size_t kMaxBytes = 300;
  const auto log = read_file(folder_ + "/log");
  if (!log) return {};
  std::string_view text = trim(*log);
  if (text.size() > kMaxBytes) text.remove_prefix(text.size() - kMaxBytes);
  const auto lines = split(text, '\n');
  return std::string(lines.back());
}

void reap_orphans() {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

}  // namespace dhow::bench
