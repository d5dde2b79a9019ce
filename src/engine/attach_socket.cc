// SPDX-License-Identifier: Apache-2.0
#include "engine/attach_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <cerrno>

#include "base/strings.h"
#include "oci/json.h"
#include "oci/json_value.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::engine {
namespace {

constexpr std::size_t kMaxAnswer = 4096;
// What a shim is given to take the request and to answer: it does nothing else for that.
constexpr struct timeval kPatience = {10, 0};

constexpr std::string_view kHangs = "its shim does not answer an attach";

Status limit_reading(FdRef socket, struct timeval limit) {
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0) return {};
  return fail_errno(errno, "limit the time of an attach");
}

// Connected, and blocking. A backlog is full of those who ask a shim that hangs.
Result<Fd> connect_at_once(const std::string& path) {
  auto socket = connect_unix(kCwd, path, SOCK_STREAM | SOCK_NONBLOCK);
  if (!socket && socket.error().sys_errno() == EAGAIN)
    return fail(Code::kDeadlineExceeded, std::string(kHangs));
  if (!socket) return socket;
  if (::fcntl(socket->get(), F_SETFL, 0) != 0) return fail_errno(errno, "make a socket block");
  return socket;
}

// A byte at a time: what comes after the line is for somebody else.
Result<std::string> read_line(FdRef socket) {
  std::string line;
  while (line.size() < kMaxAnswer) {
    char c = 0;
    TRY_ASSIGN(std::size_t got, read_some(socket, {&c, 1}));
    if (got == 0) return fail(Code::kUnavailable, "the shim closed the attach socket");
    if (c == '\n') return line;
    line.push_back(c);
  }
  return fail(Code::kDataLoss, "the shim's answer to an attach is too long");
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/:";
  std::string out;
  for (char c : text) {
    if (kPlain.find(c) != std::string_view::npos) {
      out.push_back(c);
    } else {
      constexpr std::string_view kDigits = "0123456789ABCDEF";
      auto byte = static_cast<unsigned char>(c);
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

}  // namespace

Result<Fd> connect_attach(const std::string& path, const AttachOptions& options) {
  TRY_ASSIGN(Fd socket, connect_at_once(path));
  TRY(limit_reading(socket, kPatience));
  oci::JsonWriter request;
  request.begin_object();
  request.member_boolean("stdin", options.standard_input);
  request.member_boolean("stdout", options.standard_output);
  request.member_boolean("stderr", options.standard_error);
  request.member_boolean("framed", options.framed);
  request.end_object();
  TRY(send_message(socket, request.text() + "\n"));
  auto answer = read_line(socket);
  if (!answer && answer.error().sys_errno() == EAGAIN)
    return fail(Code::kDeadlineExceeded, std::string(kHangs));
  if (!answer) return std::unexpected(std::move(answer).error());
  TRY(limit_reading(socket, {}));
  TRY_ASSIGN(oci::JsonDocument document, oci::JsonDocument::parse(*answer));
  if (auto error = document.root().find("error").as_string()) {
    return fail(Code::kFailedPrecondition, cat("attach: ", *error));
  }
  return socket;
}

std::string io_uri(const std::string& socket, const TextMap& query) {
  std::string uri = cat("dhow-io://", percent_encoded(socket));
  char separator = '?';
  for (const auto& [key, value] : query) {
    uri += cat(separator, percent_encoded(key), "=", percent_encoded(value));
    separator = '&';
  }
  return uri;
}

task::Streams foreign_streams(const std::string& program, const std::string& socket, TextMap query,
                              bool terminal, bool input) {
  task::Streams streams;
  streams.terminal = terminal;
  if (terminal) query["terminal"] = "1";
  if (terminal && input) {
    streams.in = socket + ".stdin";
    query["stdin-fifo"] = streams.in;
  }
  streams.out = cat("binary://", program, "?io=", percent_encoded(io_uri(socket, query)));
  return streams;
}

Status make_input_fifo(const std::string& path) {
  if (::mkfifo(path.c_str(), 0600) == 0) return {};
  return fail_errno(errno, cat("make fifo ", quoted(path)));
}

}  // namespace dhow::engine
