// SPDX-License-Identifier: Apache-2.0
// The expressions of rules, as the kernel reads them.
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

#include <net/if.h>

#include "network/nft.h"

namespace dhow::network::nft {
namespace {

// Of linux/netfilter.h.
constexpr std::int32_t kDrop = 0;
constexpr std::int32_t kAccept = 1;

// The registers of 4 bytes follow one another, so several of them hold a key of several parts.
constexpr std::uint32_t kFirst = NFT_REG32_00;
constexpr std::uint32_t kName = IFNAMSIZ / 4;  // registers that a name takes

// Offsets in the headers of IPv4, IPv6, TCP and the like.
constexpr std::uint32_t kAddressSource = 12;
constexpr std::uint32_t kAddressTarget = 16;
constexpr std::uint32_t kAddressSource6 = 8;
constexpr std::uint32_t kAddressTarget6 = 24;
constexpr std::uint32_t kPortTarget = 2;

std::string host_order(std::uint32_t value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// What an expression holds, to be put into a rule: a request without a header of its own.
NetlinkRequest expression() { return NetlinkRequest(0, 0); }

}  // namespace

Rule& Rule::meta(std::uint32_t key, std::uint32_t to) {
  NetlinkRequest data = expression();
  data.attribute_network_order(NFTA_META_KEY, key).attribute_network_order(NFTA_META_DREG, to);
  parts_.emplace_back("meta", std::move(data));
  return *this;
}

Rule& Rule::payload(std::uint32_t base, std::uint32_t offset, std::uint32_t size,
                    std::uint32_t to) {
  NetlinkRequest data = expression();
  data.attribute_network_order(NFTA_PAYLOAD_DREG, to);
  data.attribute_network_order(NFTA_PAYLOAD_BASE, base);
  data.attribute_network_order(NFTA_PAYLOAD_OFFSET, offset);
  data.attribute_network_order(NFTA_PAYLOAD_LEN, size);
  parts_.emplace_back("payload", std::move(data));
  return *this;
}

Rule& Rule::compare(std::string_view value, bool equal) {
  NetlinkRequest data = expression();
  data.attribute_network_order(NFTA_CMP_SREG, kFirst);
  data.attribute_network_order(NFTA_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
  write_value(data, NFTA_CMP_DATA, value);
  parts_.emplace_back("cmp", std::move(data));
  return *this;
}

Rule& Rule::lookup(std::string_view set, std::optional<std::uint32_t> to, bool inverted) {
  NetlinkRequest data = expression();
  data.attribute_text(NFTA_LOOKUP_SET, set);
  data.attribute_network_order(NFTA_LOOKUP_SREG, kFirst);
  if (to) data.attribute_network_order(NFTA_LOOKUP_DREG, *to);
  if (inverted) data.attribute_network_order(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
  parts_.emplace_back("lookup", std::move(data));
  return *this;
}

Rule& Rule::change_bits(std::uint32_t mask, std::uint32_t flipped) {
  NetlinkRequest data = expression();
  data.attribute_network_order(NFTA_BITWISE_SREG, kFirst);
  data.attribute_network_order(NFTA_BITWISE_DREG, kFirst);
  data.attribute_network_order(NFTA_BITWISE_LEN, sizeof mask);
  write_value(data, NFTA_BITWISE_MASK, host_order(mask));
  write_value(data, NFTA_BITWISE_XOR, host_order(flipped));
  parts_.emplace_back("bitwise", std::move(data));
  return *this;
}

Rule& Rule::connection(std::uint32_t key, std::uint32_t bits) {
  NetlinkRequest load = expression();
  load.attribute_network_order(NFTA_CT_KEY, key).attribute_network_order(NFTA_CT_DREG, kFirst);
  parts_.emplace_back("ct", std::move(load));
  return has_bits(bits, true);
}

Rule& Rule::has_bits(std::uint32_t bits, bool any) {
  return change_bits(bits, 0).compare(host_order(0), !any);
}

Rule& Rule::value(std::string_view bytes, std::uint32_t to) {
  NetlinkRequest data = expression();
  data.attribute_network_order(NFTA_IMMEDIATE_DREG, to);
  write_value(data, NFTA_IMMEDIATE_DATA, bytes);
  parts_.emplace_back("immediate", std::move(data));
  return *this;
}

Rule& Rule::set_meta(std::uint32_t key) {
  NetlinkRequest data = expression();
  data.attribute_network_order(NFTA_META_KEY, key).attribute_network_order(NFTA_META_SREG, kFirst);
  parts_.emplace_back("meta", std::move(data));
  return *this;
}

Rule& Rule::verdict(std::int32_t code, std::string_view chain) {
  NetlinkRequest data = expression();
  data.attribute_network_order(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
  std::size_t value = data.begin_nested(NFTA_IMMEDIATE_DATA);
  std::size_t verdict = data.begin_nested(NFTA_DATA_VERDICT);
  data.attribute_network_order(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
  if (!chain.empty()) data.attribute_text(NFTA_VERDICT_CHAIN, chain);
  data.end_nested(verdict);
  data.end_nested(value);
  parts_.emplace_back("immediate", std::move(data));
  return *this;
}

Rule& Rule::family(std::uint8_t family) {
  is_v6_ = family == kFamilyIpv6;
  char byte = static_cast<char>(family);
  return meta(NFT_META_NFPROTO, kFirst).compare({&byte, 1}, true);
}

Rule& Rule::ip4() { return family(kFamilyIpv4); }
Rule& Rule::ip6() { return family(kFamilyIpv6); }

std::uint32_t Rule::address_registers() const { return is_v6_ ? 4 : 1; }

Rule& Rule::name_in(Name which, std::string_view set, bool inverted) {
  meta(which == Name::kIncoming ? NFT_META_IIFNAME : NFT_META_OIFNAME, kFirst);
  return lookup(set, std::nullopt, inverted);
}

Rule& Rule::name_is(Name which, std::string_view name) {
  meta(which == Name::kIncoming ? NFT_META_IIFNAME : NFT_META_OIFNAME, kFirst);
  return compare(name_key(name), true);
}

Rule& Rule::names_in(std::string_view set) {
  meta(NFT_META_IIFNAME, kFirst).meta(NFT_META_OIFNAME, kFirst + kName);
  return lookup(set, std::nullopt, false);
}

Rule& Rule::addresses_in(std::string_view set) {
  std::uint32_t size = address_registers();
  payload(NFT_PAYLOAD_NETWORK_HEADER, is_v6_ ? kAddressSource6 : kAddressSource, size * 4, kFirst);
  payload(NFT_PAYLOAD_NETWORK_HEADER, is_v6_ ? kAddressTarget6 : kAddressTarget, size * 4,
          kFirst + size);
  return lookup(set, std::nullopt, false);
}

Rule& Rule::from_loopback() {
  constexpr char kLoopback = 127;
  return payload(NFT_PAYLOAD_NETWORK_HEADER, kAddressSource, 1, kFirst)
      .compare({&kLoopback, 1}, true);
}

Rule& Rule::to_loopback() {
  constexpr char kLoopback = 127;
  return payload(NFT_PAYLOAD_NETWORK_HEADER, kAddressTarget, 1, kFirst)
      .compare({&kLoopback, 1}, true);
}

Rule& Rule::not_to_loopback6() {
  std::string loopback(16, '\0');
  loopback.back() = 1;
  return payload(NFT_PAYLOAD_NETWORK_HEADER, kAddressTarget6, 16, kFirst).compare(loopback, false);
}

Rule& Rule::to_this_host() {
  NetlinkRequest data = expression();
  data.attribute_network_order(NFTA_FIB_DREG, kFirst);
  data.attribute_network_order(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
  data.attribute_network_order(NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
  parts_.emplace_back("fib", std::move(data));
  return compare(host_order(RTN_LOCAL), true);
}

Rule& Rule::established() {
  // NF_CT_STATE_BIT of both: bits are counted from 1.
  constexpr std::uint32_t kBits = 1U << (IP_CT_ESTABLISHED + 1) | 1U << (IP_CT_RELATED + 1);
  return connection(NFT_CT_STATE, kBits);
}

Rule& Rule::starts() { return connection(NFT_CT_STATE, 1U << (IP_CT_NEW + 1)); }

Rule& Rule::redirected() { return connection(NFT_CT_STATUS, IPS_DST_NAT); }

Rule& Rule::for_transparent_socket() {
  NetlinkRequest data = expression();
  data.attribute_network_order(NFTA_SOCKET_KEY, NFT_SOCKET_TRANSPARENT);
  data.attribute_network_order(NFTA_SOCKET_DREG, kFirst);
  parts_.emplace_back("socket", std::move(data));
  return compare(std::string(1, 1), true);
}

Rule& Rule::set_mark(std::uint32_t mark) {
  return value(host_order(mark), kFirst).set_meta(NFT_META_MARK);
}

Rule& Rule::is_marked(std::uint32_t bits) {
  return meta(NFT_META_MARK, kFirst).has_bits(bits, true);
}

Rule& Rule::is_unmarked(std::uint32_t bits) {
  return meta(NFT_META_MARK, kFirst).has_bits(bits, false);
}

Rule& Rule::add_to_mark(std::uint32_t bits) {
  return meta(NFT_META_MARK, kFirst).change_bits(~bits, bits).set_meta(NFT_META_MARK);
}

Rule& Rule::take_from_mark(std::uint32_t bits) {
  return meta(NFT_META_MARK, kFirst).change_bits(~bits, 0).set_meta(NFT_META_MARK);
}

Rule& Rule::count_as_unicast() {
  constexpr char kHost = 0;  // PACKET_HOST
  return value({&kHost, 1}, kFirst).set_meta(NFT_META_PKTTYPE);
}

Rule& Rule::duplicate(std::string_view neighbour, int index) {
  const auto interface = kFirst + static_cast<std::uint32_t>(neighbour.size() / 4);
  value(neighbour, kFirst).value(host_order(static_cast<std::uint32_t>(index)), interface);
  NetlinkRequest data = expression();
  data.attribute_network_order(NFTA_DUP_SREG_ADDR, kFirst);
  data.attribute_network_order(NFTA_DUP_SREG_DEV, interface);
  parts_.emplace_back("dup", std::move(data));
  return *this;
}

// To what the registers have.
Rule& Rule::nat(std::uint32_t type, bool with_port) {
  NetlinkRequest data = expression();
  data.attribute_network_order(NFTA_NAT_TYPE, type);
  data.attribute_network_order(NFTA_NAT_FAMILY, is_v6_ ? kFamilyIpv6 : kFamilyIpv4);
  data.attribute_network_order(NFTA_NAT_REG_ADDR_MIN, kFirst);
  if (with_port) {
    data.attribute_network_order(NFTA_NAT_REG_PROTO_MIN, kFirst + address_registers());
  }
  parts_.emplace_back("nat", std::move(data));
  return *this;
}

Rule& Rule::dnat(std::string_view map) {
  return lookup(map, kFirst, false).nat(NFT_NAT_DNAT, true);
}

Rule& Rule::snat_by_incoming(std::string_view map) {
  meta(NFT_META_IIFNAME, kFirst);
  return lookup(map, kFirst, false).nat(NFT_NAT_SNAT, false);
}

Rule& Rule::load_target() {
  std::uint32_t size = address_registers();
  payload(NFT_PAYLOAD_NETWORK_HEADER, is_v6_ ? kAddressTarget6 : kAddressTarget, size * 4, kFirst);
  meta(NFT_META_L4PROTO, kFirst + size);
  return payload(NFT_PAYLOAD_TRANSPORT_HEADER, kPortTarget, 2, kFirst + size + 1);
}

Rule& Rule::dnat_by_address(std::string_view map) { return load_target().dnat(map); }

Rule& Rule::target_in(std::string_view set) {
  return load_target().lookup(set, std::nullopt, false);
}

Rule& Rule::of_protocol(std::uint8_t protocol) {
  char byte = static_cast<char>(protocol);
  return meta(NFT_META_L4PROTO, kFirst).compare({&byte, 1}, true);
}

Rule& Rule::load_port() {
  meta(NFT_META_L4PROTO, kFirst);
  return payload(NFT_PAYLOAD_TRANSPORT_HEADER, kPortTarget, 2, kFirst + 1);
}

Rule& Rule::dnat_by_port(std::string_view map) { return load_port().dnat(map); }

// What it has is not looked at, but has to go somewhere.
Rule& Rule::address_in_map(std::string_view map) {
  return load_target().lookup(map, kFirst, false);
}
Rule& Rule::port_in_map(std::string_view map) { return load_port().lookup(map, kFirst, false); }

Rule& Rule::masquerade() {
  parts_.emplace_back("masq", expression());
  return *this;
}

Rule& Rule::accept() { return verdict(kAccept); }
Rule& Rule::drop() { return verdict(kDrop); }
Rule& Rule::jump(std::string_view chain) { return verdict(NFT_JUMP, chain); }

}  // namespace dhow::network::nft
