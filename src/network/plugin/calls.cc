// SPDX-License-Identifier: Apache-2.0
#include "network/plugin/calls.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/cleanup.h"
#include "base/strings.h"
#include "network/address_pool.h"
#include "network/cni/plugin.h"
#include "network/firewall.h"
#include "network/links.h"
#include "network/name_space.h"
#include "network/ports.h"
#include "network/six.h"
#include "sys/file_io.h"

namespace dhow::bridge_plugin {
namespace {

using network::Address;
using network::Ip;
using network::Ip4;
using network::LinkInfo;
using network::Links;
using network::Subnet4;

constexpr int kPluginTimeout = 60'000;  // milliseconds

std::optional<Address> address_of(const std::string& text) {
  if (auto four = network::parse_address4(text)) return Address(*four);
  auto six = network::parse_address6(text);
  if (!six) return std::nullopt;
  return Address(six->address, six->bits);
}

// Six bytes that nobody's hardware has: of the address, so that neighbours which remember it are
// right about the next container with it.
std::string link_address(const Ip& address) {
  std::string bytes = address.bytes();
  return std::string("\x02\x42") + bytes.substr(bytes.size() - 4);
}

std::string link_text(std::string_view bytes) {
  std::string digits = hex_text(bytes);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    out += cat(i == 0 ? "" : ":", digits.substr(i, 2));
  }
  return out;
}

// "dhow-cni", or another name for each other folder: its rules are known to nobody else.
std::string table_of(const Config& config) {
  if (config.folder == Config().folder) return "dhow-cni";
  Attachment folder{config.folder, ""};
  return cat("dhow-cni-", outside_of("", folder).substr(3));
}

Status set_forwarding(bool is_v6) {
  return write_existing(
      is_v6 ? "/proc/sys/net/ipv6/conf/all/forwarding" : "/proc/sys/net/ipv4/ip_forward", "1");
}

bool has_address(const std::vector<Address>& all, const Address& wanted) {
  return std::ranges::any_of(all, [&](const Address& one) {
    return one.address == wanted.address && one.bits == wanted.bits;
  });
}

Result<LinkInfo> need_link(Links& links, const std::string& name) {
  TRY_ASSIGN(std::optional<LinkInfo> link, links.find(name));
  if (!link) return fail(Code::kNotFound, cat("there is no interface ", name));
  return *link;
}

}  // namespace

Result<std::string> Call::delegate(std::string_view command) const {
  if (config_.ipam.empty()) return std::string();
  std::vector<std::string> folders;
  for (std::string_view folder : split(environment_.path, ':')) folders.emplace_back(folder);
  cni::PluginCall call;
  call.command = command;
  call.type = config_.ipam;
  call.network = config_.name;
  call.container = environment_.container;
  call.netns = environment_.netns;
  call.interface = environment_.interface;
  call.args = environment_.args;
  call.input = config_.text;
  TRY_ASSIGN(cni::PluginAnswer answer, cni::Plugins(folders, kPluginTimeout).call(call));
  if (answer.error) return fail(cni::Plugins::error_of(call, *answer.error));
  return answer.output;
}

// Of our own subnet the lowest that is free, or those that are asked for.
Result<cni::AddResult> Call::addresses(const Records& records) const {
  if (!config_.subnet) {
    return fail(Code::kInvalidArgument, "$.subnet: required, where \"ipam\" names no plugin");
  }
  const Subnet4 subnet = config_.subnet->subnet();
  network::AddressPool pool(subnet, subnet);
  pool.take(*config_.gateway);
  TRY_ASSIGN(std::vector<Record> taken, records.of_network(config_.name));
  for (const Record& record : taken) {
    for (const std::string& text : record.addresses) {
      if (auto address = network::parse_address4(text)) pool.take(address->address);
    }
  }
  std::optional<Ip4> address;
  if (!config_.wanted.empty()) {
    address = config_.wanted.front();
    if (!subnet.contains(*address) || !pool.take(*address)) {
      return fail(Code::kInvalidArgument,
                  cat("the address ", address->text(), " is taken, or not in ", subnet.text()));
    }
  } else {
    Ip4 last = config_.last.value_or(subnet.last());
    for (Ip4 one = config_.first.value_or(subnet.base); one <= last; one = one.next()) {
      if (!pool.take(one)) continue;
      address = one;
      break;
    }
  }
  if (!address) {
    return fail(Code::kResourceExhausted,
                cat("network ", config_.name, " has no address left in ", subnet.text()));
  }
  cni::AddResult result;
  result.ips.push_back({cat(address->text(), "/", subnet.bits), config_.gateway->text(), {}});
  if (config_.is_gateway) result.routes.emplace_back().dst = "0.0.0.0/0";
  return result;
}

