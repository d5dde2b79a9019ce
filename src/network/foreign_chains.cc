// SPDX-License-Identifier: Apache-2.0
#include "network/foreign_chains.h"

#include <endian.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "base/strings.h"
#include "network/nfnetlink.h"

namespace dhow::network {
namespace {

// Of linux/netfilter.h.
constexpr std::uint32_t kHookForward = 2;
constexpr std::uint32_t kVerdictDrop = 0;
constexpr std::uint32_t kVerdictAccept = 1;

using Verdict = ForeignRule::Verdict;

std::optional<std::uint32_t> number_in(std::string_view attributes, std::uint16_t type) {
  auto bytes = find_netlink_attribute(attributes, type);
  std::uint32_t number = 0;
  if (!bytes || bytes->size() != sizeof number) return std::nullopt;
  std::memcpy(&number, bytes->data(), sizeof number);
  return ntohl(number);
}

std::string text_in(std::string_view attributes, std::uint16_t type) {
  std::string_view bytes = find_netlink_attribute(attributes, type).value_or("");
  return std::string(bytes.substr(0, bytes.find('\0')));
}

std::string_view nested_in(std::string_view attributes, std::uint16_t type) {
  return find_netlink_attribute(attributes, type).value_or("");
}

// What comes before the attributes of a message of nfnetlink.
std::string_view attributes_of(const NetlinkMessage& message) {
  std::string_view payload = message.payload;
  return payload.size() < sizeof(struct nfgenmsg) ? std::string_view()
                                                  : payload.substr(sizeof(struct nfgenmsg));
}

NetlinkRequest dump_request(std::uint32_t type, std::uint8_t family) {
  return nfnetlink_request(NFNL_SUBSYS_NFTABLES, type, 0, family);
}

// One after the other: what has been loaded last is what is compared.
class RuleReader {
 public:
  explicit RuleReader(ForeignRule& rule) : rule_(rule) {}

  void read(std::string_view expression) {
    std::string name = text_in(expression, NFTA_EXPR_NAME);
    std::string_view data = nested_in(expression, NFTA_EXPR_DATA);
    if (name == "counter" || name == "log" || name == "comment") return;
    if (name == "immediate") return read_verdict(data);
    if (name == "reject" || (name == "target" && text_in(data, NFTA_TARGET_NAME) == "REJECT")) {
      rule_.verdict = Verdict::kDrop;
      return;
    }
    rule_.has_conditions = true;
    if (name == "meta") {
      loaded_ = number_in(data, NFTA_META_KEY);
    } else if (name == "cmp") {
      read_comparison(data);
    } else {
      loaded_.reset();
    }
  }

