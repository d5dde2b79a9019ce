// SPDX-License-Identifier: Apache-2.0
#include <climits>

#include "base/strings.h"
#include "runtime/cli/command.h"
#include "runtime/cli/values.h"

namespace dhow::runtime::cli {
namespace {

std::vector<std::string> command_words(const ParsedArguments& arguments) {
  const std::vector<std::string_view>& all = arguments.positionals();
  return {all.begin() + 1, all.end()};
}

// The flags that describe the process itself; with --process the file does.
Status read_process_flags(const ParsedArguments& arguments, ExecOptions& options) {
  options.args = command_words(arguments);
  if (options.args.empty()) {
    return fail(Code::kInvalidArgument, "process args cannot be empty");
  }
  options.env = arguments.list("env");
  options.cwd = arguments.string("cwd");
  if (!options.cwd.empty() && options.cwd.front() != '/') {
    return fail(Code::kInvalidArgument, "cwd must be an absolute path");
  }
  options.tty = arguments.boolean("tty");
  if (arguments.has("user")) {
    TRY_ASSIGN(UserIds ids, parse_user(arguments.string("user")));
    options.uid = ids.uid;
    options.gid = ids.gid;
  }
  for (const std::string& text : arguments.list("additional-gids")) {
    TRY_ASSIGN(std::uint32_t gid, parse_id(text, "additional gid"));
    options.additional_gids.push_back(gid);
  }
  options.capabilities = arguments.list("cap");
  if (arguments.has("apparmor")) options.apparmor = arguments.string("apparmor");
  if (arguments.has("process-label")) options.process_label = arguments.string("process-label");
  if (arguments.has("no-new-privs")) options.no_new_privs = arguments.boolean("no-new-privs");
  return {};
}

Result<ExecOptions> exec_options(const Invocation& call) {
  const ParsedArguments& arguments = call.arguments;
  ExecOptions options;
  options.id = call.id();
  TRY(check_id(options.id));
  if (arguments.has("process")) {
    TRY_ASSIGN(options.process_file, absolute_path(arguments.string("process")));
  } else {
    TRY(read_process_flags(arguments, options));
  }
  // A terminal may be asked for beside the file too.
  options.tty = arguments.boolean("tty");
  TRY_ASSIGN(options.console_socket, absolute_path(arguments.string("console-socket")));
  TRY_ASSIGN(options.pidfd_socket, absolute_path(arguments.string("pidfd-socket")));
  TRY_ASSIGN(options.pid_file, absolute_path(arguments.string("pid-file")));
  options.detach = arguments.boolean("detach");
  std::int64_t preserve_fds = arguments.integer("preserve-fds", 0);
  if (preserve_fds < 0 || preserve_fds > INT_MAX) {
    return fail(Code::kInvalidArgument, cat("preserve-fds ", preserve_fds, ": out of range"));
  }
  options.preserve_fds = static_cast<int>(preserve_fds);
  TRY_ASSIGN(options.cgroups, parse_cgroups(arguments.list("cgroup")));
  options.ignore_paused = arguments.boolean("ignore-paused");
  return options;
}

}  // namespace

Result<int> handle_exec(const Invocation& call) {
  if (call.as_crun() && call.arguments.positionals().size() < 2 && !call.arguments.has("process")) {
    return fail(Code::kInvalidArgument, "`exec` requires a minimum of 2 arguments");
  }
  auto exec = [&]() -> Result<int> {
    TRY_ASSIGN(ExecOptions options, exec_options(call));
    return runtime::exec(call.context, options);
  };
  Result<int> result = exec();
  if (!result && !call.as_crun()) {
    return fail(std::move(result).error().add_context("exec failed"));
  }
  return result;
}

}  // namespace dhow::runtime::cli
