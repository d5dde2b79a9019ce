// SPDX-License-Identifier: Apache-2.0
#include "api/docker/server.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

#include "api/docker/connection.h"
#include "base/log.h"
#include "base/strings.h"

namespace dhow::api::docker {

Result<std::size_t> send_some(int socket, std::string_view data) {
  std::size_t done = 0;
  while (done < data.size()) {
    ssize_t count =
        ::send(socket, data.data() + done, data.size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      done += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      break;
    } else if (errno != EINTR) {
      return fail(Error(Code::kCancelled, errno, "the client has gone"));
    }
  }
  return done;
}

Status send_blocking(int socket, std::string_view data) {
  while (true) {
    TRY_ASSIGN(std::size_t sent, send_some(socket, data));
    data.remove_prefix(sent);
    if (data.empty()) return {};
    struct pollfd wait = {socket, POLLOUT, 0};
    if (::poll(&wait, 1, -1) < 0 && errno != EINTR) return fail_errno(errno, "wait for the client");
  }
}

bool is_hung_up(int socket) {
  struct pollfd wait = {socket, 0, 0};
  return ::poll(&wait, 1, 0) > 0 && (wait.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

void Server::Core::accept_on(Listener& listener) {
  if (listener.waiting || ending) return;
  listener.waiting = true;
  listener.socket.async_wait(asio::posix::stream_descriptor::wait_read,
                             [this, &listener](const boost::system::error_code& error) {
                               listener.waiting = false;
                               if (!error && !ending) accept_all(listener);
                             });
}

void Server::Core::accept_all(Listener& listener) {
  while (connections.size() < options.max_connections) {
    Fd socket(::accept4(listener.socket.native_handle(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket) {
      add(std::move(socket));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return accept_on(listener);
    log::error(cat("accept a client: ", errno_text(errno)));
    if (connections.empty()) accept_on(listener);
    break;
  }
  // The next that goes makes room: see remove().
}

void Server::Core::add(Fd socket) {
  auto connection = std::make_shared<Connection>(shared_from_this(), std::move(socket));
  connections.insert(connection);
  connection->start();
}

void Server::Core::remove(const std::shared_ptr<Connection>& connection) {
  connections.erase(connection);
  for (auto& listener : listeners) accept_on(*listener);
}

void Server::Core::begin_work() {
  ++work;
  if (quiet_time.count() == 0) return;
  last_begin = std::chrono::steady_clock::now();
  if (!waits_for_quiet) await_quiet();
}

void Server::Core::end_work() {
  if (--work == 0) await_idle();
}

void Server::Core::await_idle() {
  if (idle_time.count() == 0 || ending) return;
  if (!idle_timer) idle_timer.emplace(io);
  idle_timer->expires_after(idle_time);
  idle_timer->async_wait([this](const boost::system::error_code& error) {
    if (!error) check_idle();
  });
}

void Server::Core::check_idle() {
  if (work != 0) return;  // its end begins the wait anew
  for (const auto& listener : listeners) {
    // Somebody has just come, and would be turned away.
    struct pollfd pending = {listener->socket.native_handle(), POLLIN, 0};
    if (::poll(&pending, 1, 0) > 0) return await_idle();
  }
  if (may_end && !may_end()) return await_idle();
  shut_down();
}

void Server::Core::await_quiet() {
  waits_for_quiet = true;
  if (!quiet_timer) quiet_timer.emplace(io);
  // Requests that came meanwhile have not touched the timer: it is set once for all of them.
  quiet_timer->expires_at(last_begin + quiet_time);
  quiet_timer->async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    if (std::chrono::steady_clock::now() < last_begin + quiet_time) return await_quiet();
    waits_for_quiet = false;
    on_quiet();
  });
}

void Server::Core::shut_down() {
  if (std::exchange(ending, true)) return;
  boost::system::error_code ignored;
  for (auto& listener : listeners) listener->socket.close(ignored);
  for (auto& watch : signals) watch->descriptor.close(ignored);
  auto all = connections;
  for (const auto& connection : all) connection->close();
  io.stop();
}

std::string_view Server::Core::common_headers() { return fixed_headers; }

void Server::Core::await_signal(SignalWatch& watch) {
  watch.descriptor.async_wait(
      asio::posix::stream_descriptor::wait_read,
      [this, &watch](const boost::system::error_code& error) {
        if (error || ending) return;
        struct signalfd_siginfo info;
        while (::read(watch.descriptor.native_handle(), &info, sizeof info) == sizeof info) {
        }
        watch.handler();
        if (!ending) await_signal(watch);
      });
}

Server::Server(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Server::~Server() {
  core_->shut_down();
  core_->workers.drain();
  // What the handlers left for the server's thread.
  core_->io.restart();
  core_->io.poll();
}

Result<std::unique_ptr<Server>> Server::make(ServerOptions options) {
  try {
    auto core = std::make_shared<Core>(std::move(options));
    for (const auto& [name, value] : core->options.headers) {
      core->fixed_headers += cat(name, ": ", value, "\r\n");
    }
    return std::unique_ptr<Server>(new Server(std::move(core)));
  } catch (const std::exception& exception) {
    return fail(Code::kInternal, cat("make a server: ", exception.what()));
  }
}

void Server::listen(Fd socket) {
  ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
  core_->listeners.push_back(std::make_unique<Core::Listener>(
      asio::posix::stream_descriptor(core_->io, socket.release()), false));
  core_->accept_on(*core_->listeners.back());
}

std::function<void(Fd)> Server::adopter() {
  return [weak = std::weak_ptr<Core>(core_)](Fd socket) {
    auto core = weak.lock();
    if (!core) return;
    auto kept = std::make_shared<Fd>(std::move(socket));
    asio::post(core->io, [weak, kept] {
      auto owner = weak.lock();
      if (owner && !owner->ending) owner->add(std::move(*kept));
    });
  };
}

Status Server::on_signal(int signal, std::function<void()> handler) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  Fd descriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!descriptor) return fail_errno(errno, "watch a signal");
  core_->signals.push_back(std::make_unique<Core::SignalWatch>(
      asio::posix::stream_descriptor(core_->io, descriptor.release()), std::move(handler)));
  core_->await_signal(*core_->signals.back());
  return {};
}

void Server::end_when_idle(std::chrono::milliseconds idle, std::function<bool()> may_end) {
  core_->idle_time = idle;
  core_->may_end = std::move(may_end);
  core_->await_idle();
}

void Server::when_quiet(std::chrono::milliseconds quiet, std::function<void()> handler) {
  core_->quiet_time = quiet;
  core_->on_quiet = std::move(handler);
  core_->last_begin = std::chrono::steady_clock::now();
  core_->await_quiet();
}

void Server::run() { core_->io.run(); }

void Server::stop() {
  asio::post(core_->io, [core = core_.get()] { core->shut_down(); });
}

}  // namespace dhow::api::docker