 private:
  void read_comparison(std::string_view data) {
    auto loaded = std::exchange(loaded_, std::nullopt);
    if (!loaded || number_in(data, NFTA_CMP_OP) != NFT_CMP_EQ) return;
    std::string name = text_in(nested_in(data, NFTA_CMP_DATA), NFTA_DATA_VALUE);
    if (*loaded == NFT_META_IIFNAME) rule_.incoming = name;
    if (*loaded == NFT_META_OIFNAME) rule_.outgoing = name;
  }
  void read_verdict(std::string_view data) {
    std::string_view verdict = nested_in(nested_in(data, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);
    auto code = number_in(verdict, NFTA_VERDICT_CODE);
    if (!code) return;
    if (*code == kVerdictAccept) rule_.verdict = Verdict::kAccept;
    if (*code == kVerdictDrop) rule_.verdict = Verdict::kDrop;
    rule_.target = text_in(verdict, NFTA_VERDICT_CHAIN);
    if (!rule_.target.empty()) rule_.verdict = Verdict::kJump;
  }

  ForeignRule& rule_;
  std::optional<std::uint32_t> loaded_;
};

// NFTNL_UDATA_RULE_COMMENT of libnftnl is the type 0: type, length, text.
std::string comment_in(std::string_view data) {
  if (data.size() < 2 || data[0] != 0) return {};
  std::string_view text = data.substr(2, static_cast<unsigned char>(data[1]));
  return std::string(text.substr(0, text.find('\0')));
}

ForeignRule rule_of(std::string_view attributes) {
  ForeignRule rule;
  std::uint64_t handle = 0;
  auto bytes = find_netlink_attribute(attributes, NFTA_RULE_HANDLE);
  if (bytes && bytes->size() == sizeof handle) std::memcpy(&handle, bytes->data(), sizeof handle);
  rule.handle = be64toh(handle);
  rule.comment = comment_in(nested_in(attributes, NFTA_RULE_USERDATA));
  RuleReader reader(rule);
  for (std::string_view one :
       netlink_attributes(nested_in(attributes, NFTA_RULE_EXPRESSIONS), NFTA_LIST_ELEM)) {
    reader.read(one);
  }
  return rule;
}

ForeignChain chain_of(const NetlinkMessage& message) {
  ForeignChain chain;
  std::string_view attributes = attributes_of(message);
  if (auto header = message.header<struct nfgenmsg>()) chain.family = header->nfgen_family;
  chain.table = text_in(attributes, NFTA_CHAIN_TABLE);
  chain.name = text_in(attributes, NFTA_CHAIN_NAME);
  std::string_view hook = nested_in(attributes, NFTA_CHAIN_HOOK);
  chain.is_hooked = number_in(hook, NFTA_HOOK_HOOKNUM) == kHookForward;
  chain.drops = chain.is_hooked && number_in(attributes, NFTA_CHAIN_POLICY) == kVerdictDrop;
  return chain;
}

Status read_rules(NetlinkSocket& socket, std::uint8_t family, const std::string& table,
                  std::vector<ForeignChain>& chains) {
  NetlinkRequest request = dump_request(NFT_MSG_GETRULE, family);
  request.attribute_text(NFTA_RULE_TABLE, table);
  TRY_ASSIGN(std::vector<NetlinkMessage> messages, socket.dump(request));
  for (const NetlinkMessage& message : messages) {
    std::string_view attributes = attributes_of(message);
    if (text_in(attributes, NFTA_RULE_TABLE) != table) continue;
    std::string name = text_in(attributes, NFTA_RULE_CHAIN);
    for (ForeignChain& chain : chains) {
      bool is_one = chain.family == family && chain.table == table && chain.name == name;
      if (is_one) chain.rules.push_back(rule_of(attributes));
    }
  }
  return {};
}

}  // namespace

std::string ForeignChain::text() const {
  std::string_view kind = family == kFamilyInet ? "inet" : family == kFamilyIpv4 ? "ip" : "ip6";
  return cat(is_legacy ? "iptables-legacy, " : "", "table ", kind, " ", table, ", chain ", name);
}

bool ForeignChain::is_closed() const {
  if (!is_hooked) return false;
  if (drops) return true;
  return !rules.empty() && rules.back().verdict == Verdict::kDrop && !rules.back().has_conditions;
}

Result<std::vector<ForeignChain>> foreign_chains(std::string_view own) {
  auto socket = NetlinkSocket::open(NETLINK_NETFILTER);
  if (!socket) {
    if (socket.error().sys_errno() == EPROTONOSUPPORT) return std::vector<ForeignChain>();
    return fail(std::move(socket).error());
  }
  auto messages = socket->dump(dump_request(NFT_MSG_GETCHAIN, AF_UNSPEC));
  if (!messages) {
    return fail(std::move(messages).error().add_context("read the chains of nf_tables"));
  }
  std::vector<ForeignChain> chains;
  std::set<std::pair<std::uint8_t, std::string>> tables;
  for (const NetlinkMessage& message : *messages) {
    ForeignChain chain = chain_of(message);
    bool is_routing =
        chain.family == kFamilyInet || chain.family == kFamilyIpv4 || chain.family == kFamilyIpv6;
    if (!is_routing || (chain.family == kFamilyInet && chain.table == own)) continue;
    if (chain.is_hooked) tables.emplace(chain.family, chain.table);
    chains.push_back(std::move(chain));
  }
  std::erase_if(chains, [&](const ForeignChain& chain) {
    return !tables.contains({chain.family, chain.table});
  });
  for (const auto& [family, table] : tables) {
    auto read = read_rules(*socket, family, table, chains);
    // It may have gone meanwhile.
    if (!read && read.error().sys_errno() != ENOENT) {
      return fail(std::move(read).error().add_context(cat("read the rules of table ", table)));
    }
  }
  return chains;
}

}  // namespace dhow::network
