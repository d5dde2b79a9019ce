// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oci/config.h"

namespace dhow::seccomp::testing {

// A profile of the kind that container engines ship: deny by default, allow some 390 calls on all
// ABIs of x86, look at the arguments of a few. Names only calls that libseccomp 2.5.4 knows.
oci::Seccomp engine_profile();

}  // namespace dhow::seccomp::testing
