// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "rpc/types.h"
#include "sys/fd.h"

// ttrpc on the wire (github.com/containerd/ttrpc, PROTOCOL.md): frames of a 10-byte header (length,
// stream id, type, flags; big-endian) and data; a request is one frame, and so is its response.
namespace dhow::rpc {

inline constexpr std::size_t kFrameHeaderSize = 10;
inline constexpr std::size_t kMaxFrameData = std::size_t{4} << 20;

enum class FrameType : std::uint8_t { kRequest = 1, kResponse = 2, kData = 3 };

// Flags of a request; 0 is a unary call.
inline constexpr std::uint8_t kFlagRemoteClosed = 1;  // the client sends no more
inline constexpr std::uint8_t kFlagRemoteOpen = 2;    // data frames follow

struct Frame {
  std::uint32_t stream = 0;
  FrameType type = FrameType::kRequest;  // as it came: it may be none of the three
  std::uint8_t flags = 0;
  std::string_view data = {};
  bool oversized = false;  // longer than the limit: its data is skipped
};

// Cuts what comes over a connection into frames. Holds no memory between frames.
class FrameReader {
 public:
  // Adds bytes as they came.
  void take(std::string_view bytes);
  // The next whole frame; its data is valid until the next call of either.
  std::optional<Frame> next();

 private:
  void drop_used();

  std::string pending_;
  std::size_t used_ = 0;    // bytes of pending_ that have been handed out
  std::uint64_t skip_ = 0;  // bytes of an oversized frame that are still to come
};

// Writes frames to a socket without ever blocking: what it doesn't take is kept.
class FrameWriter {
 public:
  // kResourceExhausted, with nothing sent, when the data is too long. Other errors: the connection
  // is of no more use.
  Status send(FdRef socket, std::uint32_t stream, FrameType type, std::string_view data);
  // Goes on with what is kept, when the socket takes more.
  Status flush(FdRef socket);
  std::size_t unsent() const { return kept_.size() - used_; }

 private:
  std::string kept_;
  std::size_t used_ = 0;
};

// What one non-blocking read gives; EINTR is retried.
enum class ReadEnd { kMore, kLater, kClosed };
ReadEnd read_frames(FdRef socket, FrameReader& reader);

struct KeyValue {
  std::string_view key;
  std::string_view value;
  void fields(Codec& codec) { codec(1, key)(2, value); }
};

// ttrpc.Request. Its texts are views of what it was decoded from.
struct Request {
  std::string_view service;  // "containerd.task.v2.Task"
  std::string_view method;   // "Kill"
  std::string_view payload;
  std::int64_t timeout_nano = 0;  // what is left of the caller's time; 0: no limit
  std::vector<KeyValue> metadata = {};
  void fields(Codec& codec) {
    codec(1, service)(2, method)(3, payload)(4, timeout_nano)(5, metadata);
  }
};

// The key under which containerd sends the namespace of a call.
inline constexpr std::string_view kNamespaceKey = "containerd-namespace-ttrpc";

// ttrpc.Response.
struct Response {
  std::optional<CallStatus> status = {};
  std::string_view payload = {};
  void fields(Codec& codec) { codec(1, status)(2, payload); }
};

}  // namespace dhow::rpc