// Those of `given`, which may have texts that a plugin is free to write but no interface can have.
Result<std::vector<Address>> Call::parse_addresses(const cni::AddResult& given) const {
  if (given.ips.empty()) {
    return fail(Code::kInvalidArgument, cat("the plugin ", config_.ipam, " has given no address"));
  }
  std::vector<Address> all;
  for (const cni::IpConfig& ip : given.ips) {
    auto address = address_of(ip.address);
    if (!address) {
      return fail(Code::kInvalidArgument,
                  cat("the plugin ", config_.ipam, " has given ", quoted(ip.address),
                      ", which is no address with the length of its network's part"));
    }
    all.push_back(*address);
  }
  return all;
}

Status Call::make_bridge(const Record& record, const cni::AddResult& given,
                         const std::vector<Address>& own) const {
  TRY_ASSIGN(Links links, Links::open());
  TRY_ASSIGN(std::optional<LinkInfo> link, links.find(record.bridge));
  bool is_new = !link;
  if (!link) {
    auto gateway = network::parse_ip(given.ips.front().gateway);
    std::string mac = link_address(gateway ? *gateway : own.front().address);
    TRY(links.make_bridge(record.bridge, mac, config_.mtu));
    TRY_ASSIGN(link, links.find(record.bridge));
    if (!link) return fail(Code::kUnavailable, cat("the bridge ", record.bridge, " went away"));
  } else if (link->kind != "bridge") {
    return fail(Code::kFailedPrecondition,
                cat("the interface ", record.bridge, " is there, and is no bridge"));
  }
  // One that a death has left is down, and has a name that nobody else gives.
  if (is_new || (config_.bridge.empty() && !link->is_up)) network::forbid_six(record.bridge);
  TRY(write_existing(cat("/proc/sys/net/ipv4/conf/", record.bridge, "/route_localnet"), "1"));
  TRY_ASSIGN(std::vector<Address> addresses, links.addresses(link->index));
  for (std::size_t i = 0; i < given.ips.size(); ++i) {
    auto gateway = network::parse_ip(given.ips[i].gateway);
    if (!gateway || !config_.is_gateway) continue;
    if (gateway->is_v6) TRY(network::allow_six(record.bridge));
    Address wanted(*gateway, own[i].bits);
    if (!has_address(addresses, wanted)) TRY(links.add_address(link->index, wanted));
    TRY(set_forwarding(gateway->is_v6));
  }
  if (!link->is_up) TRY(links.set_up(link->index));
  return {};
}

