// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/result.h"
#include "oci/config.h"

// linux.intelRdt of the runtime specification, on the resctrl file system (Linux 4.10;
// Documentation/filesystems/resctrl.rst). Reads and writes files only; blocks as those do.
namespace dhow::runtime {

// Absolute paths of the folders that were made for a container; "" for what was there before, or
// not asked for. Only these may be removed again.
struct RdtGroups {
  std::string group;
  std::string monitor;
};

// Where resctrl is mounted as a rule; tests have a tree of their own.
inline constexpr std::string_view kResctrlRoot = "/sys/fs/resctrl";

// Puts process `pid` into the group of the configuration (closID; without one a group named by the
// container; "/" is the root group) with its schemata, and into a monitoring group named by the
// container when that is asked for. A closID without schemata must exist; one that exists must have
// the l3CacheSchema and memBwSchema already. On a failure nothing that was made is left.
// kFailedPrecondition when resctrl isn't mounted.
Result<RdtGroups> create_rdt_groups(std::string_view id, const oci::IntelRdt& config, pid_t pid,
                                    std::string_view root = kResctrlRoot);

// Removes what create_rdt_groups made. Folders that are gone are fine.
Status remove_rdt_groups(std::string_view group, std::string_view monitor);

// Writes the schemata ("" for one that stays) of a container's group again: `update`. The group
// must be there.
Status update_rdt_group(std::string_view id, const oci::IntelRdt& config,
                        std::string_view l3_cache_schema, std::string_view mem_bw_schema,
                        std::string_view root = kResctrlRoot);

}  // namespace dhow::runtime
