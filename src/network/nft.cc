// SPDX-License-Identifier: Apache-2.0
#include "network/nft.h"

#include <endian.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <cerrno>
#include <net/if.h>

#include "base/strings.h"

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

// In the order of the network.
std::string handle_bytes(std::uint64_t handle) {
  std::uint64_t value = htobe64(handle);
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

void add_value(NetlinkRequest& request, std::uint16_t type, std::string_view value) {
  std::size_t data = request.begin_nested(type);
  request.attribute(NFTA_DATA_VALUE, value);
  request.end_nested(data);
}

void write_elements(NetlinkRequest& request, const std::vector<Element>& elements) {
  std::size_t list = request.begin_nested(NFTA_SET_ELEM_LIST_ELEMENTS);
  for (const Element& element : elements) {
    std::size_t one = request.begin_nested(NFTA_LIST_ELEM);
    add_value(request, NFTA_SET_ELEM_KEY, element.key);
    if (!element.data.empty()) add_value(request, NFTA_SET_ELEM_DATA, element.data);
    request.end_nested(one);
  }
  request.end_nested(list);
}

// A nested list is at most 64 KiB long.
constexpr std::size_t kElementsAtOnce = 512;

template <typename Each>
void in_parts(const std::vector<Element>& elements, Each each) {
  for (std::size_t at = 0; at < elements.size(); at += kElementsAtOnce) {
    auto begin = elements.begin() + static_cast<std::ptrdiff_t>(at);
    std::size_t count = std::min(kElementsAtOnce, elements.size() - at);
    each(std::vector<Element>(begin, begin + static_cast<std::ptrdiff_t>(count)));
  }
}

}  // namespace

// ---- rules ----

