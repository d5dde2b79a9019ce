// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/docker/exchange.h"
#include "engine/container_types.h"

namespace dhow::api::docker {

inline constexpr std::string_view kRawStream = "application/vnd.docker.raw-stream";
inline constexpr std::string_view kMultiplexedStream = "application/vnd.docker.multiplexed-stream";

// The streams of docker's frames.
enum class FrameStream : std::uint8_t { kInput = 0, kOutput = 1, kError = 2, kFault = 3 };

// Appends one frame: the stream's number, three zeros, the length (big endian), the bytes.
void append_frame(std::string& out, FrameStream stream, std::string_view payload);

// Sends records of a log as docker does. Borrows the exchange.
class LogStream {
 public:
  struct Options {
    bool framed = true;
    bool timestamps = false;
    bool details = false;
    bool at_once = false;  // each record as it comes; else many together
  };
  LogStream(Exchange& exchange, const Options& options) : exchange_(exchange), options_(options) {}

  Status write(const engine::LogRecord& record);
  // What went wrong, in the stream itself.
  Status write_fault(std::string_view text);
  Status flush();

 private:
  Exchange& exchange_;
  const Options options_;
  std::string pending_;
};

// A time with all nine digits of its fraction, so that lines are aligned.
std::string log_time(std::int64_t nanoseconds);

}  // namespace dhow::api::docker
