// SPDX-License-Identifier: Apache-2.0
#include "api/docker/door.h"
#include "api/docker/log_stream.h"
#include "api/docker/request_params.h"
#include "base/strings.h"
#include "engine/container_config_json.h"
#include "oci/json.h"
#include "oci/json_value.h"

namespace dhow::api::docker {
namespace {

using oci::JsonWriter;

Status create_exec(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY(check_json(*exchange));
  TRY_ASSIGN(engine::ExecConfig config, engine::parse_exec_config(exchange->body()));
  if (config.cmd.empty()) return fail(Code::kInvalidArgument, "No exec command specified");
  if (before(*exchange, 42)) config.console_size.reset();
  TRY(detach_keys(config.detach_keys));
  TRY_ASSIGN(std::string id, services.engine.containers().create_exec(match[0], config));
  JsonWriter json;
  json.begin_object().member("Id", id).end_object();
  exchange->respond(Response::json(json.text() + "\n", 201));
  return {};
}

// The body of a start: {"Detach":false,"Tty":true,"ConsoleSize":[24,80]}.
Result<engine::ExecStartOptions> start_options(const Exchange& exchange) {
  engine::ExecStartOptions options;
  if (exchange.body().empty()) return options;
  TRY(check_json(exchange));
  TRY_ASSIGN(oci::JsonDocument document, oci::JsonDocument::parse(exchange.body()));
  oci::JsonValue root = document.root();
  options.detach = root.find("Detach").as_boolean().value_or(false);
  options.tty = root.find("Tty").as_boolean().value_or(false);
  oci::JsonValue size = root.find("ConsoleSize");
  auto height = size.item(0).as_int64();
  auto width = size.item(1).as_int64();
  if (size.size() != 0 && (size.size() != 2 || !height || !width)) {
    return fail(Code::kInvalidArgument, "$.ConsoleSize: expected a height and a width");
  }
  if (size.size() != 0 && !before(exchange, 42)) options.console_size = {*height, *width};
  return options;
}

// The stream is there before the process: what goes wrong with that is told in it, and by the exit
// code.
void tell_failure(Exchange& exchange, const Error& error, bool terminal) {
  std::string text = cat(error.message(), "\r\n");
  std::string framed;
  append_frame(framed, FrameStream::kOutput, text);
  exchange.end(terminal ? text : framed);
}

Status start_exec(const ExchangePtr& exchange, const Match& match, const Services& services) {
  engine::Containers& containers = services.engine.containers();
  TRY_ASSIGN(engine::ExecStartOptions options, start_options(*exchange));
  TRY_ASSIGN(engine::ExecState exec, containers.inspect_exec(match[0]));
  if (options.detach) {
    TRY(containers.start_exec(exec.id, options));
    exchange->respond(Response::empty(200));
    return {};
  }
  if (exec.running || exec.exit_code) {
    return fail(Code::kFailedPrecondition, cat("exec command ", exec.id, " is already running"));
  }
  bool terminal = exec.config.tty;
  options.tty = terminal;
  options.framed = !terminal;
  TRY_ASSIGN(std::string keys, detach_keys(exec.config.detach_keys));
  bool multiplexed = !terminal && !before(*exchange, 42) && exchange->head().upgrade;
  exchange->hijack(multiplexed ? kMultiplexedStream : kRawStream);
  auto stream = containers.start_exec(exec.id, options);
  if (!stream) {
    tell_failure(*exchange, stream.error(), terminal);
    return {};
  }
  JoinOptions joining;
  joining.input = exec.config.attach_stdin;
  if (terminal) joining.detach_keys = std::move(keys);
  exchange->join(std::move(*stream), std::move(joining));
  return {};
}

Status inspect_exec(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY_ASSIGN(engine::ExecState exec, services.engine.containers().inspect_exec(match[0]));
  const engine::ExecConfig& config = exec.config;
  JsonWriter json;
  json.begin_object().member("ID", exec.id).member_boolean("Running", exec.running);
  json.key("ExitCode");
  if (exec.exit_code) {
    json.number(*exec.exit_code);
  } else {
    json.null();
  }
  json.key("ProcessConfig").begin_object().member_boolean("tty", config.tty);
  json.member("entrypoint", config.cmd.empty() ? std::string() : config.cmd.front());
  json.key("arguments").begin_array();
  for (std::size_t i = 1; i < config.cmd.size(); ++i) json.string(config.cmd[i]);
  json.end_array().member_boolean("privileged", config.privileged);
  if (!config.user.empty()) json.member("user", config.user);
  json.end_object().member_boolean("OpenStdin", config.attach_stdin);
  json.member_boolean("OpenStderr", config.attach_stderr);
  json.member_boolean("OpenStdout", config.attach_stdout);
  json.member_boolean("CanRemove", exec.can_remove).member("ContainerID", exec.container);
  json.member("DetachKeys", config.detach_keys).member_number("Pid", exec.pid).end_object();
  exchange->respond(Response::json(json.text() + "\n"));
  return {};
}

Status resize_exec(const ExchangePtr& exchange, const Match& match, const Services& services) {
  TRY_ASSIGN(auto size, terminal_size(exchange->query()));
  TRY(services.engine.containers().resize_exec(match[0], size.first, size.second));
  exchange->respond(Response::empty(200));
  return {};
}

}  // namespace

void add_exec_routes(Router& router, const Services& services) {
  using Use = Status (*)(const ExchangePtr&, const Match&, const Services&);
  for (auto [method, pattern, use] :
       {std::tuple<const char*, const char*, Use>{"POST", "/containers/{}/exec", create_exec},
        {"POST", "/exec/{}/start", start_exec},
        {"GET", "/exec/{}/json", inspect_exec},
        {"POST", "/exec/{}/resize", resize_exec}}) {
    router.add({.method = method,
                .pattern = pattern,
                .handler = [use, &services](const ExchangePtr& exchange, const Match& match) {
                  return use(exchange, match, services);
                }});
  }
}

}  // namespace dhow::api::docker
