// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace dhow::engine {

// Every capability that a container can be given here, "CAP_CHOWN" first: those that this process
// may pass on.
const std::vector<std::string>& all_capabilities();

// "net_admin", "CAP_NET_ADMIN" and "all" in capitals and with "CAP_", but for "ALL".
std::string capability_name(std::string_view text);

// A container's capabilities: docker's 14 by default, with those added and dropped; "ALL" is each.
// `privileged`: all there are. An unknown name is kInvalidArgument in docker's words.
Result<std::vector<std::string>> container_capabilities(const std::vector<std::string>& add,
                                                        const std::vector<std::string>& drop,
                                                        bool privileged);

}  // namespace dhow::engine
