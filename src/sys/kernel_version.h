// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace dhow {

// Whether the kernel that runs is of that version, "5.10", or of a later one; by what uname(2)
// says.
bool kernel_is_at_least(std::string_view version);

}  // namespace dhow
