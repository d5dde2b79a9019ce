// SPDX-License-Identifier: Apache-2.0
#include "client/client.h"

#include <array>

#include "base/strings.h"
#include "oci/json_value.h"

namespace dhow::client {

Code code_from_status(int status) {
  switch (status) {
    case 400:
      return Code::kInvalidArgument;
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kPermissionDenied;
    case 404:
      return Code::kNotFound;
    case 409:
      return Code::kFailedPrecondition;
    case 501:
      return Code::kUnimplemented;
    case 503:
      return Code::kUnavailable;
    default:
      return status >= 500 ? Code::kInternal : Code::kUnknown;
  }
}

Exchange::~Exchange() {
  if (connection_ && connection_->reusable()) client_->idle_.push_back(std::move(connection_));
}

Status Exchange::await_head() {
  TRY_ASSIGN(head_, connection_->read_head(head_only_));
  if (head_.status < 400) return {};
  TRY_ASSIGN(std::string body, connection_->read_whole_body());
  std::string message(trim(body));
  if (auto document = oci::JsonDocument::parse(body)) {
    if (auto text = document->root().find("message").as_string()) message = *text;
  }
  if (message.empty()) message = cat("status ", head_.status, " without a message");
  return fail(code_from_status(head_.status), cat("Error response from daemon: ", message));
}

Result<std::unique_ptr<HttpConnection>> Client::connect() {
  auto connection = HttpConnection::connect(endpoint_);
  if (!connection && starter_) {
    Starter starter = std::exchange(starter_, {});
    TRY(starter());
    connection = HttpConnection::connect(endpoint_);
  }
  // A program that leads there has said why it doesn't.
  if (!connection && connection.error().sys_errno() == 0) {
    return std::unexpected(std::move(connection).error());
  }
  if (!connection) {
    return fail(Code::kUnavailable, cat("Cannot connect to the engine at ", endpoint_.text, ": ",
                                        errno_text(connection.error().sys_errno())));
  }
  return std::make_unique<HttpConnection>(std::move(*connection));
}

Result<std::unique_ptr<HttpConnection>> Client::take_connection() {
  if (idle_.empty()) return connect();
  auto connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

Status Client::prepare() {
  TRY_ASSIGN(auto connection, connect());
  idle_.push_back(std::move(connection));
  return {};
}

Result<Exchange> Client::send(Call call) {
  TRY_ASSIGN(auto connection, take_connection());
  HttpRequest request;
  request.method = call.method;
  request.target = cat(version_.empty() ? "" : "/v", version_, call.path, call.query.text());
  request.headers = std::move(call.headers);
  request.headers.insert(request.headers.end(), headers_.begin(), headers_.end());
  request.body = std::move(call.body);
  request.content_type = std::move(call.content_type);
  if (request.content_type.empty() && !request.body.empty())
    request.content_type = "application/json";
  request.upgrade = call.upgrade;
  request.streamed_body = call.streamed_body;
  TRY(connection->send(request));
  return Exchange(this, std::move(connection), call.method == "HEAD");
}

Result<Exchange> Client::open(Call call) {
  TRY_ASSIGN(Exchange exchange, send(std::move(call)));
  TRY(exchange.await_head());
  return exchange;
}

Status Exchange::read_items(const oci::JsonItems::Take& take) {
  oci::JsonItems items;
  std::array<char, std::size_t{32} << 10> buffer;
  while (true) {
    TRY_ASSIGN(std::size_t size, read(buffer));
    if (size == 0) return items.end();
    TRY(items.feed({buffer.data(), size}, take));
  }
}

Result<std::string> Client::call(Call call) {
  TRY_ASSIGN(Exchange exchange, open(std::move(call)));
  return exchange.read_all();
}

Result<int> Client::call_status(Call call) {
  TRY_ASSIGN(Exchange exchange, open(std::move(call)));
  int status = exchange.head().status;
  TRY_ASSIGN(std::string body, exchange.read_all());
  return status;
}

}  // namespace dhow::client
