// SPDX-License-Identifier: Apache-2.0
#include "cmd/dhowd/tls_front.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <tuple>

#include "base/log.h"
#include "base/strings.h"
#include "sys/unix_socket.h"

namespace dhow::dhowd {
namespace {

constexpr std::size_t kMostConnections = 256;
constexpr int kHandshakeMs = 10'000;

}  // namespace

Result<std::unique_ptr<TlsFront>> TlsFront::make(const tls::Files& files,
                                                 std::function<void(Fd)> hand_over) {
  TRY_ASSIGN(tls::Context context, tls::Context::server(files));
  Fd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop) return fail_errno(errno, "make an eventfd");
  return std::unique_ptr<TlsFront>(
      new TlsFront(std::move(context), std::move(stop), std::move(hand_over)));
}

TlsFront::~TlsFront() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  fewer_.notify_all();
  const std::uint64_t one = 1;
  std::ignore = ::write(stop_.get(), &one, sizeof one);
  for (std::thread& acceptor : acceptors_) acceptor.join();
  std::unique_lock lock(mutex_);
  fewer_.wait(lock, [this] { return count_ == 0; });
}

void TlsFront::listen(Fd socket) {
  acceptors_.emplace_back([this, listener = std::move(socket)] { accept_all(listener); });
}

void TlsFront::accept_all(const Fd& listener) {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      fewer_.wait(lock, [this] { return ending_ || count_ < kMostConnections; });
      if (ending_) return;
    }
    struct pollfd wait[2] = {{listener.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (::poll(wait, 2, -1) < 0 && errno != EINTR) return;
    if (wait[1].revents != 0) return;
    Fd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) {
      // Out of descriptors, as a rule: some may be free soon.
      if (errno != EINTR && errno != ECONNABORTED && errno != EAGAIN) {
        log::error(cat("accept a client: ", errno_text(errno)));
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
      continue;
    }
    {
      std::lock_guard lock(mutex_);
      ++count_;
    }
    std::thread([this, taken = std::move(socket)]() mutable {
      serve(std::move(taken));
      std::lock_guard lock(mutex_);
      --count_;
      fewer_.notify_all();
    }).detach();
  }
}

void TlsFront::serve(Fd socket) {
  auto connection = tls::Connection::accept(context_, std::move(socket), kHandshakeMs, stop_.get());
  if (!connection) {
    log::info(cat("a client over the network is turned away: ", connection.error().message()));
    return;
  }
  auto pair = make_socket_pair(SOCK_STREAM);
  if (!pair) {
    log::error(cat("serve a client over the network: ", pair.error().message()));
    return;
  }
  hand_over_(std::move(pair->first));
  connection->relay(pair->second, stop_.get());
}

}  // namespace dhow::dhowd
