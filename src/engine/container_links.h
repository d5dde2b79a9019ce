// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/container_config.h"

namespace dhow::engine {

// What a container calls another one.
struct Link {
  std::string name;  // or id
  std::string alias;
};

// "NAME:ALIAS", "NAME", or "/NAME:/PARENT/ALIAS". kInvalidArgument in docker's words.
Result<Link> parse_link(std::string_view text);

// The variables that docker sets in a container for one that it is linked to on the default
// network: its exposed ports at that address, and its own variables.
std::vector<std::string> link_environment(std::string_view parent, std::string_view alias,
                                          std::string_view address, const ContainerConfig& child);

}  // namespace dhow::engine
