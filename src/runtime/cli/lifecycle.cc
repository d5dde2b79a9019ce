// SPDX-License-Identifier: Apache-2.0
#include <regex.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "base/cleanup.h"
#include "base/strings.h"
#include "runtime/cli/command.h"
#include "runtime/cli/values.h"
#include "sys/file_io.h"

namespace dhow::runtime::cli {
namespace {

// The ids below the state folder that an extended regular expression (regex(7)) matches anywhere.
Result<std::vector<std::string>> matching_ids(const Invocation& call) {
  std::string pattern(call.id());
  regex_t regex{};
  if (int error = regcomp(&regex, pattern.c_str(), REG_EXTENDED | REG_NOSUB); error != 0) {
    char text[128];
    regerror(error, &regex, text, sizeof text);
    return fail(Code::kInvalidArgument,
                cat("invalid regular expression ", quoted(pattern), ": ", text));
  }
  Cleanup release([&] { regfree(&regex); });
  TRY_ASSIGN(std::vector<ContainerInfo> containers, runtime::list(call.context));
  std::vector<std::string> ids;
  for (const ContainerInfo& container : containers) {
    if (regexec(&regex, container.id.c_str(), 0, nullptr, 0) == 0) ids.push_back(container.id);
  }
  return ids;
}

// Runs `action` on the container that was named or on all that match. Of several failures the
// first is returned, after all were tried.
template <typename Action>
Status for_each_target(const Invocation& call, Action action) {
  if (!call.arguments.boolean("regex")) return action(call.id());
  TRY_ASSIGN(std::vector<std::string> ids, matching_ids(call));
  Status first;
  for (const std::string& id : ids) {
    Status status = action(id);
    if (!status && first) {
      first = fail(std::move(status).error().add_context(cat("container ", quoted(id))));
    }
  }
  return first;
}

Status remove_container(const Invocation& call, std::string_view id) {
  bool force = call.arguments.boolean("force");
  TRY(check_id(id));
  Status status = runtime::remove(call.context, id, force);
  if (!status && force && status.error().code() == Code::kNotFound) return {};
  return status;
}

// `create` and `run` tell their name, as runc does: callers show it.
std::string failure_prefix(const Invocation& call, std::string_view command) {
  return cat(call.personality.name, " ", command, " failed");
}

}  // namespace

Status Invocation::print(std::string_view text) const {
  TRY_CONTEXT(write_all(streams.out, text), "write the standard output");
  return {};
}

Result<std::string> absolute_path(std::string_view path) {
  if (path.empty() || path.front() == '/') return std::string(path);
  char folder[PATH_MAX];
  if (getcwd(folder, sizeof folder) == nullptr) return fail_errno(errno, "get the working folder");
  return cat(folder, "/", path);
}

Result<CreateOptions> create_options(const Invocation& call) {
  const ParsedArguments& arguments = call.arguments;
  CreateOptions options;
  options.id = call.id();
  // Before anything is looked at: what is relative means the caller's folder, not the bundle.
  TRY_ASSIGN(options.console_socket, absolute_path(arguments.string("console-socket")));
  TRY_ASSIGN(options.pidfd_socket, absolute_path(arguments.string("pidfd-socket")));
  TRY_ASSIGN(options.pid_file, absolute_path(arguments.string("pid-file")));
  TRY_ASSIGN(options.landlock_file, absolute_path(arguments.string("landlock")));
  TRY_ASSIGN(options.config_file, absolute_path(arguments.string("config")));

  std::string bundle(arguments.string("bundle", "."));
  if (bundle.empty()) bundle = ".";
  char resolved[PATH_MAX];
  struct stat info{};
  if (realpath(bundle.c_str(), resolved) == nullptr || stat(resolved, &info) != 0) {
    return fail_errno(errno, cat("chdir ", bundle));
  }
  if (!S_ISDIR(info.st_mode)) return fail_errno(ENOTDIR, cat("chdir ", bundle));
  options.bundle = resolved;

  options.no_pivot = arguments.boolean("no-pivot");
  options.no_new_keyring = arguments.boolean("no-new-keyring");
  options.no_subreaper = arguments.boolean("no-subreaper");
  std::int64_t preserve_fds = arguments.integer("preserve-fds", 0);
  if (preserve_fds < 0 || preserve_fds > INT_MAX) {
    return fail(Code::kInvalidArgument, cat("preserve-fds ", preserve_fds, ": out of range"));
  }
  options.preserve_fds = static_cast<int>(preserve_fds);
  return options;
}

Result<int> handle_create(const Invocation& call) {
  auto create = [&]() -> Status {
    TRY(check_id(call.id()));
    TRY_ASSIGN(CreateOptions options, create_options(call));
    return runtime::create(call.context, options);
  };
  Status status = create();
  if (!status && !call.as_crun()) {
    return fail(std::move(status).error().add_context(failure_prefix(call, "create")));
  }
  TRY(status);
  return 0;
}

Result<int> handle_run(const Invocation& call) {
  auto run = [&]() -> Result<int> {
    TRY(check_id(call.id()));
    TRY_ASSIGN(CreateOptions options, create_options(call));
    options.detach = call.arguments.boolean("detach");
    options.keep = call.arguments.boolean("keep");
    return runtime::run(call.context, options);
  };
  Result<int> result = run();
  if (!result && !call.as_crun()) {
    return fail(std::move(result).error().add_context(failure_prefix(call, "run")));
  }
  return result;
}

Result<int> handle_start(const Invocation& call) {
  TRY(check_id(call.id()));
  TRY(runtime::start(call.context, call.id()));
  return 0;
}

Result<int> handle_kill(const Invocation& call) {
  const std::vector<std::string_view>& positionals = call.arguments.positionals();
  std::string_view name = positionals.size() > 1 ? positionals[1] : std::string_view();
  TRY_ASSIGN(int signal, parse_signal(name));
  bool all = call.arguments.boolean("all");
  auto send = [&](std::string_view id) -> Status {
    TRY(check_id(id));
    return runtime::kill(call.context, id, signal, all);
  };
  TRY(for_each_target(call, send));
  return 0;
}

Result<int> handle_delete(const Invocation& call) {
  TRY(for_each_target(call, [&](std::string_view id) { return remove_container(call, id); }));
  return 0;
}

Result<int> handle_pause(const Invocation& call) {
  TRY(check_id(call.id()));
  TRY(runtime::pause(call.context, call.id()));
  return 0;
}

Result<int> handle_resume(const Invocation& call) {
  TRY(check_id(call.id()));
  TRY(runtime::resume(call.context, call.id()));
  return 0;
}

}  // namespace dhow::runtime::cli
