// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace dhow::client {

enum class StreamKind : std::uint8_t { kInput = 0, kOutput = 1, kError = 2, kSystemError = 3 };

// Takes Docker's multiplexed streams apart: frames of eight bytes (stream, three zeros, length in
// big endian) and their data. Keeps a header that has come in part, never data.
class FrameReader {
 public:
  using Sink = std::function<Status(StreamKind, std::string_view)>;

  // Hands each piece of data on as it comes: a frame may take several calls. A stream that there is
  // none of is kDataLoss.
  Status feed(std::string_view bytes, const Sink& sink);
  // Whether the bytes so far end with a whole frame.
  bool at_boundary() const { return left_ == 0 && header_.empty(); }

 private:
  std::string header_;
  StreamKind kind_ = StreamKind::kOutput;
  std::uint32_t left_ = 0;
};

// Cuts a stream of JSON objects, with or without lines between them, into one text an object.
class JsonStream {
 public:
  // Most bytes of one object; a longer one is an error.
  static constexpr std::size_t kLimit = std::size_t{16} << 20;

  // The sink gets each object that is complete; its error ends the call. kDataLoss for what is no
  // object.
  Status feed(std::string_view bytes, const std::function<Status(std::string_view)>& sink);

 private:
  std::string pending_;
  std::size_t scanned_ = 0;
  int depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace dhow::client
