// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dhow::api::docker {

// The bytes of keys as docker writes them: "ctrl-p,ctrl-q", "a,ctrl-[". None for what is no list of
// keys.
std::optional<std::string> parse_detach_keys(std::string_view text);

// Finds a sequence of bytes in a stream that comes in pieces.
class DetachMatcher {
 public:
  explicit DetachMatcher(std::string keys) : keys_(std::move(keys)) {}

  // Appends to `out` what is to be passed on; the beginning of the sequence is held back until the
  // next bytes tell. True: the sequence was there, and the rest is dropped.
  bool filter(std::string_view in, std::string& out);

 private:
  const std::string keys_;
  std::size_t matched_ = 0;
};

}  // namespace dhow::api::docker
