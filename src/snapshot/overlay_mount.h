// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "snapshot/mount_plan.h"
#include "sys/mount_fd.h"

namespace dhow::snapshot {

// A plan of one folder or image, without overlayfs.
Result<MountFd> mount_single(const MountPlan& plan, const MountOptions& options);
// Any other.
Result<MountFd> mount_overlay(const MountPlan& plan, const MountOptions& options);

// The options that the plan needs beside its folders.
std::vector<std::string> overlay_flags(const MountPlan& plan);

}  // namespace dhow::snapshot
