// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <utility>

#include "base/result.h"
#include "network/local_networks.h"

// What a container may ask of its interface beside addresses.
namespace dhow::network {

// "net.ipv4.conf.IFNAME.log_martians=1", several with commas between them, as Join::sysctls.
// kInvalidArgument in docker's words.
Result<std::vector<std::pair<std::string, std::string>>> parse_interface_sysctls(
    std::string_view text);

// Sets all that the join asks for. The interface is there and up.
Status tune(const Endpoint& endpoint, const Join& wanted, FdRef space, Links& here, Links& there);

}  // namespace dhow::network
