// SPDX-License-Identifier: Apache-2.0
#include "api/docker/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

#include "api/docker/errors.h"
#include "base/strings.h"

namespace dhow::api::docker {
namespace {

constexpr std::size_t kReadSize = std::size_t{16} << 10;
constexpr std::size_t kBodyPiece = std::size_t{64} << 10;
// What is read of a request that was answered before its end, so that the answer arrives.
constexpr std::size_t kMaxDrain = std::size_t{256} << 20;

enum class Received { kData, kNothing, kEnd };

// Appends what one recv(2) gives.
Received receive_into(int socket, std::string& data) {
  std::size_t before = data.size();
  ssize_t count = 0;
  data.resize_and_overwrite(before + kReadSize, [&](char* buffer, std::size_t) {
    do {
      count = ::recv(socket, buffer + before, kReadSize, MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
    return before + (count > 0 ? static_cast<std::size_t>(count) : 0);
  });
  if (count > 0) return Received::kData;
  return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? Received::kNothing
                                                                : Received::kEnd;
}

}  // namespace

Connection::Connection(std::shared_ptr<Server::Core> core, Fd socket)
    : core_(std::move(core)), stream_(core_->io, socket.release()), timer_(core_->io) {}

Connection::~Connection() = default;

void Connection::close() {
  if (std::exchange(state_, State::kClosed) == State::kClosed) return;
  if (relay_ != nullptr) relay_->cancel();
  relay_.reset();
  if (auto exchange = exchange_.lock()) exchange->client_gone();
  timer_.cancel();
  // Whoever still writes to it is told; the number must stay taken until they are done with it.
  ::shutdown(socket(), SHUT_RDWR);
  boost::system::error_code ignored;
  stream_.cancel(ignored);
  if (std::exchange(counted_, false)) core_->end_work();
  core_->remove(shared_from_this());
}

void Connection::await_input() {
  if (awaiting_input_ || state_ == State::kClosed) return;
  awaiting_input_ = true;
  stream_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->awaiting_input_ = false;
                       if (!error) self->on_readable();
                     });
}

void Connection::await_hangup() {
  if (awaiting_hangup_ || state_ == State::kClosed) return;
  awaiting_hangup_ = true;
  stream_.async_wait(asio::posix::stream_descriptor::wait_error,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->awaiting_hangup_ = false;
                       if (error || self->state_ == State::kClosed) return;
                       if (is_hung_up(self->socket())) self->gone();
                     });
}

void Connection::on_readable() {
  switch (state_) {
    case State::kHead:
    case State::kBody:
      return read_input();
    case State::kBusy:
      return on_busy_input();
    case State::kDrain:
      return drain();
    case State::kRaw:
    case State::kClosed:
      return;
  }
}

// While a request is worked at: the end of the input means that nobody waits for the answer.
void Connection::on_busy_input() {
  auto exchange = exchange_.lock();
  if (exchange != nullptr && exchange->is_raw()) return await_hangup();
  char byte = 0;
  ssize_t count = ::recv(socket(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (count > 0) {
    input_pending_ = true;
    return await_hangup();
  }
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    return await_input();
  }
  gone();
}

void Connection::gone() {
  if (state_ == State::kBusy) {
    // A handler that runs still owns the connection, and sees its stop token.
    if (auto exchange = exchange_.lock()) return exchange->client_gone();
  }
  close();
}

void Connection::read_input() {
  input_pending_ = false;
  switch (receive_into(socket(), input_)) {
    case Received::kData:
      return process();
    case Received::kNothing:
      return await_input();
    case Received::kEnd:
      return close();
  }
}

void Connection::process() {
  while (state_ == State::kHead || state_ == State::kBody) {
    bool goes_on = state_ == State::kHead ? take_head() : take_body();
    if (goes_on) continue;
    if (state_ == State::kHead || state_ == State::kBody) {
      if (state_ == State::kBody || !input_.empty()) start_timer();
      await_input();
    }
    return;
  }
}

// False: more is needed, or the request was refused.
bool Connection::take_head() {
  if (input_.empty()) return false;
  auto taken = parser_.feed_head(input_);
  if (!taken) {
    refuse(taken.error().code() == Code::kOutOfRange ? 431 : 400, taken.error().message());
    return false;
  }
  input_.erase(0, *taken);
  if (!parser_.head_done()) {
    if (input_.size() > kMaxHead) refuse(431, "the headers of the request are too long");
    return false;
  }
  head_ = parser_.head();
  plan_ = core_->options.plan(head_);
  body_.clear();
  if (head_.body_size.value_or(0) > core_->options.max_body && !plan_.streams_body) {
    refuse(413, "the body of the request is too large");
    return false;
  }
  if (head_.has_body() && lower_text(head_.header("Expect")) == "100-continue") {
    std::ignore = send_some(socket(), "HTTP/1.1 100 Continue\r\n\r\n");
  }
  state_ = State::kBody;
  return true;
}

bool Connection::take_body() {
  if (!plan_.streams_body) {
    std::string piece(kReadSize, '\0');
    while (!parser_.body_done() && !input_.empty()) {
      auto taken = parser_.feed_body(input_, piece);
      if (!taken) {
        refuse(400, taken.error().message());
        return false;
      }
      input_.erase(0, taken->taken);
      body_.append(piece, 0, taken->produced);
      if (body_.size() > core_->options.max_body) {
        refuse(413, "the body of the request is too large");
        return false;
      }
      if (taken->taken == 0 && taken->produced == 0) break;
    }
    if (!parser_.body_done()) return false;
  }
  dispatch();
  return false;
}

void Connection::start_timer() {
  if (std::exchange(timing_, true)) return;
  timer_.expires_after(core_->options.request_time);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (error || !self->timing_) return;
    self->timing_ = false;
    if (self->state_ != State::kBusy && self->state_ != State::kRaw) self->close();
  });
}

