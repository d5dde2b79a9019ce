// SPDX-License-Identifier: Apache-2.0
#include "network/nft.h"

#include <endian.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <cerrno>
#include <net/if.h>

#include "base/strings.h"

namespace dhow::network::nft {
namespace {

// Of linux/netfilter.h.
constexpr std::int32_t kAcceptAll = 1;

// In the order of the network.
std::string handle_bytes(std::uint64_t handle) {
  std::uint64_t value = htobe64(handle);
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

void write_elements(NetlinkRequest& request, const std::vector<Element>& elements) {
  std::size_t list = request.begin_nested(NFTA_SET_ELEM_LIST_ELEMENTS);
  for (const Element& element : elements) {
    std::size_t one = request.begin_nested(NFTA_LIST_ELEM);
    write_value(request, NFTA_SET_ELEM_KEY, element.key);
    if (!element.data.empty()) write_value(request, NFTA_SET_ELEM_DATA, element.data);
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

void write_value(NetlinkRequest& request, std::uint16_t type, std::string_view value) {
  std::size_t data = request.begin_nested(type);
  request.attribute(NFTA_DATA_VALUE, value);
  request.end_nested(data);
}

NetlinkRequest Batch::message(std::uint32_t type, std::uint16_t flags) const {
  return nfnetlink_request(NFNL_SUBSYS_NFTABLES, type, flags, family_);
}

void Batch::append(Batch other) {
  for (NetlinkRequest& request : other.requests_) requests_.push_back(std::move(request));
}

void Batch::add_table() {
  NetlinkRequest request = message(NFT_MSG_NEWTABLE, NLM_F_CREATE);
  request.attribute_text(NFTA_TABLE_NAME, table_);
  requests_.push_back(std::move(request));
}

void Batch::renew_table() {
  // So that there is one to remove.
  add_table();
  remove_table();
  add_table();
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
    request.attribute_network_order(NFTA_CHAIN_POLICY, kAcceptAll);
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

Result<bool> has_table(std::string_view table, std::uint8_t family) {
  NetlinkRequest request = nfnetlink_request(NFNL_SUBSYS_NFTABLES, NFT_MSG_GETTABLE, 0, family);
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
