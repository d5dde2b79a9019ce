// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <algorithm>

#include "base/strings.h"

namespace dhow {
namespace {

bool is_lower_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

std::string with_hex(std::string_view prefix, std::span<const std::uint8_t> hash) {
  return cat(prefix, hex_text({reinterpret_cast<const char*>(hash.data()), hash.size()}));
}

}  // namespace

Result<Digest> Digest::parse(std::string_view text) {
  std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    return fail(Code::kInvalidArgument, cat("invalid digest ", quoted(text)));
  }
  std::string_view algorithm = text.substr(0, colon);
  std::string_view hex = text.substr(colon + 1);
  if (algorithm != "sha256" && algorithm != "sha512") {
    return fail(Code::kInvalidArgument,
                cat("unsupported algorithm in the digest ", quoted(text.substr(0, 256))));
  }
  std::size_t digits = algorithm == "sha256" ? 64 : 128;
  if (hex.size() != digits || !std::ranges::all_of(hex, is_lower_hex)) {
    return fail(Code::kInvalidArgument, cat("invalid digest ", quoted(text.substr(0, 256)), ": ",
                                            algorithm, " has ", digits, " lower-case digits"));
  }
  return Digest(std::string(text));
}

Digest Digest::from_sha256(std::span<const std::uint8_t, 32> hash) {
  return Digest(with_hex("sha256:", hash));
}

Digest Digest::from_sha512(std::span<const std::uint8_t, 64> hash) {
  return Digest(with_hex("sha512:", hash));
}

}  // namespace dhow
