// SPDX-License-Identifier: Apache-2.0
#include "client/http.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <cerrno>
#include <utility>

#include "base/strings.h"
#include "client/tunnel.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::client {

namespace http = boost::beast::http;
using boost::beast::error_code;
using BeastView = boost::beast::string_view;

std::string_view HttpHead::header(std::string_view name) const {
  std::string wanted = lower_text(name);
  for (const HttpHeader& header : headers) {
    if (lower_text(header.name) == wanted) return header.value;
  }
  return {};
}

// Keeps the head, and of the body what one put() gave.
class HttpConnection::Parser : public http::basic_parser<false> {
 public:
  explicit Parser(bool head_only) {
    skip(head_only);
    body_limit(boost::none);
    header_limit(1 << 20);
  }

  HttpHead head;
  std::string body;

 private:
  void on_request_impl(http::verb, BeastView, BeastView, int, error_code&) override {}
  void on_response_impl(int status, BeastView, int, error_code&) override { head.status = status; }
  void on_field_impl(http::field, BeastView name, BeastView value, error_code&) override {
    head.headers.push_back({std::string(name), std::string(value)});
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(BeastView piece, error_code&) override { return keep(piece); }
  void on_chunk_header_impl(std::uint64_t, BeastView, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, BeastView piece, error_code&) override {
    return keep(piece);
  }
  void on_finish_impl(error_code&) override {}

  std::size_t keep(BeastView piece) {
    body.append(piece.data(), piece.size());
    return piece.size();
  }
};

namespace {

Status send_whole(FdRef socket, std::string_view data) {
  while (!data.empty()) {
    ssize_t count = ::send(socket.get(), data.data(), data.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, "send to the engine");
    data.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

std::string hexadecimal(std::size_t number) {
  char digits[20];
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, number, 16);
  static_cast<void>(error);
  return {digits, end};
}

std::string head_text(const HttpRequest& request) {
  std::string text = cat(request.method, " ", request.target,
                         " HTTP/1.1\r\nHost: dhow\r\nUser-Agent: dhow/" DHOW_VERSION "\r\n");
  for (const HttpHeader& header : request.headers) {
    text += cat(header.name, ": ", header.value, "\r\n");
  }
  if (!request.content_type.empty()) text += cat("Content-Type: ", request.content_type, "\r\n");
  if (request.upgrade) text += "Connection: Upgrade\r\nUpgrade: tcp\r\n";
  if (request.streamed_body) {
    text += "Transfer-Encoding: chunked\r\n";
  } else if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    text += cat("Content-Length: ", request.body.size(), "\r\n");
  }
  return text += "\r\n";
}

}  // namespace

Result<Fd> connect_tcp(const Endpoint& endpoint) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  int status = ::getaddrinfo(endpoint.address.c_str(), endpoint.port.c_str(), &wanted, &found);
  if (status != 0) {
    return fail(Code::kUnavailable,
                cat("look up ", quoted(endpoint.address), ": ", ::gai_strerror(status)));
  }
  int reason = ECONNREFUSED;
  Fd result;
  for (addrinfo* one = found; one != nullptr && !result; one = one->ai_next) {
    Fd candidate(::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol));
    if (candidate && ::connect(candidate.get(), one->ai_addr, one->ai_addrlen) == 0) {
      result = std::move(candidate);
    } else {
      reason = errno;
    }
  }
  ::freeaddrinfo(found);
  if (!result) return fail_errno(reason, cat("connect to ", endpoint.text));
  return result;
}

Result<HttpConnection> HttpConnection::connect(const Endpoint& endpoint) {
  if (endpoint.kind == Endpoint::Kind::kSsh || endpoint.tls) {
    TRY_ASSIGN(Fd socket, open_tunnel(endpoint));
    return HttpConnection(std::move(socket));
  }
  if (endpoint.kind == Endpoint::Kind::kTcp) {
    TRY_ASSIGN(Fd socket, connect_tcp(endpoint));
    return HttpConnection(std::move(socket));
  }
  TRY_ASSIGN(Fd socket, connect_unix(kCwd, endpoint.address, SOCK_STREAM));
  return HttpConnection(std::move(socket));
}

