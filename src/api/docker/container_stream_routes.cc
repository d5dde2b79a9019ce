// SPDX-License-Identifier: Apache-2.0
// Containers: what goes on for longer: wait, attach_to_container, answer_logs, stats.
#include <sys/socket.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "api/docker/container_json.h"
#include "api/docker/detach_keys.h"
#include "api/docker/door.h"
#include "api/docker/log_stream.h"
#include "api/docker/request_params.h"
#include "api/docker/stats_json.h"
#include "api/docker/websocket.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/log_settings.h"
#include "oci/json.h"
#include "sys/unix_socket.h"

namespace dhow::api::docker {
namespace {

using oci::JsonWriter;

// What a call of the engine brings may come before the answer has begun: it waits for that.
template <typename Value>
class Handover {
 public:
  using Taker = std::function<void(Value)>;

  void give(Value value) {
    std::unique_lock lock(mutex_);
    if (!taker_) {
      value_.emplace(std::move(value));
      return;
    }
    lock.unlock();
    taker_(std::move(value));
  }
  void take(Taker taker) {
    std::unique_lock lock(mutex_);
    taker_ = std::move(taker);
    if (!value_) return;
    lock.unlock();
    taker_(std::move(*value_));
  }

 private:
  std::mutex mutex_;
  Taker taker_;
  std::optional<Value> value_;
};

std::string wait_json(const engine::WaitAnswer& answer) {
  JsonWriter json;
  json.begin_object();
  if (!answer.error.empty()) {
    json.key("Error").begin_object().member("Message", answer.error).end_object();
  }
  json.member_number("StatusCode", answer.exit_code).end_object();
  return json.text() + "\n";
}

Result<engine::WaitCondition> wait_condition(std::string_view text) {
  if (text.empty() || text == "not-running") return engine::WaitCondition::kNotRunning;
  if (text == "next-exit") return engine::WaitCondition::kNextExit;
  if (text == "removed") return engine::WaitCondition::kRemoved;
  return fail(Code::kInvalidArgument, cat("invalid condition: ", quoted(text)));
}

Status wait_for_container(const ExchangePtr& exchange, const Match& match,
                          const Services& services) {
  engine::WaitCondition condition = engine::WaitCondition::kNotRunning;
  if (!before(*exchange, 30)) {
    TRY_ASSIGN(condition, wait_condition(exchange->query().get("condition")));
  }
  auto handover = std::make_shared<Handover<engine::WaitAnswer>>();
  TRY_ASSIGN(auto subscription,
             services.engine.containers().watch(
                 match[0], condition,
                 [handover](const engine::WaitAnswer& answer) { handover->give(answer); }));
  // The client goes on when it sees this: from now on it misses no exit.
  exchange->begin({200, "application/json", {}, {}});
  exchange->keep(std::move(subscription));
  handover->take(
      [exchange](const engine::WaitAnswer& answer) { exchange->end(wait_json(answer)); });
  return {};
}

std::string_view stream_type(const Exchange& exchange, bool terminal) {
  return terminal || before(exchange, 42) ? kRawStream : kMultiplexedStream;
}

struct AttachPlan {
  engine::AttachOptions options;
  std::string keys;
  bool stream = false;
  bool logs = false;
};

Result<AttachPlan> plan_attach(const Exchange& exchange, const engine::Inspection& container) {
  const Query& query = exchange.query();
  const engine::ContainerConfig& config = container.config.config;
  AttachPlan plan;
  TRY_ASSIGN(plan.keys, detach_keys(query.get("detachKeys")));
  if (!config.tty) plan.keys.clear();
  plan.stream = query.flag("stream");
  plan.logs = query.flag("logs");
  plan.options.standard_input = query.flag("stdin") && config.open_stdin;
  plan.options.standard_output = query.flag("stdout");
  plan.options.standard_error = query.flag("stderr");
  plan.options.framed = !config.tty;
  std::string_view id = std::string_view(container.id).substr(0, 12);
  if (container.state.phase == engine::Phase::kPaused) {
    return fail(Code::kFailedPrecondition,
                cat("container ", id, " is paused, unpause the container before attach"));
  }
  if (container.state.phase == engine::Phase::kRestarting) {
    return fail(Code::kFailedPrecondition,
                cat("container ", id, " is restarting, wait until the container is running"));
  }
  return plan;
}

void tell_detached(const Services& services, const engine::Inspection& container) {
  engine::Event event;
  event.type = "container";
  event.action = "detach";
  event.actor = container.id;
  event.attributes = container.config.config.labels;
  event.attributes["image"] = container.config.config.image;
  event.attributes["name"] = container.name;
  if (auto told = services.engine.events().publish(std::move(event)); !told) {
    log::warning(cat("tell of a container: ", told.error().message()));
  }
}

Status attach_to_container(const ExchangePtr& exchange, const Match& match,
                           const Services& services) {
  engine::Containers& containers = services.engine.containers();
  TRY_ASSIGN(engine::Inspection container, containers.inspect(match[0]));
  TRY_ASSIGN(AttachPlan plan, plan_attach(*exchange, container));
  auto handover = std::make_shared<Handover<std::shared_ptr<Result<Fd>>>>();
  std::unique_ptr<engine::Subscription> subscription;
  if (plan.stream) {
    TRY_ASSIGN(subscription,
               containers.attach(container.id, plan.options, [handover](Result<Fd> stream) {
                 handover->give(std::make_shared<Result<Fd>>(std::move(stream)));
               }));
  }
  bool terminal = container.config.config.tty;
  exchange->hijack(exchange->head().upgrade ? stream_type(*exchange, terminal) : kRawStream);
  if (plan.logs) {
    engine::LogOptions options;
    options.standard_output = plan.options.standard_output;
    options.standard_error = plan.options.standard_error;
    LogStream stream(*exchange, {.framed = !terminal});
    TRY(containers.logs(
        container.id, options,
        [&](const engine::LogRecord& record) { return stream.write(record); }, exchange->stop()));
    TRY(stream.flush());
  }
  if (!plan.stream) {
    exchange->end();
    return {};
  }
  exchange->keep(std::move(subscription));
  handover->take([exchange, plan, &services, container](std::shared_ptr<Result<Fd>> stream) {
    // The start failed, or the container went: whoever started it is told why.
    if (!*stream) return exchange->end();
    JoinOptions joining;
    joining.input = plan.options.standard_input;
    joining.detach_keys = plan.keys;
    joining.ended = [&services, container](bool detached) {
      if (detached) tell_detached(services, container);
    };
    exchange->join(std::move(**stream), std::move(joining));
  });
  return {};
}

// What was logged so far, as bytes.
Result<std::string> logged_text(const ExchangePtr& exchange, engine::Containers& containers,
                                const std::string& id, const engine::AttachOptions& wanted) {
  engine::LogOptions options;
  options.standard_output = wanted.standard_output;
  options.standard_error = wanted.standard_error;
  std::string text;
  TRY(containers.logs(
      id, options,
      [&](const engine::LogRecord& record) -> Status {
        text += record.text;
        return {};
      },
      exchange->stop()));
  return text;
}

// A thread that is ended and waited for where it is let go: a client that says nothing must not
// hold up the end of the server.
struct WebSocketThread {
  ~WebSocketThread() { ::shutdown(client.get(), SHUT_RDWR); }
  Fd client;  // its socket too
  std::jthread thread;
};

// Between the client, whose bytes are carried as they are, and the stream of the container.
void join_websocket(const ExchangePtr& exchange, Fd stream, WebSocketOptions options,
                    std::function<void()> detached) {
  auto pair = make_socket_pair(SOCK_STREAM);
  if (!pair) return exchange->end();
  auto copy = pair->second.duplicate();
  if (!copy) return exchange->end();
  auto serving = std::make_shared<WebSocketThread>();
  serving->client = std::move(*copy);
  serving->thread =
      std::jthread([client = std::move(pair->second), container = std::move(stream),
                    options = std::move(options), detached = std::move(detached)]() mutable {
        if (serve_websocket(std::move(client), std::move(container), std::move(options)))
          detached();
      });
  exchange->keep(serving);
  JoinOptions joining;
  joining.input = true;
  exchange->join(std::move(pair->first), std::move(joining));
}

// RFC 6455 around what attach gives, in messages of bytes without frames of docker's.
Status attach_by_websocket(const ExchangePtr& exchange, const Match& match,
                           const Services& services) {
  engine::Containers& containers = services.engine.containers();
  TRY(check_websocket(exchange->head()));
  TRY_ASSIGN(engine::Inspection container, containers.inspect(match[0]));
  TRY_ASSIGN(AttachPlan plan, plan_attach(*exchange, container));
  plan.options.framed = false;
  auto options = std::make_shared<WebSocketOptions>(
      WebSocketOptions{exchange->head(), plan.options.standard_input, plan.keys, {}});
  auto handover = std::make_shared<Handover<std::shared_ptr<Result<Fd>>>>();
  TRY_ASSIGN(auto subscription,
             containers.attach(container.id, plan.options, [handover](Result<Fd> stream) {
               handover->give(std::make_shared<Result<Fd>>(std::move(stream)));
             }));
  // After the attach, so that nothing that is said in between is in neither.
  if (plan.logs) {
    TRY_ASSIGN(options->before, logged_text(exchange, containers, container.id, plan.options));
  }
  exchange->hijack_silently();
  exchange->keep(std::move(subscription));
  handover->take([exchange, options, &services, container](std::shared_ptr<Result<Fd>> stream) {
    if (!*stream) return exchange->end();
    join_websocket(exchange, std::move(**stream), std::move(*options),
                   [&services, container] { tell_detached(services, container); });
  });
  return {};
}

Result<engine::LogOptions> log_options(const Query& query) {
  engine::LogOptions options;
  options.standard_output = query.flag("stdout");
  options.standard_error = query.flag("stderr");
  if (!options.standard_output && !options.standard_error) {
    return fail(Code::kInvalidArgument, "Bad parameters: you must choose at least one stream");
  }
  options.follow = query.flag("follow");
  std::int64_t now = metadata::now();
  for (auto [name, out] : {std::pair{"since", &options.since}, {"until", &options.until}}) {
    std::string_view text = query.get(name);
    if (text.empty() || text == "0") continue;
    TRY_ASSIGN(*out, parse_time(text, now));
  }
  // As docker: whatever is no number of lines is all of them.
  auto tail = parse_number<std::int64_t>(query.get("tail"));
  if (tail && *tail >= 0) options.tail = *tail;
  return options;
}

Status answer_logs(const ExchangePtr& exchange, const Match& match, const Services& services) {
  engine::Containers& containers = services.engine.containers();
  TRY_ASSIGN(engine::LogOptions options, log_options(exchange->query()));
  TRY_ASSIGN(engine::Inspection container, containers.inspect(match[0]));
  if (!engine::is_readable_log(container.config.host.log_config)) {
    return fail(Code::kInternal, "configured logging driver does not support reading");
  }
  bool terminal = container.config.config.tty;
  exchange->begin({200, std::string(stream_type(*exchange, terminal)), {}, {}});
  LogStream stream(*exchange, {.framed = !terminal,
                               .timestamps = exchange->query().flag("timestamps"),
                               .details = exchange->query().flag("details"),
                               .at_once = options.follow});
  Status read = containers.logs(
      container.id, options, [&](const engine::LogRecord& record) { return stream.write(record); },
      exchange->stop());
  TRY(stream.flush());
  if (!read && read.error().code() != Code::kCancelled) {
    TRY(stream.write_fault(cat("Error grabbing logs: ", read.error().message(), "\n")));
  }
  exchange->end();
  return {};
}

// Waits for a second; false: the client has gone.
bool wait_a_second(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; });
  return !stop.stop_requested();
}

