// SPDX-License-Identifier: Apache-2.0
// Apart from other addresses, as a digest needs a library that not every program has.
#include "base/hasher.h"
#include "base/strings.h"
#include "network/address.h"

namespace dhow::network {
namespace {

std::string mac_text(std::string_view digits) {
  std::string out = "02:42";
  for (std::size_t i = 0; i < digits.size(); i += 2) out += cat(":", digits.substr(i, 2));
  return out;
}

}  // namespace

std::string mac_of(Ip4 address) { return mac_text(hex_text(address.bytes())); }

std::string mac_of(Ip6 address) {
  constexpr std::size_t kDigits = 8;
  return mac_text(digest_of(address.bytes()).hex().substr(0, kDigits));
}

}  // namespace dhow::network
