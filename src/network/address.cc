// SPDX-License-Identifier: Apache-2.0
#include "network/address.h"

#include <vector>

#include "base/strings.h"

namespace dhow::network {

std::string Ip4::text() const {
  return cat(value >> 24, ".", value >> 16 & 255, ".", value >> 8 & 255, ".", value & 255);
}

std::string Ip4::bytes() const {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift & 255));
  }
  return out;
}

std::optional<Ip4> parse_ip4(std::string_view text) {
  std::vector<std::string_view> parts = split(text, '.');
  if (parts.size() != 4) return std::nullopt;
  Ip4 out;
  for (std::string_view part : parts) {
    auto number = parse_number<std::uint8_t>(part);
    if (!number || (part.size() > 1 && part.front() == '0')) return std::nullopt;
    out.value = out.value << 8 | *number;
  }
  return out;
}

std::string Subnet4::text() const { return cat(base.text(), "/", bits); }

Subnet4 Address4::subnet() const {
  Subnet4 out{address, bits};
  out.base.value &= out.mask();
  return out;
}

std::optional<Address4> parse_address4(std::string_view text) {
  std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto address = parse_ip4(text.substr(0, slash));
  auto bits = parse_number<int>(text.substr(slash + 1));
  if (!address || !bits || *bits < 0 || *bits > 32) return std::nullopt;
  return Address4{*address, *bits};
}

std::optional<Subnet4> parse_subnet4(std::string_view text) {
  auto address = parse_address4(text);
  if (!address) return std::nullopt;
  return address->subnet();
}

std::string mac_of(Ip4 address) {
  std::string digits = hex_text(address.bytes());
  std::string out = "02:42";
  for (std::size_t i = 0; i < digits.size(); i += 2) out += cat(":", digits.substr(i, 2));
  return out;
}

std::optional<std::string> parse_mac(std::string_view text) {
  std::vector<std::string_view> parts = split(text, ':');
  if (parts.size() != 6) return std::nullopt;
  std::string out;
  for (std::string_view part : parts) {
    auto number = parse_number<std::uint8_t>(part, 16);
    if (!number || part.size() != 2) return std::nullopt;
    out.push_back(static_cast<char>(*number));
  }
  // A group's address is nobody's.
  if ((out.front() & 1) != 0) return std::nullopt;
  return out;
}

}  // namespace dhow::network
