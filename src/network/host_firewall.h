// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// What the firewalls of others do to what containers send and receive. All of it is of the network
// namespace of the calling thread, and blocks on the kernel.
namespace dhow::network {

// Chains of others that drop what is forwarded, and have no rules that let one of the bridges'
// through, to it and from it: "table ip filter, chain FORWARD".
Result<std::vector<std::string>> closed_chains(std::string_view own_table,
                                               const std::vector<std::string>& bridges);

// Puts rules into the chains of others that drop what is forwarded, but for those of
// iptables-legacy, that let the bridges' through; takes away those for other bridges. The rules are
// known by a comment with the name of our own table. Errors name the table that did not let itself
// be changed; the rest is done.
Status open_chains(std::string_view own_table, const std::vector<std::string>& bridges);

}  // namespace dhow::network
