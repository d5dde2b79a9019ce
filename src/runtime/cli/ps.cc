// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "runtime/cli/command.h"
#include "runtime/cli/output.h"
#include "sys/file_io.h"
#include "sys/process.h"

namespace dhow::runtime::cli {
namespace {

// What `ps` with these options prints. Blocks until it has ended.
Result<std::string> run_ps(const std::vector<std::string>& options) {
  std::vector<char*> argv{const_cast<char*>("ps")};
  for (const std::string& option : options) argv.push_back(const_cast<char*>(option.c_str()));
  argv.push_back(nullptr);

  TRY_ASSIGN(Pipe pipe, make_pipe());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe.write.get(), STDOUT_FILENO);
  pid_t pid = 0;
  int error = posix_spawnp(&pid, "ps", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  pipe.write.reset();
  if (error == ENOENT) {
    return fail(Error(Code::kNotFound, ENOENT, "exec: \"ps\": executable file not found in $PATH"));
  }
  if (error != 0) return fail_errno(error, "run \"ps\"");

  Result<std::string> output = read_all(pipe.read);
  TRY_ASSIGN(int status, wait_for(pid));
  if (int code = exit_code_from_wait_status(status); code != 0) {
    return fail(Code::kUnknown, cat("ps ", join(options, " "), ": exit status ", code));
  }
  return output;
}

}  // namespace

Result<int> handle_ps(const Invocation& call) {
  const std::vector<std::string_view>& positionals = call.arguments.positionals();
  std::string_view format = call.arguments.string("format", "table");
  if (format != "table" && format != "json") {
    return fail(Code::kInvalidArgument,
                call.as_crun() ? cat("invalid format `", format, "`") : "invalid format option");
  }
  TRY(check_id(call.id()));
  TRY_ASSIGN(std::vector<pid_t> pids, runtime::processes(call.context, call.id()));
  if (format == "json") {
    TRY(call.print(pids_json(call.personality.style, pids)));
    return 0;
  }
  if (call.as_crun()) {
    std::string text = "PID\n";
    for (pid_t pid : pids) text += cat(pid, "\n");
    TRY(call.print(text));
    return 0;
  }
  std::vector<std::string> options(positionals.begin() + 1, positionals.end());
  if (options.empty()) options.emplace_back("-ef");
  TRY_ASSIGN(std::string table, run_ps(options));
  TRY_ASSIGN(std::string filtered, filter_ps(table, pids));
  TRY(call.print(filtered));
  return 0;
}

}  // namespace dhow::runtime::cli
