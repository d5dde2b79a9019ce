// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace dhow::engine {

// 64 hexadecimal digits that nobody has. Never all digits in its first twelve: it could be taken
// for a number.
Result<std::string> make_id();
// The first twelve digits, as people see it.
std::string_view short_id(std::string_view id);

// A name for a container that has none: an adjective of the sea, '_' and a kind of ship or
// something on board. `taken` tells of those that are in use.
Result<std::string> make_name(const std::function<bool(std::string_view)>& taken);

// Whether docker takes it: [a-zA-Z0-9][a-zA-Z0-9_.-]+; else kInvalidArgument in its words.
Status check_name(std::string_view name);

}  // namespace dhow::engine
