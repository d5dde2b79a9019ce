// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/dbus_connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::cgroup {
namespace {

constexpr std::int64_t kLimitNs = 30'000'000'000;
constexpr std::size_t kMaxSignals = 1024;

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

Code code_of_error(std::string_view name) {
  if (name.ends_with(".NoSuchUnit") || name.ends_with(".ServiceUnknown")) return Code::kNotFound;
  if (name.ends_with(".UnitExists")) return Code::kAlreadyExists;
  if (name.ends_with(".AccessDenied") || name.ends_with(".InteractiveAuthorizationRequired")) {
    return Code::kPermissionDenied;
  }
  if (name.ends_with(".InvalidArgs") || name.ends_with(".PropertyReadOnly")) {
    return Code::kInvalidArgument;
  }
  if (name.ends_with(".UnknownMethod") || name.ends_with(".UnknownProperty")) {
    return Code::kUnimplemented;
  }
  return Code::kUnknown;
}

std::unexpected<Error> error_reply(const DbusMessage& reply) {
  std::string text;
  if (!reply.body.empty() && reply.body[0].as_string() != nullptr) {
    text = *reply.body[0].as_string();
  }
  return fail(code_of_error(reply.error_name), cat(text, " (", reply.error_name, ")"));
}

}  // namespace

std::uint32_t outside_uid() {
  std::uint32_t inside = ::geteuid();
  auto map = read_file("/proc/self/uid_map");
  if (!map) return inside;
  for (std::string_view line : split(*map, '\n')) {
    std::array<std::uint32_t, 3> numbers{};
    std::size_t count = 0;
    for (std::string_view field : split(line, ' ')) {
      auto number = parse_number<std::uint32_t>(field);
      if (number && count < numbers.size()) numbers[count++] = *number;
    }
    if (count == 3 && inside >= numbers[0] && inside - numbers[0] < numbers[2]) {
      return numbers[1] + (inside - numbers[0]);
    }
  }
  return inside;
}

std::vector<std::string> parse_bus_address(std::string_view address) {
  std::vector<std::string> found;
  for (std::string_view one : split(address, ';')) {
    constexpr std::string_view kTransport = "unix:";
    if (!one.starts_with(kTransport)) continue;
    for (std::string_view pair : split(one.substr(kTransport.size()), ',')) {
      std::size_t equals = pair.find('=');
      if (equals == std::string_view::npos) continue;
      std::string_view key = pair.substr(0, equals);
      if (key != "path" && key != "abstract") continue;
      std::string value = key == "abstract" ? "@" : "";
      std::string_view text = pair.substr(equals + 1);
      for (std::size_t i = 0; i < text.size(); ++i) {
        auto byte = text[i] == '%' ? parse_number<std::uint8_t>(text.substr(i + 1, 2), 16)
                                   : std::optional<std::uint8_t>();
        value.push_back(byte ? static_cast<char>(*byte) : text[i]);
        if (byte) i += 2;
      }
      found.push_back(std::move(value));
    }
  }
  return found;
}

Result<DbusConnection> DbusConnection::open(Fd socket, Kind kind, std::uint32_t uid) {
  DbusConnection connection(std::move(socket), kind);
  TRY_CONTEXT(connection.authenticate(uid), "authenticate to D-Bus");
  if (kind == Kind::kBus) {
    DbusMessage hello;
    hello.destination = "org.freedesktop.DBus";
    hello.path = "/org/freedesktop/DBus";
    hello.interface = "org.freedesktop.DBus";
    hello.member = "Hello";
    TRY_CONTEXT(connection.call(std::move(hello)), "say hello to D-Bus");
  }
  return connection;
}

Status DbusConnection::authenticate(std::uint32_t uid) {
  // The zero byte carries the credentials on systems that send them so; everybody wants it. BEGIN
  // goes along, as the one answer that is acceptable is OK.
  std::string request(1, '\0');
  request += cat("AUTH EXTERNAL ", hex_text(cat(uid)), "\r\nBEGIN\r\n");
  TRY(write(request));
  TRY_ASSIGN(std::string line, read_line(now_ns() + kLimitNs));
  if (line.starts_with("OK")) return {};
  return fail(Code::kPermissionDenied, cat("rejected: ", quoted(line)));
}

Status DbusConnection::write(std::string_view data) {
  while (!data.empty()) {
    ssize_t put = ::send(socket_.get(), data.data(), data.size(), MSG_NOSIGNAL);
    if (put < 0) {
      if (errno == EINTR) continue;
      return fail_errno(errno, "send to D-Bus");
    }
    data.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Status DbusConnection::fill(std::int64_t deadline_ns) {
  while (true) {
    std::int64_t left = (deadline_ns - now_ns()) / 1'000'000;
    if (left <= 0) return fail(Code::kDeadlineExceeded, "wait for D-Bus: timed out");
    pollfd waited{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    int ready = ::poll(&waited, 1, static_cast<int>(left));
    if (ready < 0 && errno != EINTR) return fail_errno(errno, "wait for D-Bus");
    if (ready <= 0) continue;
    std::array<char, 4096> chunk{};
    ssize_t got = ::recv(socket_.get(), chunk.data(), chunk.size(), 0);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return fail_errno(errno, "receive from D-Bus");
    if (got == 0) return fail(Code::kUnavailable, "receive from D-Bus: connection closed");
    buffer_.append(chunk.data(), static_cast<std::size_t>(got));
    return {};
  }
}

Result<std::string> DbusConnection::read_line(std::int64_t deadline_ns) {
  constexpr std::size_t kMaxLine = 16'384;
  while (true) {
    std::size_t end = buffer_.find("\r\n");
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 2);
      return line;
    }
    if (buffer_.size() > kMaxLine) return fail(Code::kInvalidArgument, "line too long");
    TRY(fill(deadline_ns));
  }
}

Result<DbusMessage> DbusConnection::receive(std::int64_t deadline_ns) {
  while (true) {
    TRY_ASSIGN(std::size_t length, message_length(buffer_));
    if (length != 0 && buffer_.size() >= length) {
      auto message = decode_message(std::string_view(buffer_).substr(0, length));
      buffer_.erase(0, length);
      return message;
    }
    TRY(fill(deadline_ns));
  }
}

Status DbusConnection::send(DbusMessage message) {
  message.serial = ++last_serial_;
  message.no_reply = true;
  return write(encode_message(message));
}

Result<DbusMessage> DbusConnection::call(DbusMessage message) {
  message.serial = ++last_serial_;
  TRY(write(encode_message(message)));
  std::int64_t deadline = now_ns() + kLimitNs;
  while (true) {
    TRY_ASSIGN(DbusMessage got, receive(deadline));
    if (got.type == DbusMessageType::kSignal) {
      if (signals_.size() == kMaxSignals) signals_.pop_front();
      signals_.push_back(std::move(got));
    } else if (got.reply_serial == message.serial) {
      if (got.type == DbusMessageType::kError) return error_reply(got);
      return got;
    }
  }
}

Result<DbusMessage> DbusConnection::wait_signal(
    const std::function<bool(const DbusMessage&)>& wanted) {
  while (!signals_.empty()) {
    DbusMessage kept = std::move(signals_.front());
    signals_.pop_front();
    if (wanted(kept)) return kept;
  }
  std::int64_t deadline = now_ns() + kLimitNs;
  while (true) {
    TRY_ASSIGN(DbusMessage got, receive(deadline));
    if (got.type == DbusMessageType::kSignal && wanted(got)) return got;
  }
}

}  // namespace dhow::cgroup
