// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"

namespace dhow {

// 128 bits of getrandom(2) as 32 hexadecimal digits: a name that nobody has, in this process or
// another, now or before a crash. Blocks only while a machine that has just started has none.
Result<std::string> random_name();
// The same of 256 bits, as the ids of docker are.
Result<std::string> random_id();

}  // namespace dhow
