// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"

namespace dhow::engine {

// An address of the host of that name, as text, for those who don't look names up: of version 4, if
// there is one. kUnavailable, with the name and the reason. Blocks on name servers
// (getaddrinfo(3)).
Result<std::string> numeric_address(const std::string& host);

}  // namespace dhow::engine
