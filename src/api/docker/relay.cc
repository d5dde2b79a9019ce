// SPDX-License-Identifier: Apache-2.0
#include "api/docker/relay.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace dhow::api::docker {
namespace {

constexpr std::size_t kRelayPiece = std::size_t{32} << 10;

// One recv(2): the bytes, "" at the end; none when there is nothing yet.
std::optional<std::string> receive_some(int socket) {
  std::string data;
  ssize_t count = 0;
  data.resize_and_overwrite(kRelayPiece, [&](char* buffer, std::size_t size) {
    do {
      count = ::recv(socket, buffer, size, MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
    return count > 0 ? static_cast<std::size_t>(count) : 0;
  });
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
  return data;
}

}  // namespace

Relay::Relay(asio::io_context& io, asio::posix::stream_descriptor& client, Fd peer, Options options)
    : client_(client),
      peer_(io, peer.release()),
      options_(std::move(options)),
      keys_(std::move(options_.detach_keys)) {}

void Relay::start() {
  auto self = shared_from_this();
  read_peer();
  await_hangup();
  std::string early = std::move(options_.early);
  if (!early.empty()) on_client_data(early);
  read_client();
}

void Relay::cancel() {
  done_ = true;
  boost::system::error_code ignored;
  peer_.close(ignored);
  options_.ended = nullptr;
}

void Relay::await_hangup() {
  client_.async_wait(asio::posix::stream_descriptor::wait_error,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (self->done_ || error == asio::error::operation_aborted) return;
                       // Anything else that wakes this is no reason to ask again, and again.
                       if (is_hung_up(self->client_.native_handle())) self->end(false);
                     });
}

void Relay::read_client() {
  if (done_ || in_.ended || in_.reading || !in_.data.empty()) return;
  in_.reading = true;
  client_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->in_.reading = false;
                       if (self->done_ || error == asio::error::operation_aborted) return;
                       auto data = receive_some(self->client_.native_handle());
                       if (data && data->empty()) {
                         self->in_.ended = true;
                         return self->write_peer();
                       }
                       if (data) self->on_client_data(*data);
                       self->read_client();
                     });
}

void Relay::on_client_data(std::string_view data) {
  // What nobody asked for is read all the same: else the client's end would never be seen.
  if (!options_.input) return;
  bool detached = keys_.filter(data, in_.data);
  write_peer();
  if (detached) end(true);
}

void Relay::write_peer() {
  while (!done_ && !in_.writing && !in_.data.empty()) {
    auto sent = send_some(peer_.native_handle(), in_.data);
    if (!sent) {
      // The process has closed its input: the rest is of no use, its output still is.
      in_.data.clear();
      options_.input = false;
      break;
    }
    in_.data.erase(0, *sent);
    if (*sent != 0) continue;
    in_.writing = true;
    peer_.async_wait(asio::posix::stream_descriptor::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->in_.writing = false;
                       if (self->done_ || error == asio::error::operation_aborted) return;
                       self->write_peer();
                       self->read_client();
                     });
    return;
  }
  if (!done_ && in_.ended && in_.data.empty() && std::exchange(options_.input, false)) {
    ::shutdown(peer_.native_handle(), SHUT_WR);
  }
}

void Relay::read_peer() {
  if (done_ || out_.ended || out_.reading || !out_.data.empty()) return;
  out_.reading = true;
  peer_.async_wait(asio::posix::stream_descriptor::wait_read,
                   [self = shared_from_this()](const boost::system::error_code& error) {
                     self->out_.reading = false;
                     if (self->done_ || error == asio::error::operation_aborted) return;
                     auto data = receive_some(self->peer_.native_handle());
                     if (data && data->empty()) self->out_.ended = true;
                     if (data) self->out_.data += *data;
                     self->write_client();
                   });
}

void Relay::write_client() {
  while (!done_ && !out_.writing && !out_.data.empty()) {
    auto sent = send_some(client_.native_handle(), out_.data);
    if (!sent) return end(false);
    out_.data.erase(0, *sent);
    if (*sent != 0) continue;
    out_.writing = true;
    client_.async_wait(asio::posix::stream_descriptor::wait_write,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                         self->out_.writing = false;
                         if (self->done_ || error == asio::error::operation_aborted) return;
                         self->write_client();
                       });
    return;
  }
  if (done_) return;
  if (out_.ended) return end(false);
  read_peer();
}

void Relay::end(bool detached) {
  if (std::exchange(done_, true)) return;
  boost::system::error_code ignored;
  peer_.close(ignored);
  if (auto ended = std::exchange(options_.ended, nullptr)) ended(detached);
}

}  // namespace dhow::api::docker