namespace {

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
  add_value(data, NFTA_CMP_DATA, value);
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

Rule& Rule::connection(std::uint32_t key, std::uint32_t bits) {
  NetlinkRequest load = expression();
  load.attribute_network_order(NFTA_CT_KEY, key).attribute_network_order(NFTA_CT_DREG, kFirst);
  parts_.emplace_back("ct", std::move(load));
  NetlinkRequest data = expression();
  data.attribute_network_order(NFTA_BITWISE_SREG, kFirst);
  data.attribute_network_order(NFTA_BITWISE_DREG, kFirst);
  data.attribute_network_order(NFTA_BITWISE_LEN, sizeof bits);
  add_value(data, NFTA_BITWISE_MASK, host_order(bits));
  add_value(data, NFTA_BITWISE_XOR, host_order(0));
  parts_.emplace_back("bitwise", std::move(data));
  return compare(host_order(0), false);
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

Rule& Rule::redirected() { return connection(NFT_CT_STATUS, IPS_DST_NAT); }

Rule& Rule::for_transparent_socket() {
  NetlinkRequest data = expression();
  data.attribute_network_order(NFTA_SOCKET_KEY, NFT_SOCKET_TRANSPARENT);
  data.attribute_network_order(NFTA_SOCKET_DREG, kFirst);
  parts_.emplace_back("socket", std::move(data));
  return compare(std::string(1, 1), true);
}

Rule& Rule::set_mark(std::uint32_t mark) {
  NetlinkRequest value = expression();
  value.attribute_network_order(NFTA_IMMEDIATE_DREG, kFirst);
  add_value(value, NFTA_IMMEDIATE_DATA, host_order(mark));
  parts_.emplace_back("immediate", std::move(value));
  NetlinkRequest data = expression();
  data.attribute_network_order(NFTA_META_KEY, NFT_META_MARK);
  data.attribute_network_order(NFTA_META_SREG, kFirst);
  parts_.emplace_back("meta", std::move(data));
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

Rule& Rule::dnat_by_port(std::string_view map) {
  meta(NFT_META_L4PROTO, kFirst);
  payload(NFT_PAYLOAD_TRANSPORT_HEADER, kPortTarget, 2, kFirst + 1);
  return dnat(map);
}

Rule& Rule::masquerade() {
  parts_.emplace_back("masq", expression());
  return *this;
}

Rule& Rule::accept() { return verdict(kAccept); }
Rule& Rule::drop() { return verdict(kDrop); }
Rule& Rule::jump(std::string_view chain) { return verdict(NFT_JUMP, chain); }

// ---- batches ----

NetlinkRequest Batch::message(std::uint32_t type, std::uint16_t flags) const {
  return nfnetlink_request(NFNL_SUBSYS_NFTABLES, type, flags, family_);
}

void Batch::add_table() {
  NetlinkRequest request = message(NFT_MSG_NEWTABLE, NLM_F_CREATE);
  request.attribute_text(NFTA_TABLE_NAME, table_);
  requests_.push_back(std::move(request));
}

void Batch::remove_table() {
  NetlinkRequest request = message(NFT_MSG_DELTABLE, 0);
  request.attribute_text(NFTA_TABLE_NAME, table_);
  requests_.push_back(std::move(request));
}

void Batch::add_chain(const Chain& chain) {
  NetlinkRequest request = message(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
  request.attribute_text(NFTA_CHAIN_TABLE, table_).attribute_text(NFTA_CHAIN_NAME, chain.name);
  if (chain.type != nullptr) {
    std::size_t hook = request.begin_nested(NFTA_CHAIN_HOOK);
    request.attribute_network_order(NFTA_HOOK_HOOKNUM, static_cast<std::uint32_t>(chain.hook));
    request.attribute_network_order(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(chain.priority));
    request.end_nested(hook);
    request.attribute_network_order(NFTA_CHAIN_POLICY, kAccept);
    request.attribute_text(NFTA_CHAIN_TYPE, chain.type);
  }
  requests_.push_back(std::move(request));
}

void Batch::add_set(const Set& set) {
  NetlinkRequest request = message(NFT_MSG_NEWSET, NLM_F_CREATE);
  request.attribute_text(NFTA_SET_TABLE, table_).attribute_text(NFTA_SET_NAME, set.name);
  request.attribute_network_order(NFTA_SET_FLAGS, set.data_size != 0 ? NFT_SET_MAP : 0);
  request.attribute_network_order(NFTA_SET_KEY_TYPE, set.key_type);
  request.attribute_network_order(NFTA_SET_KEY_LEN, set.key_size);
  if (set.data_size != 0) {
    request.attribute_network_order(NFTA_SET_DATA_TYPE, set.data_type);
    request.attribute_network_order(NFTA_SET_DATA_LEN, set.data_size);
  }
  request.attribute_network_order(NFTA_SET_ID, ++set_ids_);
  // NFTNL_UDATA_SET_KEYBYTEORDER of libnftnl: type, length, a number.
  if (set.host_order) request.attribute(NFTA_SET_USERDATA, {"\0\4\1\0\0\0", 6});
  requests_.push_back(std::move(request));
}

NetlinkRequest Batch::rule_message(const Rule& rule, std::uint16_t flags) const {
  NetlinkRequest request = message(NFT_MSG_NEWRULE, flags);
  request.attribute_text(NFTA_RULE_TABLE, table_).attribute_text(NFTA_RULE_CHAIN, rule.chain_);
  std::size_t list = request.begin_nested(NFTA_RULE_EXPRESSIONS);
  for (const auto& [name, data] : rule.parts_) {
    std::size_t one = request.begin_nested(NFTA_LIST_ELEM);
    request.attribute_text(NFTA_EXPR_NAME, name);
    std::size_t inside = request.begin_nested(NFTA_EXPR_DATA);
    request.attributes_of(data);
    request.end_nested(inside);
    request.end_nested(one);
  }
  request.end_nested(list);
  return request;
}

void Batch::add_rule(const Rule& rule) {
  requests_.push_back(rule_message(rule, NLM_F_CREATE | NLM_F_APPEND));
}

void Batch::insert_rule(const Rule& rule, std::uint64_t after, std::string_view comment) {
  std::uint16_t flags = after != 0 ? NLM_F_CREATE | NLM_F_APPEND : NLM_F_CREATE;
  NetlinkRequest request = rule_message(rule, flags);
  if (after != 0) request.attribute(NFTA_RULE_POSITION, handle_bytes(after));
  // NFTNL_UDATA_RULE_COMMENT of libnftnl: type, length, text.
  std::string data{'\0', static_cast<char>(comment.size() + 1)};
  data += comment;
  data += '\0';
  request.attribute(NFTA_RULE_USERDATA, data);
  requests_.push_back(std::move(request));
}

void Batch::remove_rule(std::string_view chain, std::uint64_t handle) {
  NetlinkRequest request = message(NFT_MSG_DELRULE, 0);
  request.attribute_text(NFTA_RULE_TABLE, table_).attribute_text(NFTA_RULE_CHAIN, chain);
  request.attribute(NFTA_RULE_HANDLE, handle_bytes(handle));
  requests_.push_back(std::move(request));
}

void Batch::add_elements(std::string_view set, const std::vector<Element>& elements) {
  in_parts(elements, [&](const std::vector<Element>& part) {
    NetlinkRequest request = message(NFT_MSG_NEWSETELEM, NLM_F_CREATE);
    request.attribute_text(NFTA_SET_ELEM_LIST_TABLE, table_);
    request.attribute_text(NFTA_SET_ELEM_LIST_SET, set);
    write_elements(request, part);
    requests_.push_back(std::move(request));
  });
}

void Batch::remove_elements(std::string_view set, const std::vector<Element>& elements) {
  in_parts(elements, [&](const std::vector<Element>& part) {
    NetlinkRequest request = message(NFT_MSG_DELSETELEM, 0);
    request.attribute_text(NFTA_SET_ELEM_LIST_TABLE, table_);
    request.attribute_text(NFTA_SET_ELEM_LIST_SET, set);
    std::vector<Element> keys = part;
    for (Element& element : keys) element.data.clear();
    write_elements(request, keys);
    requests_.push_back(std::move(request));
  });
}

Status Batch::commit() {
  std::vector<NetlinkRequest> all;
  all.push_back(nfnetlink_frame(NFNL_SUBSYS_NFTABLES, NFNL_MSG_BATCH_BEGIN));
  for (NetlinkRequest& request : requests_) all.push_back(std::move(request));
  all.push_back(nfnetlink_frame(NFNL_SUBSYS_NFTABLES, NFNL_MSG_BATCH_END));
  requests_.clear();
  auto socket = NetlinkSocket::open(NETLINK_NETFILTER);
  if (!socket) {
    if (socket.error().sys_errno() != EPROTONOSUPPORT) return fail(std::move(socket).error());
    return fail(Code::kUnimplemented, "this kernel has no nf_tables (CONFIG_NF_TABLES)");
  }
  Status done = socket->transact(std::move(all));
  if (!done && (done.error().sys_errno() == EOPNOTSUPP || done.error().sys_errno() == EINVAL)) {
    return fail(done.error().code(),
                cat("this kernel's nf_tables lacks something (modules nf_tables, "
                    "nft_nat, nft_masq, nft_ct, nft_fib_inet): ",
                    done.error().message()));
  }
  return done;
}

Result<bool> has_table(std::string_view table) {
  NetlinkRequest request =
      nfnetlink_request(NFNL_SUBSYS_NFTABLES, NFT_MSG_GETTABLE, 0, kFamilyInet);
  request.attribute_text(NFTA_TABLE_NAME, table);
  TRY_ASSIGN(NetlinkSocket socket, NetlinkSocket::open(NETLINK_NETFILTER));
  Status found = socket.execute(std::move(request));
  if (found) return true;
  if (found.error().sys_errno() == ENOENT) return false;
  return fail(std::move(found).error());
}

std::string name_key(std::string_view name) {
  std::string key(name);
  key.resize(IFNAMSIZ);
  return key;
}

}  // namespace dhow::network::nft
