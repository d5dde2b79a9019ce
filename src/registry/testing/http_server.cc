// SPDX-License-Identifier: Apache-2.0
#include "registry/testing/http_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "base/strings.h"

namespace dhow::registry::testing {
namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool send_all(int fd, std::string_view data) {
  while (!data.empty()) {
    ssize_t count = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    data.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

// Reads until `buffer` has `size` bytes.
bool fill(int fd, std::string& buffer, std::size_t size) {
  while (buffer.size() < size) {
    char chunk[16384];
    ssize_t count = ::recv(fd, chunk, sizeof chunk, 0);
    if (count <= 0) return false;
    buffer.append(chunk, static_cast<std::size_t>(count));
  }
  return true;
}

std::optional<ServerRequest> read_request(int fd, std::string& buffer) {
  std::size_t end;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (!fill(fd, buffer, buffer.size() + 1)) return std::nullopt;
    // TLS, by the type of its first record: answered as Go's server does.
    if (buffer[0] == '\x16') {
      send_all(fd, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
      return std::nullopt;
    }
  }
  ServerRequest request;
  std::string head = buffer.substr(0, end);
  buffer.erase(0, end + 4);
  bool first = true;
  for (std::string_view line : split(head, '\n')) {
    line = trim(line);
    if (first) {
      auto parts = split(line, ' ');
      require(parts.size() == 3);
      request.method = parts[0];
      request.target = parts[1];
      first = false;
    } else {
      auto colon = line.find(':');
      require(colon != std::string_view::npos);
      request.headers.add(line.substr(0, colon), trim(line.substr(colon + 1)));
    }
  }
  auto length = parse_number<std::size_t>(request.headers.get("Content-Length")).value_or(0);
  if (!fill(fd, buffer, length)) return std::nullopt;
  request.body = buffer.substr(0, length);
  buffer.erase(0, length);
  return request;
}

}  // namespace

HttpServer::HttpServer(Handler handler)
    : handler_(std::move(handler)), server_([this](int fd) { serve(fd); }) {}

Url HttpServer::url(std::string_view path) const {
  return Url::parse(cat("http://", authority(), path)).value();
}

std::vector<ServerRequest> HttpServer::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}

void HttpServer::serve(int fd) {
  std::string buffer;
  while (auto request = read_request(fd, buffer)) {
    {
      std::lock_guard lock(mutex_);
      requests_.push_back(*request);
    }
    if (!answer(fd, *request)) break;
  }
}

bool HttpServer::answer(int fd, const ServerRequest& request) {
  ServerReply reply;
  {
    std::lock_guard lock(handler_mutex_);
    reply = handler_(request);
  }
  if (reply.no_answer) return false;
  std::string head = cat("HTTP/1.1 ", reply.status, " Status\r\n");
  for (const auto& [name, value] : reply.headers.all()) head += cat(name, ": ", value, "\r\n");
  if (reply.status != 204 && reply.headers.get("Content-Length").empty()) {
    head += cat("Content-Length: ", reply.content_length.value_or(reply.body.size()), "\r\n");
  }
  std::string_view body = reply.body;
  if (request.method == "HEAD") body = {};
  bool cut = body.size() > reply.cut_after || reply.content_length > body.size();
  if (!send_all(fd, head + "\r\n") || !send_all(fd, body.substr(0, reply.cut_after))) return false;
  if (reply.hang) {
    char byte;
    while (::recv(fd, &byte, 1, 0) > 0) {
    }
    return false;
  }
  return request.method == "HEAD" || !cut;
}

}  // namespace dhow::registry::testing
