// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "api/docker/http_types.h"
#include "base/result.h"

namespace dhow::api::docker {

// The most that the first line and the headers of a request may take. Bytes.
inline constexpr std::size_t kMaxHead = std::size_t{64} << 10;

// Reads one HTTP/1 request from bytes as they come (RFC 9112; Beast), without input of its own.
// A fault is kInvalidArgument; a head that is too long kOutOfRange.
class RequestParser {
 public:
  RequestParser();
  ~RequestParser();
  RequestParser(RequestParser&&) noexcept;
  RequestParser& operator=(RequestParser&&) noexcept;

  // Takes from the front of what has come and not been taken, and tells how much; what is left is
  // to be offered again, with more behind it.
  Result<std::size_t> feed_head(std::string_view data);
  bool head_done() const;
  // Once, when the head is done.
  RequestHead head() const;

  struct Taken {
    std::size_t taken = 0;     // of the input
    std::size_t produced = 0;  // bytes of the body, in `out`
  };
  // Takes bytes of the body, without the framing of chunks.
  Result<Taken> feed_body(std::string_view data, std::span<char> out);
  bool body_done() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dhow::api::docker
