// SPDX-License-Identifier: Apache-2.0
#include "network/rootless/forwarder.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <future>
#include <thread>

#include "base/strings.h"
#include "network/rootless/tcp_pair.h"
#include "network/socket_address.h"
#include "sys/netlink.h"

namespace dhow::network::rootless {
namespace {

// Others have their turn after so many.
constexpr int kAcceptsAtOnce = 32;

Status make_space(Fd& space, bool& as_client) {
  if (::unshare(CLONE_NEWNET) != 0) return fail_errno(errno, "make a network namespace");
  TRY_ASSIGN(space, open_at(kCwd, "/proc/thread-self/ns/net", O_RDONLY));
  TRY(bring_loopback_up());
  // Without it containers see the bridge's address in the place of clients'.
  as_client = take_in_answers().has_value();
  return {};
}

}  // namespace

// A port of TCP.
class Forwarder::Listener : public Work, public Handler {
 public:
  Listener(Poller& poller, Fd socket, bool as_client)
      : poller_(poller), socket_(std::move(socket)), as_client_(as_client) {}

  Status start() { return poller_.watch(socket_, 0, *this); }
  void lead(const Peer& target) {
    target_ = target;
    poller_.change(socket_, EPOLLIN, *this);
  }
  void stop() {
    socket_.reset();
    poller_.end(*this);
  }

  void on_ready(std::uint32_t) override {
    for (int i = 0; i < kAcceptsAtOnce && socket_ && target_; ++i) {
      struct sockaddr_storage address{};
      socklen_t size = sizeof address;
      Fd client(::accept4(socket_.get(), reinterpret_cast<struct sockaddr*>(&address), &size,
                          SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!client) {
        if (errno == EMFILE || errno == ENFILE) refuse_one();
        return;
      }
      auto container = connect_inside(SOCK_STREAM, {address_of(address), port_of(address)},
                                      *target_, as_client_);
      bool started = container && TcpPair::start(poller_, std::move(client), std::move(*container));
      // The client finds the connection closed.
      if (!started) continue;
    }
  }

 private:
  // Without it the socket would be ready for ever.
  void refuse_one() {
    spare_.reset();
    Fd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    client.reset();
    spare_ = open_spare();
  }
  static Fd open_spare() { return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

  Poller& poller_;
  Fd socket_;
  bool as_client_;
  std::optional<Peer> target_;
  Fd spare_ = open_spare();
};

Result<std::unique_ptr<Forwarder>> Forwarder::start() {
  TRY_ASSIGN(std::unique_ptr<Poller> poller, Poller::make());
  std::unique_ptr<Forwarder> forwarder(new Forwarder(std::move(poller)));
  std::promise<Status> made;
  std::future<Status> result = made.get_future();
  std::thread([self = forwarder.get(), &made] {
    Status status = make_space(self->space_, self->as_client_);
    bool is_well = status.has_value();
    made.set_value(std::move(status));
    if (!is_well) return;
    constexpr std::int64_t kPeriod = 30'000;
    self->poller_->every(kPeriod, [self] {
      for (auto& [key, port] : self->ports_) {
        if (port.relay != nullptr) port.relay->forget_the_silent();
      }
    });
    // The kernel has no more memory: nothing would be carried any more, and somebody starts anew.
    if (!self->poller_->run()) ::_exit(1);
  }).detach();
  TRY(result.get());
  return forwarder;
}

Status Forwarder::add(const PortKey& key, Fd socket) {
  Status result;
  poller_->call([&] {
    Port port;
    if (key.protocol == "udp") {
      auto relay = UdpRelay::start(*poller_, std::move(socket), key.host.is_v6, as_client_);
      if (relay) {
        port.relay = *relay;
      } else {
        result = fail(std::move(relay).error());
      }
    } else {
      auto listener = std::make_unique<Listener>(*poller_, std::move(socket), as_client_);
      result = listener->start();
      port.listener = listener.get();
      if (result) poller_->own(std::move(listener));
    }
    if (result) ports_[key] = port;
  });
  return result;
}

Status Forwarder::lead(const PortKey& key, const Peer& target) {
  Status result;
  poller_->call([&] {
    auto found = ports_.find(key);
    if (found == ports_.end()) {
      result = fail(Code::kNotFound,
                    cat("port ", key.host.with_port(key.port), "/", key.protocol, " is not held"));
    } else if (found->second.relay != nullptr) {
      found->second.relay->lead(target);
    } else {
      found->second.listener->lead(target);
    }
  });
  return result;
}

void Forwarder::remove(const PortKey& key) {
  poller_->call([&] {
    auto found = ports_.find(key);
    if (found == ports_.end()) return;
    if (found->second.relay != nullptr) found->second.relay->stop();
    if (found->second.listener != nullptr) found->second.listener->stop();
    ports_.erase(found);
  });
}

}  // namespace dhow::network::rootless
