// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dhow::registry {

// One way to log in that a server offers with a 401 (RFC 9110, section 11.6.1).
struct Challenge {
  std::string scheme;                             // lower case: "bearer"
  std::map<std::string, std::string> parameters;  // names in lower case; values unquoted
};

// The challenges of the values of WWW-Authenticate, in order. What can't be read ends its value.
std::vector<Challenge> parse_challenges(const std::vector<std::string_view>& values);

}  // namespace dhow::registry
