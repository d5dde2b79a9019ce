// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/container_config.h"
#include "oci/config.h"

namespace dhow::engine {

// Gives a container the devices of a request, as their Container Device Interface descriptions say
// (CDI 0.8, *.json, *.yaml and *.yml in the folders, the later ones going before): their edits are
// made to `spec`. The request's driver is "cdi", its ids "vendor.com/class=name". kInvalidArgument
// when one is not described, and for one of a description that can't be read, with the file's name;
// kUnimplemented for other drivers. Blocks on the disk.
Status inject_devices(const DeviceRequest& request, const std::vector<std::string>& folders,
                      oci::Config& spec);

}  // namespace dhow::engine