Status answer_stats(const ExchangePtr& exchange, const Match& match, const Services& services) {
  engine::Containers& containers = services.engine.containers();
  bool stream = exchange->query().flag("stream", true);
  bool one_shot = !before(*exchange, 41) && exchange->query().flag("one-shot");
  if (stream && one_shot) {
    return fail(Code::kInvalidArgument, "cannot have stream=true and one-shot=true");
  }
  TRY_ASSIGN(std::string id, containers.find(match[0]));
  TRY_ASSIGN(engine::StatsSample sample, containers.stats(id));
  engine::StatsSample last;
  if (!stream) {
    if (!one_shot && sample.running) {
      last = std::exchange(sample, {});
      if (!wait_a_second(exchange->stop())) return fail(Code::kCancelled, "the client has gone");
      TRY_ASSIGN(sample, containers.stats(id));
    }
    exchange->respond(Response::json(stats_json(sample, last, exchange->version())));
    return {};
  }
  exchange->begin({200, "application/json", {}, {}});
  while (true) {
    TRY(exchange->write(stats_json(sample, last, exchange->version())));
    if (!wait_a_second(exchange->stop())) break;
    last = std::move(sample);
    auto next = containers.stats(id);
    // It was removed.
    if (!next) break;
    sample = std::move(*next);
  }
  exchange->end();
  return {};
}

}  // namespace

void add_container_stream_routes(Router& router, const Services& services) {
  using Use = Status (*)(const ExchangePtr&, const Match&, const Services&);
  for (auto [method, pattern, use] : {std::tuple<const char*, const char*, Use>{
                                          "POST", "/containers/{}/wait", wait_for_container},
                                      {"POST", "/containers/{}/attach", attach_to_container},
                                      {"GET", "/containers/{}/attach/ws", attach_by_websocket},
                                      {"GET", "/containers/{}/logs", answer_logs},
                                      {"GET", "/containers/{}/stats", answer_stats}}) {
    router.add({.method = method,
                .pattern = pattern,
                .handler = [use, &services](const ExchangePtr& exchange, const Match& match) {
                  return use(exchange, match, services);
                }});
  }
}

}  // namespace dhow::api::docker