HttpConnection::HttpConnection(Fd socket) : socket_(std::move(socket)) {}
HttpConnection::HttpConnection(HttpConnection&&) noexcept = default;
HttpConnection& HttpConnection::operator=(HttpConnection&&) noexcept = default;
HttpConnection::~HttpConnection() = default;

Status HttpConnection::send(const HttpRequest& request) {
  std::string text = head_text(request);
  if (!request.streamed_body) text += request.body;
  return send_whole(socket_, text);
}

Status HttpConnection::write_body(std::string_view piece) {
  if (piece.empty()) return {};  // an empty chunk would be the end
  TRY(send_whole(socket_, cat(hexadecimal(piece.size()), "\r\n")));
  TRY(send_whole(socket_, piece));
  return send_whole(socket_, "\r\n");
}

Status HttpConnection::end_body() { return send_whole(socket_, "0\r\n\r\n"); }

Status HttpConnection::fill() {
  char buffer[32768];
  TRY_ASSIGN(std::size_t count, read_some(socket_, buffer));
  if (count == 0) return fail(Code::kUnavailable, "the engine closed the connection");
  input_.append(buffer, count);
  return {};
}

Result<HttpHead> HttpConnection::read_head(bool head_only) {
  parser_ = std::make_unique<Parser>(head_only);
  while (true) {
    if (!input_.empty()) {
      error_code error;
      std::size_t used =
          parser_->put(boost::asio::const_buffer(input_.data(), input_.size()), error);
      input_.erase(0, used);
      if (parser_->is_header_done()) break;
      if (error && error != http::error::need_more) {
        return fail(Code::kUnavailable, cat("what answers is no engine: ", error.message()));
      }
    }
    TRY(fill());
  }
  int status = parser_->head.status;
  // An informational answer other than the upgrade is not the answer.
  if (status >= 100 && status < 200 && status != 101) return read_head(head_only);
  return parser_->head;
}

Result<std::size_t> HttpConnection::read_body(std::span<char> buffer) {
  while (parser_->body.empty()) {
    if (parser_->is_done()) return 0;
    error_code error;
    if (!input_.empty()) {
      std::size_t used =
          parser_->put(boost::asio::const_buffer(input_.data(), input_.size()), error);
      input_.erase(0, used);
      if (error && error != http::error::need_more) {
        return fail(Code::kUnavailable, cat("read the engine's answer: ", error.message()));
      }
      if (used != 0) continue;
    }
    char piece[32768];
    TRY_ASSIGN(std::size_t count, read_some(socket_, piece));
    if (count == 0) {
      error = {};
      parser_->put_eof(error);
      if (error) return fail(Code::kUnavailable, "the engine's answer ended too early");
      return 0;
    }
    input_.append(piece, count);
  }
  std::size_t size = std::min(buffer.size(), parser_->body.size());
  std::copy_n(parser_->body.data(), size, buffer.data());
  parser_->body.erase(0, size);
  return size;
}

Result<std::string> HttpConnection::read_whole_body(std::size_t limit) {
  std::string whole;
  std::vector<char> buffer(65536);
  while (true) {
    TRY_ASSIGN(std::size_t count, read_body(buffer));
    if (count == 0) return whole;
    if (whole.size() + count > limit) {
      return fail(Code::kOutOfRange, cat("the engine's answer has more than ", limit, " bytes"));
    }
    whole.append(buffer.data(), count);
  }
}

bool HttpConnection::reusable() const {
  if (!socket_ || !parser_ || !parser_->is_done() || !parser_->keep_alive() || !input_.empty())
    return false;
  if (parser_->head.status == 101) return false;
  // Whatever can be read now is the end, or nothing that belongs here.
  pollfd state{socket_.get(), POLLIN, 0};
  return ::poll(&state, 1, 0) == 0;
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string result;
  for (char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      result += c;
      continue;
    }
    auto byte = static_cast<unsigned char>(c);
    result += '%';
    result += kDigits[byte >> 4];
    result += kDigits[byte & 15];
  }
  return result;
}

}  // namespace dhow::client
