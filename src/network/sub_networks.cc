// SPDX-License-Identifier: Apache-2.0
#include "network/sub_networks.h"

#include <linux/if_link.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace dhow::network {
namespace {

using Choice = std::pair<std::string_view, std::uint32_t>;

constexpr Choice kMacvlanModes[] = {{"bridge", MACVLAN_MODE_BRIDGE},
                                    {"private", MACVLAN_MODE_PRIVATE},
                                    {"vepa", MACVLAN_MODE_VEPA},
                                    {"passthru", MACVLAN_MODE_PASSTHRU}};
constexpr Choice kIpvlanModes[] = {
    {"l2", IPVLAN_MODE_L2}, {"l3", IPVLAN_MODE_L3}, {"l3s", IPVLAN_MODE_L3S}};
constexpr Choice kIpvlanFlags[] = {
    {"bridge", 0}, {"private", IPVLAN_F_PRIVATE}, {"vepa", IPVLAN_F_VEPA}};

// The first is the default.
template <std::size_t kCount>
Result<std::uint32_t> choose(const Choice (&choices)[kCount], const std::string& text,
                             std::string_view what, std::string_view driver) {
  if (text.empty()) return choices[0].second;
  auto found = std::ranges::find(choices, std::string_view(text), &Choice::first);
  if (found != std::end(choices)) return found->second;
  return fail(Code::kInvalidArgument,
              cat("requested ", what, " '", text, "' is not valid, '", choices[0].first,
                  "' is the ", driver, " driver default"));
}

}  // namespace

Result<VlanName> parse_vlan_name(std::string_view name) {
  std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || name.find('.') != dot) {
    return fail(Code::kInvalidArgument,
                cat("invalid subinterface vlan name ", name, ", example formatting is eth0.10"));
  }
  auto id = parse_number<std::uint16_t>(name.substr(dot + 1));
  constexpr std::uint16_t kLast = 4094;
  if (!id || *id == 0 || *id > kLast) {
    return fail(Code::kInvalidArgument,
                cat("vlan id must be between 1-4094, received: ", name.substr(dot + 1)));
  }
  return VlanName{std::string(name.substr(0, dot)), *id};
}

Result<SubLinkPlan> sub_link_plan(const NetworkRecord& record) {
  SubLinkPlan plan;
  plan.kind = record.driver;
  plan.mtu = record.mtu();
  if (record.driver == "macvlan") {
    TRY_ASSIGN(plan.mode, choose(kMacvlanModes, record.text_option("macvlan_mode"), "macvlan mode",
                                 record.driver));
    return plan;
  }
  TRY_ASSIGN(plan.mode,
             choose(kIpvlanModes, record.text_option("ipvlan_mode"), "ipvlan mode", record.driver));
  TRY_ASSIGN(plan.flags,
             choose(kIpvlanFlags, record.text_option("ipvlan_flag"), "ipvlan flag", record.driver));
  return plan;
}

Status choose_parent(Links& links, NetworkRecord& record) {
  TRY(sub_link_plan(record));
  record.parent = record.text_option("parent");
  constexpr std::size_t kShort = 12;
  constexpr std::size_t kLongest = 15;
  if (record.parent.empty()) {
    record.parent = "dm-" + record.id.substr(0, kShort);
    record.owns_parent = true;
    return {};
  }
  if (record.parent == "lo") {
    return fail(Code::kInvalidArgument,
                cat("loopback interface is not a valid ", record.driver, " parent link"));
  }
  if (record.parent.size() > kLongest) {
    return fail(Code::kInvalidArgument,
                cat("invalid value for \"parent\": ", quoted(record.parent), ": too long"));
  }
  TRY_ASSIGN(std::optional<LinkInfo> link, links.find(record.parent));
  if (link) return {};
  TRY_ASSIGN(VlanName vlan, parse_vlan_name(record.parent));
  TRY_ASSIGN(link, links.find(vlan.parent));
  if (!link) {
    return fail(Code::kInvalidArgument,
                cat("failed to find master interface ", vlan.parent, " on the host"));
  }
  record.owns_parent = true;
  return {};
}

Result<int> ensure_parent(Links& links, const NetworkRecord& record) {
  TRY_ASSIGN(std::optional<LinkInfo> link, links.find(record.parent));
  if (link) return link->index;
  if (!record.owns_parent) {
    return fail(Code::kFailedPrecondition, cat("the parent interface ", record.parent,
                                               " of network ", record.name, " is not there"));
  }
  auto made = [&]() -> Status {
    if (record.text_option("parent").empty()) return links.make_dummy(record.parent);
    TRY_ASSIGN(VlanName vlan, parse_vlan_name(record.parent));
    TRY_ASSIGN(std::optional<LinkInfo> master, links.find(vlan.parent));
    if (!master) {
      return fail(Code::kFailedPrecondition,
                  cat("failed to find master interface ", vlan.parent, " on the host"));
    }
    return links.make_vlan(record.parent, master->index, vlan.id);
  }();
  // Another container's start may have made it.
  if (!made && made.error().code() != Code::kAlreadyExists) return fail(std::move(made).error());
  TRY_ASSIGN(link, links.find(record.parent));
  if (!link) return fail(Code::kUnavailable, cat("the interface ", record.parent, " went away"));
  return link->index;
}

Status drop_parent(Links& links, const NetworkRecord& record) {
  if (!record.owns_parent) return {};
  TRY_ASSIGN(std::optional<LinkInfo> link, links.find(record.parent));
  // One of that name that is something else is none of ours.
  std::string_view kind = record.text_option("parent").empty() ? "dummy" : "vlan";
  if (!link || link->kind != kind) return {};
  return links.remove(record.parent);
}

bool leads_out(const NetworkRecord& record) {
  if (record.internal) return false;
  return record.is_bridge() || !record.text_option("parent").empty();
}

}  // namespace dhow::network
