// SPDX-License-Identifier: Apache-2.0
// The table "filter" of iptables-legacy, as getsockopt(2) gives it: one run of entries, each with
// the distance to the next.
#include <sys/socket.h>

#include <cstring>
#include <net/if.h>
#include <netinet/in.h>

// After netinet/in.h, whose names they repeat where it is not there.
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include "base/strings.h"
#include "network/foreign_chains.h"
#include "network/nfnetlink.h"
#include "sys/fd.h"
#include "sys/file_io.h"

namespace dhow::network {
namespace {

constexpr const char* kFilter = "filter";

// What differs between the families.
struct Four {
  using Info = struct ipt_getinfo;
  using Entries = struct ipt_get_entries;
  using Entry = struct ipt_entry;
  static constexpr const char* kNames = "/proc/thread-self/net/ip_tables_names";
  static constexpr std::uint8_t kFamily = kFamilyIpv4;
  static constexpr int kDomain = AF_INET;
  static constexpr int kLevel = IPPROTO_IP;
  static constexpr int kGetInfo = IPT_SO_GET_INFO;
  static constexpr int kGetEntries = IPT_SO_GET_ENTRIES;
  static const auto& match(const Entry& entry) { return entry.ip; }
};

struct Six {
  using Info = struct ip6t_getinfo;
  using Entries = struct ip6t_get_entries;
  using Entry = struct ip6t_entry;
  static constexpr const char* kNames = "/proc/thread-self/net/ip6_tables_names";
  static constexpr std::uint8_t kFamily = kFamilyIpv6;
  static constexpr int kDomain = AF_INET6;
  static constexpr int kLevel = IPPROTO_IPV6;
  static constexpr int kGetInfo = IP6T_SO_GET_INFO;
  static constexpr int kGetEntries = IP6T_SO_GET_ENTRIES;
  static const auto& match(const Entry& entry) { return entry.ipv6; }
};

// What a standard target says: -1 to drop, -2 to accept (a verdict of the kernel, negated, less 1).
int verdict_of(const std::string& bytes, std::size_t target) {
  struct xt_entry_target head{};
  int verdict = 0;
  if (target + sizeof head + sizeof verdict > bytes.size()) return 0;
  std::memcpy(&head, bytes.data() + target, sizeof head);
  if (head.u.user.name[0] != '\0') return 0;
  std::memcpy(&verdict, bytes.data() + target + sizeof head, sizeof verdict);
  return verdict;
}

template <typename Family>
void read_entries(const std::string& bytes, const typename Family::Info& info,
                  ForeignChain& chain) {
  constexpr std::size_t kForward = 2;
  constexpr int kPolicyDrop = -1;
  constexpr int kRuleAccept = -2;
  typename Family::Entry entry{};
  for (std::size_t at = 0; at + sizeof entry <= bytes.size(); at += entry.next_offset) {
    std::memcpy(&entry, bytes.data() + at, sizeof entry);
    int verdict = verdict_of(bytes, at + entry.target_offset);
    if (at == info.underflow[kForward]) chain.drops = verdict == kPolicyDrop;
    auto name = [](const char* text) { return std::string(text, ::strnlen(text, IFNAMSIZ)); };
    ForeignRule& rule = chain.rules.emplace_back();
    rule.has_conditions = true;
    rule.incoming = name(Family::match(entry).iniface);
    rule.outgoing = name(Family::match(entry).outiface);
    if (verdict == kRuleAccept) rule.verdict = ForeignRule::Verdict::kAccept;
    if (entry.next_offset < sizeof entry) return;
  }
}

template <typename Family>
void read_table(std::vector<ForeignChain>& chains) {
  // To ask for a table that is not there would make it.
  constexpr std::size_t kMost = 4096;
  std::string names = read_file(Family::kNames, kMost).value_or("");
  if (cat("\n", names).find(cat("\n", kFilter, "\n")) == std::string::npos) return;
  Fd socket(::socket(Family::kDomain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  typename Family::Info info{};
  std::strcpy(info.name, kFilter);
  socklen_t size = sizeof info;
  if (!socket || ::getsockopt(socket.get(), Family::kLevel, Family::kGetInfo, &info, &size) != 0) {
    return;
  }
  typename Family::Entries head{};
  std::strcpy(head.name, kFilter);
  head.size = info.size;
  std::string bytes(sizeof head + info.size, '\0');
  std::memcpy(bytes.data(), &head, sizeof head);
  size = static_cast<socklen_t>(bytes.size());
  if (::getsockopt(socket.get(), Family::kLevel, Family::kGetEntries, bytes.data(), &size) != 0) {
    return;
  }
  ForeignChain chain;
  chain.family = Family::kFamily;
  chain.table = kFilter;
  chain.name = "FORWARD";
  chain.is_hooked = chain.is_legacy = true;
  read_entries<Family>(bytes.substr(sizeof head), info, chain);
  chains.push_back(std::move(chain));
}

}  // namespace

std::vector<ForeignChain> legacy_chains() {
  std::vector<ForeignChain> chains;
  read_table<Four>(chains);
  read_table<Six>(chains);
  return chains;
}

}  // namespace dhow::network
