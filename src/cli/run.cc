// SPDX-License-Identifier: Apache-2.0
// run, create, start and attach.
#include <unistd.h>

#include <memory>

#include "base/strings.h"
#include "cli/container_calls.h"
#include "cli/run_verbs.h"
#include "oci/json_value.h"

namespace dhow::cli {
namespace {

// What run, start and attach join to a container.
struct Joining {
  std::string container;
  bool terminal = false;
  bool input = false;
  bool output = true;
  bool errors = true;
  bool proxy_signals = true;
  bool removed = false;  // wait until it is removed (--rm)
  std::string detach_keys;
};

// A container's streams and its exit, asked for before it starts.
struct Joined {
  client::Exchange streams;
  client::Exchange wait;
};

Result<std::string> detach_keys(Session& session, const Arguments& arguments) {
  std::string keys(arguments.string("detach-keys"));
  if (keys.empty()) {
    TRY_ASSIGN(const ConfigFile* config, session.config());
    keys = config->detach_keys;
  }
  return keys;
}

client::Call attach_call(const Joining& joining) {
  client::Call call;
  call.method = "POST";
  call.path = container_path(joining.container, "/attach");
  call.query.add("stream", "1")
      .add_switch("stdin", joining.input)
      .add_switch("stdout", joining.output);
  call.query.add_switch("stderr", joining.errors).add_given("detachKeys", joining.detach_keys);
  call.upgrade = true;
  return call;
}

client::Call wait_call(const Joining& joining, std::string_view condition) {
  client::Call call;
  call.method = "POST";
  call.path = container_path(joining.container, "/wait");
  call.query.add("condition", joining.removed ? "removed" : condition);
  return call;
}

Status start_container(client::Client& client, std::string_view container) {
  client::Call call;
  call.method = "POST";
  call.path = container_path(container, "/start");
  TRY(client.call_status(std::move(call)));
  return {};
}

// Both questions are sent before the first answer is read.
Result<Joined> join(client::Client& client, const Joining& joining, std::string_view condition) {
  TRY_ASSIGN(client::Exchange streams, client.send(attach_call(joining)));
  TRY_ASSIGN(client::Exchange wait, client.send(wait_call(joining, condition)));
  TRY(streams.await_head());
  TRY(wait.await_head());
  return Joined{std::move(streams), std::move(wait)};
}

Result<StreamOptions> stream_options(Session& session, client::Client& client,
                                     const Joining& joining) {
  StreamOptions options;
  options.input = joining.input;
  options.output = joining.output;
  options.errors = joining.errors;
  options.terminal = joining.terminal;
  std::string path = container_path(joining.container);
  if (joining.terminal && session.output_is_terminal()) {
    options.resize = [&client, path](TerminalSize size) { resize_terminal(client, path, size); };
  }
  if (joining.terminal && joining.input) {
    TRY_ASSIGN(options.detach_keys, parse_detach_keys(joining.detach_keys));
  }
  if (joining.proxy_signals && !joining.terminal) {
    auto pending = std::make_shared<std::vector<client::Exchange>>();
    options.signal = [&client, container = joining.container, pending](std::string_view name) {
      forward_signal(client, container, name, *pending);
    };
  }
  return options;
}

// Runs the streams to their end: the container's exit code, or `detached` after the detach keys.
Result<int> follow(Session& session, Joined& joined, const StreamOptions& options,
                   Result<int> detached) {
  auto size = terminal_size(STDOUT_FILENO);
  if (options.resize && size) options.resize(*size);
  session.flush();
  TRY_ASSIGN(StreamEnd end, run_streams(joined.streams, options));
  if (end == StreamEnd::kDetached) return detached;
  return exit_code_of(joined.wait);
}

int report_run_failure(Session& session, const Error& error, int code) {
  std::string_view name = main_name(session.command());
  session.complain_line(cat(session.name(), ": ", error.message(), "\n\nRun '", session.name(), " ",
                            name, " --help' for more information"));
  return code;
}

Result<int> run_attached(Session& session, client::Client& client, const Joining& joining) {
  TRY_ASSIGN(StreamOptions options, stream_options(session, client, joining));
  TRY_ASSIGN(Joined joined, join(client, joining, "next-exit"));
  block_signals(options);
  if (auto started = start_container(client, joining.container); !started) {
    return report_run_failure(session, started.error(),
                              start_failure_code(started.error().message()));
  }
  return follow(session, joined, options, 0);
}

Result<int> run_detached(Session& session, client::Client& client, const std::string& id) {
  if (auto started = start_container(client, id); !started) {
    return report_run_failure(session, started.error(),
                              start_failure_code(started.error().message()));
  }
  session.print_line(id);
  return 0;
}

Result<int> run_new(Session& session, const Arguments& arguments) {
  bool detached = arguments.boolean("detach");
  TRY_ASSIGN(const ConfigFile* config, session.config());
  TRY_ASSIGN(CreateRequest request, make_create_request(arguments, *config, detached));
  if (detached && (request.input || request.output || request.errors)) {
    return fail(Code::kInvalidArgument,
                "conflicting options: cannot specify both --attach and --detach");
  }
  if (!detached) {
    if (auto checked = check_input_terminal(session, request.input, request.terminal); !checked) {
      session.complain_line(checked.error().message());
      return 1;
    }
  }
  TRY_ASSIGN(client::Client * client, session.client());
  Joining joining;
  TRY_ASSIGN(joining.detach_keys, detach_keys(session, arguments));
  TRY_ASSIGN(joining.container, create_container(session, arguments, request));
  bool attached = request.input || request.output || request.errors;
  if (!attached) return run_detached(session, *client, joining.container);
  joining.terminal = request.terminal;
  joining.input = request.input;
  joining.output = request.output;
  joining.errors = request.errors;
  joining.proxy_signals = arguments.boolean("sig-proxy", true);
  joining.removed = arguments.boolean("rm");
  return run_attached(session, *client, joining);
}

}  // namespace

Result<int> run_run(Session& session, const Arguments& arguments) {
  auto code = run_new(session, arguments);
  if (code) return code;
  return report_run_failure(session, code.error(), 125);
}

Result<int> run_create(Session& session, const Arguments& arguments) {
  auto created = [&]() -> Result<std::string> {
    TRY_ASSIGN(const ConfigFile* config, session.config());
    TRY_ASSIGN(CreateRequest request, make_create_request(arguments, *config, false));
    return create_container(session, arguments, request);
  }();
  // The API's errors are told as they are, those of flags with a word on help.
  if (!created && created.error().message().starts_with("Error response"))
    return std::unexpected(std::move(created).error());
  if (!created) return report_run_failure(session, created.error(), 125);
  session.print_line(*created);
  return 0;
}

namespace {

struct ContainerState {
  bool terminal = false;
  bool input = false;
  bool running = false;
  bool paused = false;
  bool restarting = false;
  bool auto_remove = false;
};

Result<ContainerState> state_of(client::Client& client, std::string_view container) {
  TRY_ASSIGN(std::string body, client.call({.path = container_path(container, "/json")}));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(body));
  oci::JsonValue root = document.root();
  auto flag = [](oci::JsonValue value) { return value.as_boolean().value_or(false); };
  return ContainerState{flag(root.find("Config").find("Tty")),
                        flag(root.find("Config").find("OpenStdin")),
                        flag(root.find("State").find("Running")),
                        flag(root.find("State").find("Paused")),
                        flag(root.find("State").find("Restarting")),
                        flag(root.find("HostConfig").find("AutoRemove"))};
}

Result<int> start_joined(Session& session, client::Client& client, const Arguments& arguments) {
  if (arguments.positionals().size() > 1) {
    return fail(Code::kInvalidArgument, "you cannot start and attach multiple containers at once");
  }
  std::string container(arguments.positional(0));
  TRY_ASSIGN(ContainerState state, state_of(client, container));
  Joining joining;
  joining.container = container;
  joining.terminal = state.terminal;
  joining.input = arguments.boolean("interactive") && state.input;
  joining.output = joining.errors = true;
  joining.proxy_signals = arguments.boolean("sig-proxy", true);
  joining.removed = state.auto_remove;
  TRY_ASSIGN(joining.detach_keys, detach_keys(session, arguments));
  TRY_ASSIGN(StreamOptions options, stream_options(session, client, joining));
  // One that runs is only joined.
  TRY_ASSIGN(Joined joined, join(client, joining, "next-exit"));
  block_signals(options);
  TRY(start_container(client, container));
  return follow(session, joined, options, 0);
}

}  // namespace

