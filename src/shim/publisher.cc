// SPDX-License-Identifier: Apache-2.0
#include "shim/publisher.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "sys/unix_socket.h"

namespace dhow::shim {
namespace {

constexpr std::size_t kMostWaiting = 2048;
constexpr std::int64_t kFirstRetryMs = 1000;
constexpr std::int64_t kLastRetryMs = 10'000;
constexpr std::int64_t kTimeoutNs = 5'000'000'000;

}  // namespace

Publisher::Publisher(Loop& loop, std::string_view address, std::string name_space)
    : loop_(loop), name_space_(std::move(name_space)) {
  constexpr std::string_view kScheme = "unix://";
  if (address.starts_with(kScheme)) address.remove_prefix(kScheme.size());
  path_ = address;
}

void Publisher::add(std::string payload) {
  if (path_.empty()) return;
  if (waiting_.size() >= kMostWaiting) {
    // Not the one that may be under way.
    waiting_.erase(waiting_.begin() + (stream_ != 0 ? 1 : 0));
  }
  waiting_.push_back(std::move(payload));
  if (stream_ == 0) send_next();
}

bool Publisher::connect() {
  if (socket_) return true;
  // Without blocking: an engine that hangs has a full backlog.
  auto socket = connect_unix(kCwd, path_, SOCK_STREAM | SOCK_NONBLOCK);
  if (!socket) return false;
  auto watch = loop_.watch(*socket, EPOLLIN, [this](std::uint32_t events) { on_ready(events); });
  if (!watch) return false;
  socket_ = std::move(*socket);
  watch_ = std::move(*watch);
  reader_ = {};
  writer_ = {};
  last_stream_ = 0;
  return true;
}

void Publisher::disconnect() {
  watch_.reset();
  socket_.reset();
  stream_ = 0;
  if (waiting_.empty()) return;
  auto timer = loop_.after(retry_ms_, [this] { send_next(); });
  if (timer) retry_ = std::move(*timer);
  retry_ms_ = std::min(retry_ms_ * 2, kLastRetryMs);
}

void Publisher::retry_now() {
  if (socket_ || waiting_.empty()) return;
  retry_.reset();
  retry_ms_ = kFirstRetryMs;
  send_next();
}

void Publisher::send_next() {
  if (waiting_.empty() || stream_ != 0) return;
  if (!connect()) return disconnect();
  rpc::Request request{.service = rpc::events::kService,
                       .method = rpc::events::ForwardRequest::kMethod,
                       .payload = waiting_.front(),
                       .timeout_nano = kTimeoutNs,
                       .metadata = {{rpc::kNamespaceKey, name_space_}}};
  // Streams of a client are odd, and rise.
  stream_ = last_stream_ == 0 ? 1 : last_stream_ + 2;
  last_stream_ = stream_;
  auto sent = writer_.send(socket_, stream_, rpc::FrameType::kRequest, rpc::encode(request));
  if (!sent) return disconnect();
  watch_.set_events(writer_.unsent() != 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void Publisher::on_ready(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) {
    if (!writer_.flush(socket_)) return disconnect();
    if (writer_.unsent() == 0) watch_.set_events(EPOLLIN);
  }
  if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) == 0) return;
  auto end = rpc::read_frames(socket_, reader_);
  take_answers();
  if (end == rpc::ReadEnd::kClosed && socket_) disconnect();
}

void Publisher::take_answers() {
  while (auto frame = reader_.next()) {
    if (frame->stream != stream_ || frame->type != rpc::FrameType::kResponse) continue;
    auto response = rpc::decode<rpc::Response>(frame->data);
    if (response && response->status && response->status->code != 0) {
      // It was told, and doesn't want it; asking again changes nothing.
      log::warning(cat("event refused: ", response->status->message));
    }
    stream_ = 0;
    waiting_.pop_front();
    retry_ms_ = kFirstRetryMs;
    retry_.reset();
  }
  if (stream_ == 0) send_next();
  if (waiting_.empty() && idle_) idle_();
}

}  // namespace dhow::shim
