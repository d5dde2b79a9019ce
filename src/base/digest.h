// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace dhow {

// The name of some content by its hash: "sha256:" and 64 hexadecimal digits, or "sha512:" and 128
// (image-spec, descriptor.md, "Digests"). Always valid, or empty when default-made. Holds no path
// separator, so it may be part of a file name.
class Digest {
 public:
  Digest() = default;
  // Anything but the two registered algorithms and lower-case digits of their length is
  // kInvalidArgument.
  static Result<Digest> parse(std::string_view text);
  static Digest from_sha256(std::span<const std::uint8_t, 32> hash);
  static Digest from_sha512(std::span<const std::uint8_t, 64> hash);

  bool empty() const { return text_.empty(); }
  const std::string& text() const { return text_; }
  // "sha256" or "sha512".
  std::string_view algorithm() const { return std::string_view(text_).substr(0, 6); }
  std::string_view hex() const { return std::string_view(text_).substr(empty() ? 0 : 7); }

  auto operator<=>(const Digest&) const = default;

 private:
  explicit Digest(std::string text) : text_(std::move(text)) {}

  std::string text_;
};

}  // namespace dhow
