// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "runtime/cgroup/devices.h"
#include "runtime/cgroup/systemd_client.h"

namespace dhow::cgroup {

// What of the limits systemd has properties for, so that it keeps them when it sets up its cgroups
// again (systemd.resource-control(5)). The rest is only in the files. `version` is asked for only
// when an answer is needed.
Result<std::vector<UnitProperty>> limit_properties(const oci::Resources& resources, bool unified,
                                                   const std::function<Result<int>()>& version);

// DevicePolicy and DeviceAllow. `proc_devices` is the text of /proc/devices, which has the names
// that stand for whole majors.
std::vector<UnitProperty> device_properties(const DevicePolicy& policy,
                                            std::string_view proc_devices);

// org.systemd.property.* annotations.
Result<std::vector<UnitProperty>> annotation_properties(const oci::StringMap& annotations);

// CPUQuotaPerSecUSec: systemd rounds to whole percents, so this rounds up to one, to leave room for
// the quota that the files get. UINT64_MAX: no limit.
std::uint64_t quota_per_second(std::int64_t quota, std::uint64_t period);

// A cpu list ("0-2,7") as AllowedCPUs takes it: bits, the lowest in the first byte first.
Result<std::vector<std::uint8_t>> list_bits(std::string_view list);

}  // namespace dhow::cgroup
