// SPDX-License-Identifier: Apache-2.0
#include "network/address.h"

#include <arpa/inet.h>
#include <vector>

#include "base/strings.h"

namespace dhow::network {
namespace {

template <typename Host>
std::optional<BasicAddress<Host>> with_bits(std::string_view text,
                                            std::optional<Host> (*parse)(std::string_view)) {
  std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  std::optional<Host> address = parse(text.substr(0, slash));
  auto bits = parse_number<int>(text.substr(slash + 1));
  if (!address || !bits || *bits < 0 || *bits > Host::kBits) return std::nullopt;
  return BasicAddress<Host>{*address, *bits};
}

template <typename Host>
std::optional<BasicSubnet<Host>> subnet_of(const std::optional<BasicAddress<Host>>& address) {
  if (!address) return std::nullopt;
  return address->subnet();
}

std::uint64_t ones(int count) {
  if (count <= 0) return 0;
  return count >= 64 ? ~std::uint64_t{0} : ~std::uint64_t{0} << (64 - count);
}

}  // namespace

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

std::string Ip6::bytes() const {
  std::string out;
  for (std::uint64_t half : {high, low}) {
    for (int shift = 56; shift >= 0; shift -= 8) {
      out.push_back(static_cast<char>(half >> shift & 255));
    }
  }
  return out;
}

std::string Ip6::text() const {
  char out[INET6_ADDRSTRLEN];
  std::string address = bytes();
  return ::inet_ntop(AF_INET6, address.data(), out, sizeof out);
}

std::optional<Ip6> parse_ip6(std::string_view text) {
  unsigned char bytes[16];
  // inet_pton would read no further than a NUL.
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  if (::inet_pton(AF_INET6, std::string(text).c_str(), bytes) != 1) return std::nullopt;
  Ip6 out;
  for (std::size_t i = 0; i < 8; ++i) {
    out.high = out.high << 8 | bytes[i];
    out.low = out.low << 8 | bytes[i + 8];
  }
  constexpr std::uint64_t kMapped = 0xffff;
  if (out.high == 0 && out.low >> 32 == kMapped) return std::nullopt;
  return out;
}

Ip6 Ip6::mask(int bits) { return {ones(bits), ones(bits - 64)}; }

std::optional<Address4> parse_address4(std::string_view text) { return with_bits(text, parse_ip4); }
std::optional<Address6> parse_address6(std::string_view text) { return with_bits(text, parse_ip6); }
std::optional<Subnet4> parse_subnet4(std::string_view text) {
  return subnet_of(parse_address4(text));
}
std::optional<Subnet6> parse_subnet6(std::string_view text) {
  return subnet_of(parse_address6(text));
}

std::string Ip::with_port(std::uint16_t port) const {
  return is_v6 ? cat("[", text(), "]:", port) : cat(text(), ":", port);
}

std::optional<Ip> parse_ip(std::string_view text) {
  if (auto address = parse_ip4(text)) return *address;
  if (auto address = parse_ip6(text)) return *address;
  return std::nullopt;
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
