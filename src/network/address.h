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
  // The one behind it; behind the last comes the first.
  Ip4 next() const { return {value + 1}; }

  static constexpr int kBits = 32;
  // That of a network with so many bits.
  static Ip4 mask(int bits) { return {bits == 0 ? 0 : ~std::uint32_t{0} << (kBits - bits)}; }
  Ip4 operator&(Ip4 other) const { return {value & other.value}; }
  Ip4 operator|(Ip4 other) const { return {value | other.value}; }
  Ip4 operator~() const { return {~value}; }
};

// "10.0.0.1": four decimal numbers without zeros in front; nullopt for everything else.
std::optional<Ip4> parse_ip4(std::string_view text);

// An IPv6 address, in the machine's byte order, so that addresses can be counted.
struct Ip6 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  auto operator<=>(const Ip6&) const = default;
  // As RFC 5952 has it: "fd00::1".
  std::string text() const;
  // Sixteen bytes in the order of the network.
  std::string bytes() const;
  bool is_any() const { return high == 0 && low == 0; }
  bool is_loopback() const { return high == 0 && low == 1; }
  // fe80::/10.
  bool is_link_local() const { return high >> 54 == 0x3fa; }
  // The one behind it; behind the last comes the first.
  Ip6 next() const { return {high + (low + 1 == 0 ? 1 : 0), low + 1}; }

  static constexpr int kBits = 128;
  static Ip6 mask(int bits);
  Ip6 operator&(const Ip6& other) const { return {high & other.high, low & other.low}; }
  Ip6 operator|(const Ip6& other) const { return {high | other.high, low | other.low}; }
  Ip6 operator~() const { return {~high, ~low}; }
};

// "fd00::1". None for everything else: not with a zone, and not an IPv4 address in the form of one.
std::optional<Ip6> parse_ip6(std::string_view text);

// A subnet: an address and how many of its bits are the network's.
template <typename Host>
struct BasicSubnet {
  Host base;  // with no bits set behind those of the network
  int bits = 0;

  bool operator==(const BasicSubnet&) const = default;
  Host last() const { return base | ~Host::mask(bits); }
  bool contains(const Host& address) const { return (address & Host::mask(bits)) == base; }
  bool contains(const BasicSubnet& other) const {
    return bits <= other.bits && contains(other.base);
  }
  bool overlaps(const BasicSubnet& other) const { return contains(other) || other.contains(*this); }
  std::string text() const { return base.text() + "/" + std::to_string(bits); }
};
using Subnet4 = BasicSubnet<Ip4>;
using Subnet6 = BasicSubnet<Ip6>;

// An address with the length of its network's part: "10.0.0.1/24".
template <typename Host>
struct BasicAddress {
  Host address;
  int bits = Host::kBits;
  BasicSubnet<Host> subnet() const { return {address & Host::mask(bits), bits}; }
};
using Address4 = BasicAddress<Ip4>;
using Address6 = BasicAddress<Ip6>;
std::optional<Address4> parse_address4(std::string_view text);
std::optional<Address6> parse_address6(std::string_view text);
// As the two above; bits set behind the network's part are cleared.
std::optional<Subnet4> parse_subnet4(std::string_view text);
std::optional<Subnet6> parse_subnet6(std::string_view text);

// A longer prefix has no room for a gateway and a container.
constexpr int kSmallestSubnet4 = 30;
constexpr int kSmallestSubnet6 = 126;

// An address of either family.
struct Ip {
  bool is_v6 = false;
  Ip4 v4;
  Ip6 v6;

  Ip() = default;
  Ip(Ip4 address) : v4(address) {}
  Ip(Ip6 address) : is_v6(true), v6(address) {}
  auto operator<=>(const Ip&) const = default;
  std::string text() const { return is_v6 ? v6.text() : v4.text(); }
  std::string bytes() const { return is_v6 ? v6.bytes() : v4.bytes(); }
  bool is_any() const { return v4.is_any() && v6.is_any(); }
  // "10.0.0.1:80", "[fd00::1]:80".
  std::string with_port(std::uint16_t port) const;
};
std::optional<Ip> parse_ip(std::string_view text);

// An address of either family with the length of its network's part.
struct Address {
  Ip address;
  int bits = 0;

  Address(Ip wanted, int length) : address(wanted), bits(length) {}
  Address(const Address4& other) : address(other.address), bits(other.bits) {}
};

// "02:42:ac:11:00:02": what a container's interface has when nobody asks for another. Made from the
// address, so that neighbours that remember the address are right about a new container with it.
std::string mac_of(Ip4 address);
// For one that has no IPv4 address; from a digest, as an address of IPv6 is longer.
std::string mac_of(Ip6 address);
// The six bytes of "02:42:ac:11:00:02".
std::optional<std::string> parse_mac(std::string_view text);

}  // namespace dhow::network
