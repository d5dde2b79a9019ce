// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/result.h"

namespace dhow::network {

// What an interface of the calling thread's network namespace has of IPv6, best said before it is
// up: the addresses that it is given and no others, which can be used at once; and it learns
// nothing from routers, as whoever is in the network could say that he is one. ENOENT: the kernel
// has no IPv6.
Status allow_six(std::string_view interface);
// None at all, not even an address of its link.
void forbid_six(std::string_view interface);

}  // namespace dhow::network