Status Call::wire(const Record& record, const cni::AddResult& given,
                  const std::vector<Address>& addresses, cni::AddResult& result) const {
  TRY(make_bridge(record, given, addresses));
  TRY_ASSIGN(Fd space, open_at(kCwd, environment_.netns, O_RDONLY));
  TRY_ASSIGN(Links here, Links::open());
  TRY_ASSIGN(LinkInfo bridge, need_link(here, record.bridge));
  network::VethPlan plan;
  plan.outside = outside_of(config_.name, key());
  plan.bridge = bridge.index;
  plan.inside = environment_.interface;
  plan.mac = config_.mac.empty() ? link_address(addresses.front().address)
                                 : network::parse_mac(config_.mac).value_or("");
  plan.mtu = config_.mtu;
  plan.hairpin = !record.ports.empty();
  TRY(here.make_veth(plan, space));
  TRY(network::run_in_name_space(space, [&]() -> Status {
    TRY_ASSIGN(Links there, Links::open());
    TRY_ASSIGN(LinkInfo link, need_link(there, plan.inside));
    bool has_six = std::ranges::any_of(addresses, [](const Address& a) { return a.address.is_v6; });
    if (has_six) TRY(network::allow_six(plan.inside));
    TRY(there.add_addresses_and_set_up(link.index, addresses));
    for (const cni::IpConfig& ip : given.ips) {
      auto gateway = network::parse_ip(ip.gateway);
      if (gateway && config_.is_gateway) TRY(there.set_default_route(link.index, *gateway));
    }
    return {};
  }));
  TRY(here.set_port_up(plan.outside));
  result.interfaces.resize(3);
  result.interfaces[0].name = record.bridge;
  result.interfaces[1].name = plan.outside;
  result.interfaces[2].name = plan.inside;
  result.interfaces[2].mac = link_text(plan.mac);
  result.interfaces[2].sandbox = environment_.netns;
  return {};
}

// That of another of ours; what else listens at the host is not looked for.
Status Call::check_ports(const Records& records) const {
  bool is_none = std::ranges::none_of(
      config_.ports, [](const cni::PortMapping& wanted) { return wanted.host_port != 0; });
  if (is_none) return {};
  TRY_ASSIGN(network::FirewallState state, records.firewall());
  for (const cni::PortMapping& wanted : config_.ports) {
    network::Ip host = network::parse_ip(wanted.host_ip).value_or(Ip(Ip4()));
    for (const network::FirewallPort& taken : state.ports) {
      if (wanted.host_port == 0 || taken.host_port != wanted.host_port ||
          taken.protocol != network::protocol_number(wanted.protocol)) {
        continue;
      }
      if (taken.host == host || taken.host.is_any() || host.is_any()) {
        return fail(Code::kFailedPrecondition, cat("port ", wanted.host_port, "/", wanted.protocol,
                                                   " of the host leads to ", taken.target.text()));
      }
    }
  }
  return {};
}

Status Call::set_firewall(const Records& records) const {
  TRY_ASSIGN(network::FirewallState state, records.firewall());
  bool is_empty = state.bridges.empty();
  network::Firewall firewall(table_of(config_), {}, [&state] { return state; });
  return is_empty ? firewall.remove() : firewall.rebuild();
}

Result<cni::AddResult> Call::make(const Records& records, const cni::AddResult& given) const {
  TRY_ASSIGN(std::vector<Address> addresses, parse_addresses(given));
  TRY(check_ports(records));
  Record record;
  record.network = config_.name;
  record.attachment = key();
  record.bridge = bridge_of(config_);
  record.masquerade = config_.masquerade;
  for (const cni::IpConfig& ip : given.ips) record.addresses.push_back(ip.address);
  record.ports = config_.ports;
  TRY(records.put(record));
  cni::AddResult result = given;
  TRY(wire(record, given, addresses, result));
  TRY(set_firewall(records));
  for (cni::IpConfig& ip : result.ips) ip.interface = 2;
  if (result.dns.empty()) result.dns = config_.dns;
  return result;
}

