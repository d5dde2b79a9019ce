// SPDX-License-Identifier: Apache-2.0
#include "crash/api.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <utility>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::crash_test {
namespace {

constexpr struct timeval kLongestCall = {60, 0};

}  // namespace

Api::Api(std::string socket, std::function<void()> sent, Report report)
    : socket_(std::move(socket)), sent_(std::move(sent)), report_(std::move(report)) {}

Answer Api::failed(std::string_view path, const Error& error) {
  if (error.sys_errno() == EAGAIN) report_(cat(path, ": no answer within a minute"));
  client_.reset();  // its connections are to a daemon that has gone
  return {};
}

Result<client::Exchange> Api::send(client::Call call) {
  if (!client_) {
    client::Endpoint endpoint;
    endpoint.kind = client::Endpoint::Kind::kUnix;
    endpoint.address = socket_;
    endpoint.text = "unix://" + socket_;
    client_ = std::make_shared<client::Client>(std::move(endpoint), "");
  }
  TRY_ASSIGN(client::Exchange exchange, client_->send(std::move(call)));
  sent_();
  ::setsockopt(exchange.connection().socket().get(), SOL_SOCKET, SO_RCVTIMEO, &kLongestCall,
               sizeof kLongestCall);
  return exchange;
}

Answer Api::call(std::string_view method, std::string path, client::Query query, std::string body) {
  client::Call call;
  call.method = method;
  call.path = path;
  call.query = std::move(query);
  call.body = std::move(body);
  auto exchange = send(std::move(call));
  if (!exchange) return failed(path, exchange.error());
  Answer answer;
  auto head = exchange->connection().read_head();
  if (!head) return failed(path, head.error());
  answer.status = head->status;
  auto text = exchange->connection().read_whole_body();
  if (!text) return failed(path, text.error());
  answer.body = std::move(*text);
  answer.came = true;
  // 503 is told of a shim that was killed a moment ago.
  if (answer.status >= 500 && answer.status != 503)
    report_(cat(path, ": status ", answer.status, ": ", answer.body));
  return answer;
}

Api::Stream Api::open(std::string path, client::Query query, std::string body) {
  Stream stream;
  stream.api = this;
  stream.path = path;
  client::Call call;
  call.method = "POST";
  call.path = path;
  call.query = std::move(query);
  call.body = std::move(body);
  call.upgrade = true;
  auto exchange = send(std::move(call));
  if (!exchange) {
    stream.head = failed(path, exchange.error());
    return stream;
  }
  stream.client = client_;
  stream.exchange = std::make_unique<client::Exchange>(std::move(*exchange));
  auto head = stream.exchange->connection().read_head();
  if (!head) {
    stream.exchange.reset();
    stream.head = failed(path, head.error());
    return stream;
  }
  stream.head.came = true;
  stream.head.status = head->status;
  return stream;
}

Answer Api::Stream::rest() {
  if (!exchange) return head;
  Answer answer = head;
  client::HttpConnection& connection = exchange->connection();
  if (answer.status != 101) {
    auto text = connection.read_whole_body();
    if (!text) return api->failed(path, text.error());
    answer.body = std::move(*text);
    return answer;
  }
  answer.body = connection.take_buffered();
  char buffer[4096];
  while (true) {
    auto count = read_some(connection.socket(), buffer);
    if (!count) return api->failed(path, count.error());
    if (*count == 0) return answer;
    answer.body.append(buffer, *count);
  }
}

}  // namespace dhow::crash_test
