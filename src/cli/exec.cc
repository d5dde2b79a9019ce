// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "base/strings.h"
#include "cli/container_calls.h"
#include "cli/run_verbs.h"
#include "oci/json_value.h"

namespace dhow::cli {
namespace {

Result<std::string> exec_body(const Arguments& arguments, const std::string& keys) {
  bool detached = arguments.boolean("detach");
  oci::JsonWriter json;
  json.begin_object();
  json.member_boolean("AttachStdin", !detached && arguments.boolean("interactive"));
  json.member_boolean("AttachStdout", !detached).member_boolean("AttachStderr", !detached);
  json.member_boolean("Tty", arguments.boolean("tty"));
  json.member_boolean("Privileged", arguments.boolean("privileged"));
  if (auto user = arguments.string("user"); !user.empty()) json.member("User", user);
  if (auto folder = arguments.string("workdir"); !folder.empty()) json.member("WorkingDir", folder);
  if (!keys.empty()) json.member("DetachKeys", keys);
  TRY_ASSIGN(auto environment, read_environment(arguments));
  write_strings(json, "Env", {environment.begin(), environment.end()});
  const auto& words = arguments.positionals();
  write_strings(json, "Cmd", {words.begin() + 1, words.end()});
  json.end_object();
  return json.text();
}

Result<std::string> create_exec(client::Client& client, std::string_view container,
                                std::string body) {
  client::Call call;
  call.method = "POST";
  call.path = container_path(container, "/exec");
  call.body = std::move(body);
  TRY_ASSIGN(std::string answer, client.call(std::move(call)));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(answer));
  return std::string(document.root().find("Id").as_string().value_or(""));
}

client::Call start_call(const std::string& path, bool detached, bool terminal) {
  client::Call call;
  call.method = "POST";
  call.path = path + "/start";
  oci::JsonWriter json;
  json.begin_object().member_boolean("Detach", detached).member_boolean("Tty", terminal);
  if (auto size = terminal ? terminal_size(STDOUT_FILENO) : std::nullopt) {
    json.key("ConsoleSize").begin_array().number(size->rows).number(size->columns).end_array();
  }
  json.end_object();
  call.body = json.text();
  call.upgrade = !detached;
  return call;
}

Result<int> exec_code(client::Client& client, const std::string& path) {
  TRY_ASSIGN(std::string answer, client.call({.path = path + "/json"}));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(answer));
  return static_cast<int>(document.root().find("ExitCode").as_int64().value_or(0));
}

}  // namespace

Result<int> run_exec(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  TRY_ASSIGN(const ConfigFile* config, session.config());
  bool detached = arguments.boolean("detach");
  StreamOptions options;
  options.input = !detached && arguments.boolean("interactive");
  options.output = options.errors = true;
  options.terminal = arguments.boolean("tty");
  std::string keys(arguments.string("detach-keys"));
  if (keys.empty()) keys = config->detach_keys;
  TRY(check_input_terminal(session, options.input, options.terminal));
  TRY_ASSIGN(std::string body, exec_body(arguments, keys));
  TRY_ASSIGN(std::string id, create_exec(*client, arguments.positional(0), std::move(body)));
  std::string path = "/exec/" + id;
  if (detached) {
    TRY(client->call_status(start_call(path, true, options.terminal)));
    return 0;
  }
  if (options.terminal && session.output_is_terminal()) {
    options.resize = [client, path](TerminalSize size) { resize_terminal(*client, path, size); };
  }
  if (options.terminal && options.input) {
    TRY_ASSIGN(options.detach_keys, parse_detach_keys(keys));
  }
  TRY_ASSIGN(client::Exchange streams, client->open(start_call(path, false, options.terminal)));
  block_signals(options);
  auto size = terminal_size(STDOUT_FILENO);
  if (options.resize && size) options.resize(*size);
  TRY_ASSIGN(StreamEnd end, run_streams(streams, options));
  if (end == StreamEnd::kDetached) return fail(Code::kCancelled, "read escape sequence");
  return exec_code(*client, path);
}

}  // namespace dhow::cli
