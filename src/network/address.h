// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dhow::network {

// An IPv4 address. `value` is in the machine's byte order, so that addresses can be counted.
struct Ip4 {
  std::uint32_t value = 0;

  auto operator<=>(const Ip4&) const = default;
  std::string text() const;
  // As the kernel wants it: four bytes in the order of the network.
  std::string bytes() const;
  bool is_loopback() const { return value >> 24 == 127; }
  bool is_any() const { return value == 0; }
};

// "10.0.0.1": four decimal numbers without zeros in front; nullopt for everything else.
std::optional<Ip4> parse_ip4(std::string_view text);

// A subnet: an address and how many of its bits are the network's.
struct Subnet4 {
  Ip4 base;  // with no bits set behind those of the network
  int bits = 0;

  bool operator==(const Subnet4&) const = default;
  std::uint32_t mask() const { return bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits); }
  Ip4 last() const { return {base.value | ~mask()}; }
  bool contains(Ip4 address) const { return (address.value & mask()) == base.value; }
  bool contains(const Subnet4& other) const { return bits <= other.bits && contains(other.base); }
  bool overlaps(const Subnet4& other) const { return contains(other) || other.contains(*this); }
  std::string text() const;
};

// An address with the length of its network's part: "10.0.0.1/24".
struct Address4 {
  Ip4 address;
  int bits = 32;
  Subnet4 subnet() const;
};
std::optional<Address4> parse_address4(std::string_view text);
// As parse_address4; bits set behind the network's part are cleared.
std::optional<Subnet4> parse_subnet4(std::string_view text);

// "02:42:ac:11:00:02": what a container's interface has when nobody asks for another. Made from the
// address, so that neighbours that remember the address are right about a new container with it.
std::string mac_of(Ip4 address);
// The six bytes of "02:42:ac:11:00:02".
std::optional<std::string> parse_mac(std::string_view text);

}  // namespace dhow::network
