// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/seccomp/machine.h"
#include "runtime/seccomp/seccomp.h"

namespace dhow::seccomp {

// compile() for a machine that needn't be the running one.
Result<Program> compile_for(const oci::Seccomp& profile, const Machine& machine);

}  // namespace dhow::seccomp
