// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dhow::registry {

// Where the next page is by the values of Link (RFC 8288): the target with rel="next"; "": nowhere.
std::string next_link(const std::vector<std::string_view>& values);

}  // namespace dhow::registry
