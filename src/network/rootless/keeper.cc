// SPDX-License-Identifier: Apache-2.0
#include "network/rootless/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <list>
#include <map>
#include <tuple>

#include "base/strings.h"
#include "network/ports.h"
#include "network/rootless/forwarder.h"
#include "network/rootless/messages.h"
#include "network/rootless/uplink.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::network::rootless {
namespace {

using Clock = std::chrono::steady_clock;

// A program that has died is started again after that long, and later each time that it fails.
constexpr std::chrono::seconds kFirstRetry{1};
constexpr std::chrono::seconds kLastRetry{60};

std::string first_open_port() {
  std::string text =
      read_file("/proc/sys/net/ipv4/ip_unprivileged_port_start", 16).value_or("1024");
  return std::string(trim(text));
}

// The namespace as a file, which pasta wants: it has given up the right to look into our /proc by
// the time when it opens it. In our own mount namespace, so nothing of it is left behind.
Result<std::string> pin_space(const std::string& state, FdRef space) {
  if (::unshare(CLONE_NEWNS) != 0) return fail_errno(errno, "make a mount namespace");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return fail_errno(errno, "keep mounts from spreading");
  }
  if (::mount("network", state.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") !=
      0) {
    return fail_errno(errno, cat("mount a tmpfs at ", quoted(state)));
  }
  std::string path = state + "/space";
  TRY(open_at(kCwd, path, O_RDONLY | O_CREAT | O_EXCL, 0400));
  if (::mount(proc_fd_path(space).c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    return fail_errno(errno, cat("mount a network namespace at ", quoted(path)));
  }
  return path;
}

// Each connection takes two descriptors.
void allow_many_descriptors() {
  struct rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

class Keeper {
 public:
  static Result<Keeper> make(const std::string& state, const std::string& uplink);
  Status serve();

 private:
  Keeper(Fd folder, Fd listener, Fd signals, std::unique_ptr<Forwarder> forwarder, Uplink uplink)
      : folder_(std::move(folder)),
        listener_(std::move(listener)),
        signals_(std::move(signals)),
        forwarder_(std::move(forwarder)),
        uplink_(std::move(uplink)) {}

  void on_signals();
  void restart_uplink();
  // False: the client has gone.
  bool serve_one(const Fd& client);
  Result<std::string> answer(std::string_view request);
  Result<std::string> hold(PortKey key);
  void release(const PortKey& key);
  void sweep();

  Fd folder_;
  Fd listener_;
  Fd signals_;
  std::unique_ptr<Forwarder> forwarder_;
  Uplink uplink_;
  bool wants_uplink_ = false;
  Clock::time_point next_try_;
  std::chrono::seconds retry_ = kFirstRetry;
  std::list<Fd> clients_;
  // And whether somebody has asked for it since "begin".
  std::map<PortKey, bool> ports_;
  bool is_ending_ = false;
};

Result<Keeper> Keeper::make(const std::string& state, const std::string& uplink) {
  allow_many_descriptors();
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  Fd told(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!told) return fail_errno(errno, "have signals told of");
  TRY_ASSIGN(Fd folder, open_at(kCwd, state, O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(auto forwarder, Forwarder::start());
  TRY_ASSIGN(std::string space, pin_space(state, forwarder->space()));
  // What one that was killed has left; the engine, which is alone with this folder, has found that
  // nobody listens.
  ::unlinkat(folder.get(), std::string(kSocketName).c_str(), 0);
  TRY_ASSIGN(Fd listener, listen_unix(folder, kSocketName, SOCK_SEQPACKET, 0600));
  return Keeper(std::move(folder), std::move(listener), std::move(told), std::move(forwarder),
                Uplink(space, uplink));
}

void Keeper::on_signals() {
  struct signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo != SIGCHLD) is_ending_ = true;
  }
  // As the first of our PID namespace we inherit the children of what we have started.
  for (pid_t child = 0; (child = ::waitpid(-1, nullptr, WNOHANG)) > 0;) {
    uplink_.has_died(child);
  }
}

void Keeper::restart_uplink() {
  if (!wants_uplink_ || uplink_.is_up() || Clock::now() < next_try_) return;
  // There is nobody to be told why it fails; the next request for it finds out again.
  retry_ = uplink_.ensure() ? kFirstRetry : std::min(retry_ * 2, kLastRetry);
  next_try_ = Clock::now() + retry_;
}

Result<std::string> Keeper::hold(PortKey key) {
  if (auto found = ports_.find(key); found != ports_.end()) {
    found->second = true;
    return cat(key.port);
  }
  PublishedPort port{key.protocol, 0, key.host, key.port};
  auto socket = bind_port(port, PortUse::kServe);
  if (!socket && socket.error().sys_errno() == EACCES) {
    return fail(Error(Code::kPermissionDenied, EACCES,
                      cat(socket.error().message(), ": ports below ", first_open_port(),
                          " are root's on this host; publish at another one, or have root run "
                          "\"sysctl net.ipv4.ip_unprivileged_port_start=",
                          key.port, "\"")));
  }
  if (!socket) return fail(std::move(socket).error());
  ::fcntl(socket->get(), F_SETFL, O_NONBLOCK);
  key.port = port.host_port;
  TRY(forwarder_->add(key, std::move(*socket)));
  ports_[key] = true;
  return cat(key.port);
}

void Keeper::release(const PortKey& key) {
  if (ports_.erase(key) != 0) forwarder_->remove(key);
}

void Keeper::sweep() {
  std::vector<PortKey> stale;
  for (const auto& [key, is_wanted] : ports_) {
    if (!is_wanted) stale.push_back(key);
  }
  for (const PortKey& key : stale) release(key);
}

Result<std::string> Keeper::answer(std::string_view request) {
  std::vector<std::string_view> words = split(request, ' ');
  std::string_view verb = words.front();
  if (verb == "space") return std::string();
  if (verb == "uplink") {
    TRY(uplink_.ensure());
    wants_uplink_ = true;
    return uplink_.report();
  }
  if (verb == "begin") {
    for (auto& [key, is_wanted] : ports_) is_wanted = false;
    return std::string();
  }
  if (verb == "sweep") {
    sweep();
    return std::string();
  }
  if (verb == "end") {
    is_ending_ = true;
    return std::string();
  }
  TRY_ASSIGN(PortKey key, read_port(words, 1));
  if (key.protocol != "tcp" && key.protocol != "udp") {
    return fail(Code::kUnimplemented,
                cat("a rootless engine publishes no ports of ", upper_text(key.protocol)));
  }
  if (verb == "hold") return hold(std::move(key));
  if (verb == "release") {
    release(key);
    return std::string();
  }
  constexpr std::size_t kLeadWords = 6;
  if (verb != "lead" || words.size() != kLeadWords) {
    return fail(Code::kUnimplemented,
                cat("the keeper of the network is older than the engine: ", verb, " is not known"));
  }
  auto target = parse_ip(words[4]);
  auto port = parse_number<std::uint16_t>(words[5]);
  if (!target || !port) return fail(Code::kInvalidArgument, "no target");
  TRY(forwarder_->lead(key, {*target, *port}));
  return std::string();
}

bool Keeper::serve_one(const Fd& client) {
  auto request = receive_message(client, kMaxMessage);
  if (!request || request->end) return false;
  auto result = answer(request->payload);
  std::vector<FdRef> fds;
  if (request->payload == "space") fds.push_back(forwarder_->space());
  // Before the answer, so that who has it finds nobody here.
  if (is_ending_) ::unlinkat(folder_.get(), std::string(kSocketName).c_str(), 0);
  return send_message(client, answer_text(result), fds).has_value();
}

Status Keeper::serve() {
  while (!is_ending_) {
    restart_uplink();
    std::vector<struct pollfd> waits = {{listener_.get(), POLLIN, 0},
                                        {signals_.get(), POLLIN, 0},
                                        {uplink_.errors().get(), POLLIN, 0}};
    for (const Fd& client : clients_) waits.push_back({client.get(), POLLIN, 0});
    bool is_retrying = wants_uplink_ && !uplink_.is_up();
    int limit = is_retrying ? static_cast<int>(std::chrono::milliseconds(retry_).count()) : -1;
    if (::poll(waits.data(), waits.size(), limit) < 0 && errno != EINTR) {
      return fail_errno(errno, "wait for requests");
    }
    if (waits[1].revents != 0) on_signals();
    if (waits[2].revents != 0) uplink_.read_errors();
    auto wait = waits.begin() + 3;
    for (auto client = clients_.begin(); client != clients_.end(); ++wait) {
      bool stays = wait->revents == 0 || serve_one(*client);
      client = stays ? std::next(client) : clients_.erase(client);
    }
    if (waits[0].revents == 0) continue;
    Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client) clients_.push_back(std::move(client));
  }
  ::unlinkat(folder_.get(), std::string(kSocketName).c_str(), 0);
  return {};
}

}  // namespace

Status keep_network(const std::string& state, const std::string& uplink, Fd ready) {
  auto keeper = Keeper::make(state, uplink);
  // Who waits for it may have gone.
  std::ignore = write_all(ready, keeper ? "ok" : keeper.error().message());
  ready.reset();
  if (!keeper) return fail(std::move(keeper).error());
  return keeper->serve();
}

}  // namespace dhow::network::rootless
