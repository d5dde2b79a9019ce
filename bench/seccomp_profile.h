// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace dhow::bench {

// linux.seccomp of a measured container, as JSON: an allow list of about 350 system calls with
// argument rules for personality, clone and socket, in the manner of the engines' default profiles.
std::string seccomp_profile();

}  // namespace dhow::bench
