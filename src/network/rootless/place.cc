// SPDX-License-Identifier: Apache-2.0
#include "network/rootless/place.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <optional>
#include <tuple>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "network/name_space.h"
#include "network/rootless/messages.h"
#include "sys/spawn.h"
#include "sys/unix_socket.h"

namespace dhow::network::rootless {
namespace {

// Whether this thread is in the namespace.
thread_local bool is_inside = false;

std::string_view protocol_name(std::uint8_t number) {
  for (std::string_view name : {"udp", "sctp"}) {
    if (protocol_number(name) == number) return name;
  }
  return "tcp";
}

Result<Fd> connect_keeper(const std::string& state) {
  TRY_ASSIGN(Fd folder, open_at(kCwd, state, O_RDONLY | O_DIRECTORY));
  return connect_unix(folder, kSocketName, SOCK_SEQPACKET);
}

class RootlessPlace : public Place {
 public:
  explicit RootlessPlace(PlaceOptions options) : options_(std::move(options)) {}

  Status run(Way way, const std::function<Status()>& work) override;
  bool exists() override;
  Status hold(PublishedPort& port) override;
  void release(const PublishedPort& port) override;
  Status lead(const std::vector<FirewallPort>& ports) override;
  void begin_ports() override { tell("begin"); }
  void sweep_ports() override { tell("sweep"); }
  void end() override;

 private:
  // All of these with mutex_ held.
  Status connect();
  Status start_keeper();
  Status ensure();
  // Its answer, from a keeper that is there.
  Result<Message> exchange(const std::string& request);
  Result<std::string> ask(const std::string& request);

  // Asks for what cannot fail, but for a keeper that has died, with all that it had.
  void tell(const std::string& request);

  const PlaceOptions options_;
  std::mutex mutex_;  // guards the rest
  Fd keeper_;
  Fd space_;
  std::string uplink_;  // the last that was told of
};

Result<Message> RootlessPlace::exchange(const std::string& request) {
  auto answer = [&]() -> Result<Message> {
    TRY(send_message(keeper_, request));
    TRY_ASSIGN(Message message, receive_message(keeper_, kMaxMessage));
    if (message.end) return fail(Code::kUnavailable, "it has ended");
    return message;
  }();
  if (answer) return answer;
  keeper_.reset();
  space_.reset();
  return fail(std::move(answer).error().add_context("ask the keeper of the network"));
}

Result<std::string> RootlessPlace::ask(const std::string& request) {
  TRY_ASSIGN(Message message, exchange(request));
  return read_answer(message.payload);
}

Status RootlessPlace::connect() {
  TRY_ASSIGN(keeper_, connect_keeper(options_.state));
  TRY_ASSIGN(Message message, exchange("space"));
  TRY(read_answer(message.payload));
  if (message.fds.empty()) {
    keeper_.reset();
    return fail(Code::kInternal, "the keeper of the network has given no namespace");
  }
  space_ = std::move(message.fds.front());
  return {};
}

Status RootlessPlace::start_keeper() {
  SpawnOptions start;
  start.path = options_.keeper;
  start.arguments = {"dhow-net", "keep", options_.state};
  if (!options_.uplink.empty()) start.arguments.push_back(options_.uplink);
  constexpr int kLimit = 10'000;
  start.timeout_ms = kLimit;
  TRY_ASSIGN(SpawnOutput output, spawn_and_wait(start));
  if (output.exit_code == 0) return {};
  return fail(Code::kFailedPrecondition, output.timed_out ? "dhow-net does not get ready"
                                                          : std::string(trim(output.error_text)));
}

Status RootlessPlace::ensure() {
  // Whether it lives, is seen by asking.
  if (keeper_ && ask("space")) return {};
  if (connect()) return {};
  TRY_CONTEXT(start_keeper(), "make the network of a rootless engine");
  TRY_CONTEXT(connect(), "make the network of a rootless engine");
  return {};
}

bool RootlessPlace::exists() {
  std::lock_guard lock(mutex_);
  return (keeper_ && ask("space")) || connect();
}

Status RootlessPlace::run(Way way, const std::function<Status()>& work) {
  if (is_inside) return work();
  Fd space;
  {
    std::lock_guard lock(mutex_);
    TRY(ensure());
    if (way == Way::kOut) {
      TRY_ASSIGN(std::string uplink, ask("uplink"));
      if (uplink != uplink_) log::info(cat("containers reach the outside by ", uplink));
      uplink_ = std::move(uplink);
    }
    TRY_ASSIGN(space, space_.duplicate());
  }
  return run_in_name_space(space, [&] {
    is_inside = true;
    return work();
  });
}

Status RootlessPlace::hold(PublishedPort& port) {
  std::lock_guard lock(mutex_);
  TRY(ensure());
  TRY_ASSIGN(std::string number,
             ask(cat("hold ", port_words({port.protocol, port.host, port.host_port}))));
  port.host_port = parse_number<std::uint16_t>(number).value_or(port.host_port);
  return {};
}

void RootlessPlace::tell(const std::string& request) {
  std::lock_guard lock(mutex_);
  if (!keeper_) return;
  auto told = ask(request);
  if (!told) log::warning(told.error().message());
}

void RootlessPlace::release(const PublishedPort& port) {
  tell(cat("release ", port_words({port.protocol, port.host, port.host_port})));
}

Status RootlessPlace::lead(const std::vector<FirewallPort>& ports) {
  std::lock_guard lock(mutex_);
  for (const FirewallPort& port : ports) {
    // That is not one of the host's.
    if (port.is_direct) continue;
    std::string key =
        port_words({std::string(protocol_name(port.protocol)), port.host, port.host_port});
    TRY(ask(cat("lead ", key, " ", port.target.text(), " ", port.target_port)));
  }
  return {};
}

void RootlessPlace::end() {
  std::lock_guard lock(mutex_);
  bool has_ended = (keeper_ || connect()) && ask("end");
  // One that was killed has left it.
  if (!has_ended) ::unlink(cat(options_.state, "/", kSocketName).c_str());
  keeper_.reset();
  space_.reset();
}

}  // namespace

std::unique_ptr<Place> make_place(PlaceOptions options) {
  return std::make_unique<RootlessPlace>(std::move(options));
}

Result<Fd> keeper_user_namespace(const std::string& state) {
  auto keeper = connect_keeper(state);
  if (!keeper) return Fd();
  struct ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(keeper->get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return fail_errno(errno, "ask who keeps the network");
  }
  auto space = open_at(kCwd, cat("/proc/", peer.pid, "/ns/user"), O_RDONLY);
  // It has ended meanwhile.
  if (!space && space.error().sys_errno() == ENOENT) return Fd();
  return space;
}

}  // namespace dhow::network::rootless
