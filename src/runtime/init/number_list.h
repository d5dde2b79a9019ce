// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"

namespace dhow::init {

// A set of CPU or NUMA node numbers as the kernel's bit mask: words of the native `unsigned long`,
// as few as hold the highest number.
using NumberMask = std::vector<unsigned long>;

// The highest number that is taken: 16 times what any kernel configuration allows today.
inline constexpr unsigned kMaxListNumber = 131071;

// Parses a list such as "0-3, 7,9" (cpuset(7), "List format"). Blanks and empty parts are allowed;
// an empty text is an empty mask.
Result<NumberMask> parse_number_list(std::string_view text);

}  // namespace dhow::init
