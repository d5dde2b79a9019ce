// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/container_config.h"
#include "oci/config.h"

namespace dhow::engine {

// Gives a container the devices of a request, as their Container Device Interface descriptions say
// (CDI 0.8, *.json in the folders, the later ones going before): their edits are made to `spec`.
// The request's driver is "cdi", its ids "vendor.com/class=name". kInvalidArgument when one is not
// described; kUnimplemented for other drivers, and for a device of a description in YAML, with the
// file's name. Blocks on the disk.
Status inject_devices(const DeviceRequest& request, const std::vector<std::string>& folders,
                      oci::Config& spec);

}  // namespace dhow::engine