Result<int> run_start(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  if (!arguments.string("checkpoint").empty() || !arguments.string("checkpoint-dir").empty()) {
    return fail(Code::kUnimplemented, "start --checkpoint is not supported yet");
  }
  if (arguments.boolean("attach") || arguments.boolean("interactive"))
    return start_joined(session, *client, arguments);
  std::string failed;
  for (std::string_view name : arguments.positionals()) {
    auto started = start_container(*client, name);
    if (started) {
      session.print_line(name);
      continue;
    }
    session.complain_line(started.error().message());
    failed += cat(failed.empty() ? "" : ", ", name);
  }
  if (failed.empty()) return 0;
  return fail(Code::kUnknown, cat("Error: failed to start containers: ", failed));
}

Result<int> run_attach(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  std::string container(arguments.positional(0));
  TRY_ASSIGN(ContainerState state, state_of(*client, container));
  if (!state.running)
    return fail(Code::kFailedPrecondition,
                "You cannot attach to a stopped container, start it first");
  if (state.paused)
    return fail(Code::kFailedPrecondition,
                "You cannot attach to a paused container, unpause it first");
  if (state.restarting)
    return fail(Code::kFailedPrecondition,
                "You cannot attach to a restarting container, wait until it is running");
  Joining joining;
  joining.container = container;
  joining.terminal = state.terminal;
  joining.input = state.input && !arguments.boolean("no-stdin");
  joining.proxy_signals = arguments.boolean("sig-proxy", true);
  TRY_ASSIGN(joining.detach_keys, detach_keys(session, arguments));
  TRY(check_input_terminal(session, joining.input, joining.terminal));
  TRY_ASSIGN(StreamOptions options, stream_options(session, *client, joining));
  TRY_ASSIGN(Joined joined, join(*client, joining, "not-running"));
  block_signals(options);
  // Unlike run and start, as with docker: who only attached is told why it ends.
  return follow(session, joined, options, fail(Code::kCancelled, "read escape sequence"));
}

}  // namespace dhow::cli
