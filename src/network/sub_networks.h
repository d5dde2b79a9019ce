// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "network/links.h"
#include "network/record.h"

// Networks whose interfaces are on one of the host: macvlan and ipvlan.
namespace dhow::network {

inline bool is_sub_driver(std::string_view driver) {
  return driver == "macvlan" || driver == "ipvlan";
}

// "eth0.10": the interface that a VLAN is of, and its number.
struct VlanName {
  std::string parent;
  std::uint16_t id = 0;
};
// kInvalidArgument in docker's words.
Result<VlanName> parse_vlan_name(std::string_view name);

// What the options of the network say of an interface in it; kInvalidArgument in docker's words.
Result<SubLinkPlan> sub_link_plan(const NetworkRecord& record);

// Fills in the parent of a network that is to be made and looks whether it can be: what is there is
// used as it is, "eth0.10" is made when it isn't, and without one there is a dummy.
Status choose_parent(Links& links, NetworkRecord& record);
// The index of the parent, which is made when it is ours to make.
Result<int> ensure_parent(Links& links, const NetworkRecord& record);
// Removes one that is ours.
Status drop_parent(Links& links, const NetworkRecord& record);

// Whether containers have a way out by it.
bool leads_out(const NetworkRecord& record);

}  // namespace dhow::network
