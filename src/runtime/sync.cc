// SPDX-License-Identifier: Apache-2.0
#include "runtime/sync.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>

#include "base/strings.h"

namespace dhow::runtime {
namespace {

struct Header {
  MessageType type;
  std::int32_t number;
  Code code;
};

// Longer error texts are cut: the reader's buffer has this size.
constexpr std::size_t kMaxText = 16384;

Status send_packet(FdRef socket, const Header& header, std::string_view text) {
  char packet[sizeof header + kMaxText];
  if (text.size() > kMaxText) text = text.substr(0, kMaxText);
  std::memcpy(packet, &header, sizeof header);
  std::ranges::copy(text, packet + sizeof header);
  while (::write(socket.get(), packet, sizeof header + text.size()) < 0) {
    if (errno != EINTR) return fail_errno(errno, "write to sync socket");
  }
  return {};
}

}  // namespace

Status send_sync_error(FdRef socket, const Error& error) {
  return send_packet(socket, {MessageType::kError, error.sys_errno(), error.code()},
                     error.message());
}

void SyncSink::write(log::Level level, std::string_view message) {
  // A runtime that is gone reads no log.
  std::ignore = send_packet(
      socket_, {MessageType::kLog, static_cast<std::int32_t>(level), Code::kUnknown}, message);
}

namespace {

Result<SyncMessage> receive_packet(FdRef socket) {
  char packet[sizeof(Header) + kMaxText];
  ssize_t size;
  do {
    size = ::read(socket.get(), packet, sizeof packet);
  } while (size < 0 && errno == EINTR);
  if (size < 0 && errno != ECONNRESET) return fail_errno(errno, "read from sync socket");
  SyncMessage message;
  if (size <= 0) return message;
  Header header{};
  if (static_cast<std::size_t>(size) < sizeof header) {
    return fail(Code::kInternal, "read from sync socket: short message");
  }
  std::memcpy(&header, packet, sizeof header);
  message.type = header.type;
  message.number = header.number;
  message.code = header.code;
  message.text.assign(packet + sizeof header, static_cast<std::size_t>(size) - sizeof header);
  return message;
}

}  // namespace

Result<SyncMessage> receive_sync(FdRef socket) {
  while (true) {
    auto message = receive_packet(socket);
    if (!message || message->type != MessageType::kLog) return message;
    log::write(static_cast<log::Level>(message->number), message->text);
  }
}

Status send_sync(FdRef socket, MessageType type, std::int32_t number) {
  auto sent = send_packet(socket, {type, number, Code::kUnknown}, {});
  if (sent || sent.error().sys_errno() != EPIPE) return sent;
  // The other side has ended, and may have said why: then that is there already.
  struct pollfd entry = {socket.get(), POLLIN, 0};
  while (true) {
    if (::poll(&entry, 1, 0) <= 0) return sent;
    auto message = receive_sync(socket);
    if (!message || message->type == MessageType::kEnd) return sent;
    if (message->type == MessageType::kError) {
      return fail(Error(message->code, message->number, message->text));
    }
  }
}

Result<SyncMessage> expect_sync(FdRef socket, MessageType type, std::string_view doing) {
  TRY_ASSIGN(SyncMessage message, receive_sync(socket));
  if (message.type == type) return message;
  if (message.type == MessageType::kError) {
    return fail(Error(message.code, message.number, message.text));
  }
  if (message.type == MessageType::kEnd) {
    return fail(Code::kInternal, cat(doing, ": the process ended without a word"));
  }
  return fail(Code::kInternal,
              cat(doing, ": unexpected message ", static_cast<std::int32_t>(message.type)));
}

Result<SyncMessage> expect_sync_of(const PidFd& process, FdRef socket, MessageType type,
                                   std::string_view doing) {
  struct pollfd entries[2] = {{socket.get(), POLLIN, 0}, {process.fd().get(), POLLIN, 0}};
  while (::poll(entries, 2, -1) < 0) {
    if (errno != EINTR) return fail_errno(errno, "wait for sync socket");
  }
  // What it said before its end is seen first, though not always by the same poll.
  if (entries[0].revents == 0) std::ignore = ::poll(entries, 1, 0);
  if (entries[0].revents != 0) return expect_sync(socket, type, doing);
  return fail(Code::kInternal, cat(doing, ": the process ended without a word"));
}

}  // namespace dhow::runtime