Result<std::string> Call::add() const {
  TRY_ASSIGN(std::string delegated, delegate("ADD"));
  Cleanup give_back([&] { std::ignore = delegate("DEL"); });
  TRY_ASSIGN(Records records, Records::open(config_.folder));
  TRY_ASSIGN(std::optional<Record> before, records.find(config_.name, key()));
  if (before) {
    give_back.dismiss();
    return fail(Code::kAlreadyExists,
                cat("container ", environment_.container, " has an interface ",
                    environment_.interface, " in network ", config_.name, " already"));
  }
  cni::AddResult given;
  if (config_.ipam.empty()) {
    TRY_ASSIGN(given, addresses(records));
  } else {
    TRY_ASSIGN(given, cni::parse_result(delegated, config_.version));
  }
  auto made = make(records, given);
  if (!made) {
    // The first failure is the one to tell of; what stays is taken away by a DEL.
    std::ignore = remove_all(records, {key()});
    return fail(std::move(made).error());
  }
  give_back.dismiss();
  return cni::result_text(*made, config_.version) + "\n";
}

// The kernel first, the row last, and the address is free only then. The firewall is still to be
// set: what a death in between leaves in it goes with the next call, which makes it of the rows.
Status Call::remove_rows(const Records& records, const std::vector<Attachment>& all) const {
  TRY_ASSIGN(Links links, Links::open());
  for (const Attachment& which : all) {
    TRY(links.remove(outside_of(config_.name, which)));
    TRY(records.remove(config_.name, which));
  }
  return {};
}

Status Call::remove_all(const Records& records, const std::vector<Attachment>& all) const {
  Status removed = remove_rows(records, all);
  // Also when some are left: the rows of others have gone.
  Status set = set_firewall(records);
  return removed ? set : removed;
}

Status Call::remove() const {
  TRY_ASSIGN(Records records, Records::open(config_.folder));
  TRY(remove_all(records, {key()}));
  TRY(delegate("DEL"));
  return {};
}

Status Call::check() const {
  TRY_ASSIGN(Records records, Records::open(config_.folder));
  TRY_ASSIGN(std::optional<Record> record, records.find(config_.name, key()));
  if (!record) {
    return fail(Code::kNotFound, cat("container ", environment_.container, " has no interface ",
                                     environment_.interface, " in network ", config_.name));
  }
  TRY_ASSIGN(Links here, Links::open());
  for (const std::string& name : {record->bridge, outside_of(config_.name, key())}) {
    TRY_ASSIGN(LinkInfo link, need_link(here, name));
    if (!link.is_up)
      return fail(Code::kFailedPrecondition, cat("the interface ", name, " is down"));
  }
  TRY_ASSIGN(Fd space, open_at(kCwd, environment_.netns, O_RDONLY));
  TRY(network::run_in_name_space(space, [&]() -> Status {
    TRY_ASSIGN(Links there, Links::open());
    TRY_ASSIGN(LinkInfo link, need_link(there, environment_.interface));
    TRY_ASSIGN(std::vector<Address> addresses, there.addresses(link.index));
    for (const std::string& text : record->addresses) {
      auto address = address_of(text);
      if (address && has_address(addresses, *address)) continue;
      return fail(Code::kFailedPrecondition, cat("the interface ", environment_.interface,
                                                 " does not have the address ", text));
    }
    return {};
  }));
  TRY(delegate("CHECK"));
  return {};
}

Status Call::collect() const {
  if (!config_.valid) {
    return fail(Code::kInvalidArgument, "$.cni.dev/valid-attachments: required");
  }
  {
    TRY_ASSIGN(Records records, Records::open(config_.folder));
    TRY_ASSIGN(std::vector<Record> all, records.of_network(config_.name));
    std::vector<Attachment> stale;
    for (const Record& record : all) {
      if (std::ranges::find(*config_.valid, record.attachment) != config_.valid->end()) continue;
      stale.push_back(record.attachment);
    }
    // Also for none: a death may have come before the firewall was set.
    TRY(remove_all(records, stale));
  }
  TRY(delegate("GC"));
  return {};
}

Status Call::status() const {
  TRY(Records::open(config_.folder));
  if (!config_.subnet && config_.ipam.empty()) {
    return fail(Code::kInvalidArgument, "$.subnet: required, where \"ipam\" names no plugin");
  }
  TRY(Links::open());
  TRY(delegate("STATUS"));
  return {};
}

}  // namespace dhow::bridge_plugin
