// SPDX-License-Identifier: Apache-2.0
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "api/docker/connection.h"
#include "api/docker/errors.h"
#include "base/strings.h"

namespace dhow::api::docker {
namespace {

std::string_view query_text(std::string_view target) {
  std::size_t mark = target.find('?');
  return mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
}

std::string hex_number(std::size_t number) {
  char digits[16];
  auto [end, fault] = std::to_chars(digits, digits + sizeof digits, number, 16);
  static_cast<void>(fault);
  return {digits, end};
}

}  // namespace

HttpExchange::HttpExchange(std::shared_ptr<Connection> connection, RequestHead head, Plan plan,
                           std::string body)
    : connection_(std::move(connection)),
      head_(std::move(head)),
      plan_(std::move(plan)),
      query_(Query::parse(query_text(head_.target))),
      body_(std::move(body)) {}

HttpExchange::~HttpExchange() {
  if (!ended_) {
    // Nobody can call shared_from_this any more: what is sent here is small.
    if (!begun_) {
      respond(error_response(Error(Code::kInternal, "the request was dropped")));
    } else {
      finish(false);
    }
  }
  release();
}

void HttpExchange::write_head(const Response& response, std::optional<std::size_t> length) {
  bool bodiless = response.status == 204 || response.status == 304;
  keep_alive_ = head_.keep_alive && (length || bodiless || !head_.http_1_0);
  pending_ += cat("HTTP/1.1 ", response.status, " ", reason_phrase(response.status), "\r\n",
                  connection_->core().common_headers());
  if (!response.content_type.empty()) {
    pending_ += cat("Content-Type: ", response.content_type, "\r\n");
  }
  for (const auto& [name, value] : response.headers) pending_ += cat(name, ": ", value, "\r\n");
  if (!bodiless) {
    if (length) {
      pending_ += cat("Content-Length: ", *length, "\r\n");
    } else if (!head_.http_1_0) {
      chunked_ = true;
      pending_ += "Transfer-Encoding: chunked\r\n";
    }
  }
  if (!keep_alive_) pending_ += "Connection: close\r\n";
  if (keep_alive_ && head_.http_1_0) pending_ += "Connection: keep-alive\r\n";
  pending_ += "\r\n";
}

void HttpExchange::respond(Response response) {
  if (begun_) return;
  begun_ = true;
  write_head(response, response.body.size());
  if (!is_head()) pending_ += response.body;
  flush();
  finish(keep_alive_);
}

void HttpExchange::begin(const Response& head) {
  if (begun_) return;
  begun_ = true;
  write_head(head, std::nullopt);
  flush();
}

void HttpExchange::append(std::string_view piece) {
  if (piece.empty() || is_head()) return;
  if (!chunked_) {
    pending_ += piece;
    return;
  }
  pending_ += hex_number(piece.size());
  pending_ += "\r\n";
  pending_ += piece;
  pending_ += "\r\n";
}

Status HttpExchange::write(std::string_view piece) {
  if (ended_ || stop_.stop_requested()) {
    return fail(Code::kCancelled, "the client has gone");
  }
  append(piece);
  Status sent = send_blocking(connection_->socket(), pending_);
  pending_.clear();
  return sent;
}

void HttpExchange::flush() {
  if (ended_) return;
  if (auto sent = send_some(connection_->socket(), pending_)) pending_.erase(0, *sent);
}

void HttpExchange::end(std::string_view piece) {
  if (ended_) return;
  append(piece);
  if (chunked_ && !is_head()) pending_ += "0\r\n\r\n";
  flush();
  finish(keep_alive_ && !raw_);
}

void HttpExchange::abort() {
  if (ended_) return;
  pending_.clear();
  finish(false);
}

void HttpExchange::finish(bool keep_alive) {
  if (ended_.exchange(true)) return;
  release();
  asio::dispatch(connection_->core().io,
                 [connection = connection_, rest = std::move(pending_), keep_alive]() mutable {
                   connection->answered(std::move(rest), keep_alive);
                 });
}

void HttpExchange::hijack(std::string_view content_type) {
  if (begun_) return;
  hijack_silently();
  if (head_.upgrade) {
    pending_ += cat("HTTP/1.1 101 UPGRADED\r\nContent-Type: ", content_type,
                    "\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n",
                    connection_->core().common_headers(), "\r\n");
  } else {
    pending_ += cat("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n");
  }
  flush();
}

void HttpExchange::hijack_silently() {
  if (begun_) return;
  begun_ = true;
  raw_ = true;
  keep_alive_ = false;
  asio::post(connection_->core().io, [connection = connection_] { connection->became_raw(); });
}

void HttpExchange::join(Fd stream, JoinOptions options) {
  if (ended_) return;
  auto shared_stream = std::make_shared<Fd>(std::move(stream));
  asio::dispatch(connection_->core().io, [self = shared_from_this(), shared_stream,
                                          options = std::move(options)]() mutable {
    self->connection_->join(self, std::move(*shared_stream), std::move(options));
  });
}

void HttpExchange::relay_ended() {
  if (ended_.exchange(true)) return;
  release();
  connection_->answered({}, false);
}

void HttpExchange::keep(std::shared_ptr<void> held) {
  std::unique_lock lock(held_mutex_);
  if (!released_) {
    held_.push_back(std::move(held));
    return;
  }
  lock.unlock();
  connection_->core().workers.run([held = std::move(held)] {});
}

void HttpExchange::release() {
  std::unique_lock lock(held_mutex_);
  released_ = true;
  if (held_.empty()) return;
  auto held = std::make_shared<std::vector<std::shared_ptr<void>>>(std::move(held_));
  held_.clear();
  lock.unlock();
  connection_->core().workers.run([held] {});
}

void HttpExchange::client_gone() {
  stop_.request_stop();
  // What waits for something to happen is let go; a handler that runs ends by its token.
  release();
}

Result<std::string_view> HttpExchange::Body::next() {
  if (done_) return std::string_view();
  auto piece = exchange_.connection_->read_body(space_);
  done_ = !piece || piece->empty();
  return piece;
}

}  // namespace dhow::api::docker
