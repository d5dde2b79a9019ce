// SPDX-License-Identifier: Apache-2.0
#include "rpc/frame.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"

namespace dhow::rpc {
namespace {

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

void put_big_endian(char* to, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) *to++ = static_cast<char>(value >> shift & 0xff);
}

// How much of both parts the socket took: 0 when it takes nothing now.
Result<std::size_t> send_some(FdRef socket, std::string_view head, std::string_view body) {
  struct iovec parts[2] = {{const_cast<char*>(head.data()), head.size()},
                           {const_cast<char*>(body.data()), body.size()}};
  struct msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  while (true) {
    ssize_t sent = ::sendmsg(socket.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno == EAGAIN) return std::size_t{0};
    if (errno != EINTR) {
      return fail(Code::kUnavailable, cat("send to ttrpc peer: ", errno_text(errno)));
    }
  }
}

}  // namespace

void FrameReader::drop_used() {
  pending_.erase(0, used_);
  used_ = 0;
  if (pending_.empty()) std::string().swap(pending_);
}

void FrameReader::take(std::string_view bytes) {
  drop_used();
  pending_.append(bytes);
}

std::optional<Frame> FrameReader::next() {
  std::string_view rest = std::string_view(pending_).substr(used_);
  auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, rest.size()));
  skip_ -= skipped;
  used_ += skipped;
  rest.remove_prefix(skipped);
  if (rest.size() < kFrameHeaderSize) {
    drop_used();
    return std::nullopt;
  }
  std::uint32_t length = big_endian(rest);
  Frame frame;
  frame.stream = big_endian(rest.substr(4));
  frame.type = static_cast<FrameType>(rest[8]);
  frame.flags = static_cast<std::uint8_t>(rest[9]);
  frame.oversized = length > kMaxFrameData;
  if (frame.oversized) {
    skip_ = length;
    used_ += kFrameHeaderSize;
    return frame;
  }
  if (rest.size() < kFrameHeaderSize + length) {
    drop_used();
    return std::nullopt;
  }
  frame.data = rest.substr(kFrameHeaderSize, length);
  used_ += kFrameHeaderSize + length;
  return frame;
}

Status FrameWriter::send(FdRef socket, std::uint32_t stream, FrameType type,
                         std::string_view data) {
  if (data.size() > kMaxFrameData) {
    return fail(Code::kResourceExhausted,
                cat("message of ", data.size(), " bytes: ttrpc takes ", kMaxFrameData, " at most"));
  }
  char header[kFrameHeaderSize] = {};
  put_big_endian(header, static_cast<std::uint32_t>(data.size()));
  put_big_endian(header + 4, stream);
  header[8] = static_cast<char>(type);
  std::string_view head(header, sizeof header);
  std::size_t sent = 0;
  if (unsent() == 0) {
    TRY_ASSIGN(sent, send_some(socket, head, data));
  }
  std::size_t of_head = std::min(sent, head.size());
  kept_.append(head.substr(of_head)).append(data.substr(sent - of_head));
  return {};
}

Status FrameWriter::flush(FdRef socket) {
  while (unsent() > 0) {
    TRY_ASSIGN(std::size_t sent, send_some(socket, std::string_view(kept_).substr(used_), {}));
    if (sent == 0) return {};
    used_ += sent;
  }
  std::string().swap(kept_);
  used_ = 0;
  return {};
}

ReadEnd read_frames(FdRef socket, FrameReader& reader) {
  char buffer[4096];
  ssize_t got;
  do {
    got = ::recv(socket.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    reader.take({buffer, static_cast<std::size_t>(got)});
    return ReadEnd::kMore;
  }
  return got < 0 && errno == EAGAIN ? ReadEnd::kLater : ReadEnd::kClosed;
}

}  // namespace dhow::rpc
