// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/container_config.h"
#include "oci/config.h"

namespace dhow::engine {

struct SpecDevices {
  std::vector<oci::Device> nodes;
  std::vector<oci::DeviceRule> rules;
};

// What every container may use: null, zero, full, random, urandom, tty, console and fuse's rule.
std::vector<oci::DeviceRule> default_device_rules();

// Adds a device of the host, or all that are in a folder of it. kInvalidArgument in docker's words
// when there is none.
Status add_device(const DeviceMapping& wanted, SpecDevices& out);
// Adds every device below /dev but terminals' and what is mounted there: for --privileged.
Status add_all_devices(SpecDevices& out);

// Reads "c 10:200 rwm"; '*' is any number. kInvalidArgument in docker's words.
Result<oci::DeviceRule> parse_device_rule(std::string_view text);

}  // namespace dhow::engine
