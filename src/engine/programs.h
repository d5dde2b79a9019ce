// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace dhow::engine {

// Where a program of dhow's own is: `given`, or where that is empty `name` beside this one, or in
// $PATH; "": it is nowhere.
std::string find_program(const std::string& given, std::string_view name);

}  // namespace dhow::engine
