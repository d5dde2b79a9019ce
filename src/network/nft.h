// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "network/nfnetlink.h"

// The messages of nf_tables (linux/netfilter/nf_tables.h), as far as we have a use for them. What
// the kernel does with them is described in nft(8).
namespace dhow::network::nft {

// Where a packet is when a chain sees it: NF_INET_* of linux/netfilter.h, which can't be included
// beside netinet/in.h.
enum class Hook : std::uint32_t { kPrerouting, kInput, kForward, kOutput, kPostrouting };

// The expressions of a rule, in order: they load registers, compare them, and end in a verdict. A
// comparison that does not hold ends the rule.
class Rule {
 public:
  enum class Name { kIncoming, kOutgoing };

  explicit Rule(std::string chain) : chain_(std::move(chain)) {}

  Rule& ip4();
  Rule& ip6();
  // The interface's name is in the set, or not in it.
  Rule& name_in(Name which, std::string_view set, bool inverted = false);
  // The interface has this name.
  Rule& name_is(Name which, std::string_view name);
  // Both names together are in the set.
  Rule& names_in(std::string_view set);
  // Source and target address together are in the set; after ip4() or ip6(), whose they are.
  Rule& addresses_in(std::string_view set);
  // The source or target address is of 127.0.0.0/8.
  Rule& from_loopback();
  Rule& to_loopback();
  // Target address, protocol and port together are in the set; after ip4() or ip6().
  Rule& target_in(std::string_view set);
  // IPPROTO_*.
  Rule& of_protocol(std::uint8_t protocol);
  // The target is not ::1; after ip6().
  Rule& not_to_loopback6();
  // The target is an address of this host.
  Rule& to_this_host();
  Rule& established();
  // The first packet of a connection.
  Rule& starts();
  // Its target was changed by a dnat.
  Rule& redirected();
  // Some socket here has the packet's target as its own address by IP_TRANSPARENT.
  Rule& for_transparent_socket();
  Rule& set_mark(std::uint32_t mark);
  // The packet's mark has one of the bits, or none; the others are nobody's business.
  Rule& is_marked(std::uint32_t bits);
  Rule& is_unmarked(std::uint32_t bits);
  Rule& add_to_mark(std::uint32_t bits);
  Rule& take_from_mark(std::uint32_t bits);
  // It counts as sent to this machine alone, however it came by its link.
  Rule& count_as_unicast();
  // A copy leaves by the interface with this index, as if to a neighbour there: an address of the
  // table's family, in bytes.
  Rule& duplicate(std::string_view neighbour, int index);
  // The target becomes what the map has for (address, protocol, port), or for (protocol, port).
  // After ip4() or ip6().
  Rule& dnat_by_address(std::string_view map);
  Rule& dnat_by_port(std::string_view map);
  // Only that the map has something for that.
  Rule& address_in_map(std::string_view map);
  Rule& port_in_map(std::string_view map);
  // The source becomes what the map has for the interface that the packet came in by; after ip4()
  // or ip6().
  Rule& snat_by_incoming(std::string_view map);
  Rule& masquerade();
  Rule& accept();
  Rule& drop();
  Rule& jump(std::string_view chain);

 private:
  friend class Batch;

  Rule& meta(std::uint32_t key, std::uint32_t to);
  Rule& payload(std::uint32_t base, std::uint32_t offset, std::uint32_t size, std::uint32_t to);
  Rule& compare(std::string_view value, bool equal);
  Rule& lookup(std::string_view set, std::optional<std::uint32_t> to, bool inverted);
  // Target address, protocol and port, or the last two, into the registers of a key.
  Rule& load_target();
  Rule& load_port();
  Rule& dnat(std::string_view map);
  Rule& nat(std::uint32_t type, bool with_port);
  Rule& verdict(std::int32_t code, std::string_view chain = {});
  Rule& connection(std::uint32_t key, std::uint32_t bits);
  // One of the bits is set in what has been loaded, or none.
  Rule& has_bits(std::uint32_t bits, bool any);
  // value & mask ^ flipped
  Rule& change_bits(std::uint32_t mask, std::uint32_t flipped);
  Rule& value(std::string_view bytes, std::uint32_t to);
  Rule& set_meta(std::uint32_t key);

  Rule& family(std::uint8_t family);
  // Of an address of the family, in registers.
  std::uint32_t address_registers() const;

  std::string chain_;
  bool is_v6_ = false;
  // Each writes itself into an open list of expressions.
  std::vector<std::pair<std::string, NetlinkRequest>> parts_;
};

// An element of a set, or with `data` of a map; in the kernel's own form.
struct Element {
  std::string key;
  std::string data;
};

struct Set {
  std::string name;
  std::uint32_t key_type = 0;  // of nft(8), so that it shows them right
  std::uint32_t key_size = 0;  // bytes
  std::uint32_t data_type = 0;
  std::uint32_t data_size = 0;  // 0: no map
  bool host_order = false;      // for nft(8): the key is one number or text of the machine
};

struct Chain {
  std::string name;
  const char* type = nullptr;  // "filter" or "nat"; none: it is only jumped to
  Hook hook = Hook::kPrerouting;
  std::int32_t priority = 0;
};

// Changes of one table that the kernel makes all at once or not at all.
class Batch {
 public:
  explicit Batch(std::string table) : table_(std::move(table)) {}
  // A table of others: `family` is kFamily*.
  Batch(std::string table, std::uint8_t family) : table_(std::move(table)), family_(family) {}

  // One that is there is left as it is.
  void add_table();
  // In the place of one that is there, an empty one.
  void renew_table();
  // Changes of another table in the same transaction.
  void append(Batch other);
  void remove_table();
  void add_chain(const Chain& chain);
  void add_set(const Set& set);
  void add_rule(const Rule& rule);
  // Behind the rule with this handle; 0: in front of all.
  void insert_rule(const Rule& rule, std::uint64_t after, std::string_view comment);
  void remove_rule(std::string_view chain, std::uint64_t handle);
  // Elements that are there already with the same data are left as they are.
  void add_elements(std::string_view set, const std::vector<Element>& elements);
  // Each has to be there.
  void remove_elements(std::string_view set, const std::vector<Element>& elements);

  bool is_empty() const { return requests_.empty(); }
  // In the network namespace of the calling thread. kUnimplemented where the kernel has no
  // nf_tables.
  Status commit();

 private:
  NetlinkRequest message(std::uint32_t type, std::uint16_t flags) const;
  NetlinkRequest rule_message(const Rule& rule, std::uint16_t flags) const;

  std::string table_;
  std::uint8_t family_ = kFamilyInet;
  std::uint32_t set_ids_ = 0;  // of this table's
  std::vector<NetlinkRequest> requests_;
};

// Whether there is a table of that name and family (kFamily*), in the network namespace of the
// calling thread. Nothing waits for it, unlike for a batch that fails, which the kernel undoes
// after a grace period of RCU: some milliseconds.
Result<bool> has_table(std::string_view table, std::uint8_t family = kFamilyInet);

// As keys, data and what is compared are written: in an attribute of their own.
void write_value(NetlinkRequest& request, std::uint16_t type, std::string_view value);

// Names of interfaces as sets have them: filled up with zeros.
std::string name_key(std::string_view name);

}  // namespace dhow::network::nft