void Connection::dispatch() {
  if (std::exchange(timing_, false)) timer_.cancel();
  state_ = State::kBusy;
  counted_ = true;
  core_->begin_work();
  bool streams = plan_.streams_body;
  bool quick = plan_.quick;
  auto handler = plan_.handler;
  auto exchange = std::make_shared<HttpExchange>(shared_from_this(), std::move(head_),
                                                 std::move(plan_), std::move(body_));
  exchange_ = exchange;
  body_.clear();
  if (quick) return handler(exchange);
  if (streams || !input_.empty()) {
    input_pending_ = input_pending_ || streams;
    await_hangup();
  } else {
    await_input();
  }
  core_->workers.run([handler, exchange] { handler(exchange); });
}

void Connection::refuse(int status, std::string_view message) {
  std::string body = error_body(message);
  output_ =
      cat("HTTP/1.1 ", status, " ", reason_phrase(status), "\r\n", core_->common_headers(),
          "Connection: close\r\nContent-Type: application/json\r\nContent-Length: ", body.size(),
          "\r\n\r\n", body);
  state_ = State::kDrain;
  await_output(false);
}

void Connection::answered(std::string rest, bool keep_alive) {
  if (state_ == State::kClosed) return;
  output_ = std::move(rest);
  await_output(keep_alive);
}

void Connection::await_output(bool keep_alive) {
  while (!output_.empty()) {
    auto sent = send_some(socket(), output_);
    if (!sent) return close();
    output_.erase(0, *sent);
    if (*sent != 0) continue;
    stream_.async_wait(
        asio::posix::stream_descriptor::wait_write,
        [self = shared_from_this(), keep_alive](const boost::system::error_code& error) {
          if (!error && self->state_ != State::kClosed) self->await_output(keep_alive);
        });
    return;
  }
  next(keep_alive);
}

void Connection::next(bool keep_alive) {
  if (std::exchange(counted_, false)) core_->end_work();
  exchange_.reset();
  if (!keep_alive || !parser_.body_done()) {
    ::shutdown(socket(), SHUT_WR);
    state_ = State::kDrain;
    return drain();
  }
  if (core_->ending) return close();
  parser_ = RequestParser();
  state_ = State::kHead;
  if (!input_.empty()) {
    // Not from here: requests sent in a row would be calls one inside the other.
    asio::post(core_->io, [self = shared_from_this()] { self->process(); });
    return;
  }
  if (input_pending_) return read_input();
  await_input();
}

// Reads what the client still sends: closing before that would take the answer from it.
void Connection::drain() {
  start_timer();
  while (drained_ < kMaxDrain) {
    input_.clear();
    switch (receive_into(socket(), input_)) {
      case Received::kData:
        drained_ += input_.size();
        continue;
      case Received::kNothing:
        return await_input();
      case Received::kEnd:
        return close();
    }
  }
  close();
}

Result<std::string_view> Connection::read_body(std::string& space) {
  space.resize(kBodyPiece);
  while (!parser_.body_done()) {
    if (!input_.empty()) {
      TRY_ASSIGN(RequestParser::Taken taken, parser_.feed_body(input_, space));
      input_.erase(0, taken.taken);
      if (taken.produced != 0) return std::string_view(space).substr(0, taken.produced);
      if (taken.taken != 0) continue;
    }
    struct pollfd wait = {socket(), POLLIN, 0};
    if (::poll(&wait, 1, -1) < 0 && errno != EINTR) return fail_errno(errno, "wait for the client");
    if (receive_into(socket(), input_) == Received::kEnd) {
      return fail(Code::kCancelled, "the client has gone in the middle of its request");
    }
  }
  return std::string_view();
}

void Connection::became_raw() {
  if (state_ == State::kBusy) await_hangup();
}

void Connection::join(std::shared_ptr<Exchange> exchange, Fd stream, JoinOptions options) {
  auto http = std::static_pointer_cast<HttpExchange>(exchange);
  if (state_ != State::kBusy) return http->relay_ended();
  state_ = State::kRaw;
  Relay::Options relaying;
  relaying.input = options.input;
  relaying.detach_keys = std::move(options.detach_keys);
  relaying.early = std::move(input_);
  relaying.ended = [self = shared_from_this(), http,
                    ended = std::move(options.ended)](bool detached) {
    // Kept alive until this returns.
    auto relay = std::move(self->relay_);
    self->state_ = State::kBusy;
    if (ended) self->core_->workers.run([ended, detached] { ended(detached); });
    http->relay_ended();
  };
  input_.clear();
  relay_ = std::make_shared<Relay>(core_->io, stream_, std::move(stream), std::move(relaying));
  relay_->start();
}

}  // namespace dhow::api::docker
