// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "engine/container_record.h"
#include "engine/spec/mounts.h"
#include "sys/mount_fd.h"

namespace dhow::engine {

// Mounts the file system of a volume, detached; names of servers are looked up. Blocks on its
// device, or on its server.
Result<MountFd> mount_file_system(VolumeSource source);

// The snapshot by which a container has an image mounted.
std::string image_view(const ContainerRecord& record, const WantedMount& mount);

}  // namespace dhow::engine
