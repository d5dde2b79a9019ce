// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "runtime/cgroup/cgroup.h"

namespace dhow::cgroup {

// For --cgroup-manager=disabled: the container stays in the cgroups of its caller. Whatever needs a
// cgroup of its own is kFailedPrecondition.
std::unique_ptr<Cgroup> make_disabled();

}  // namespace dhow::cgroup
