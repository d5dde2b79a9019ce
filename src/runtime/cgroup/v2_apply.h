// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "runtime/cgroup/folder.h"

namespace dhow::cgroup {

// Enables controllers for the children of `folder` (cgroup-v2.rst, "Controlling Controllers"): the
// `wanted` ones, or all that it has when the list is empty. What can't be enabled stays off, and
// the limit that needs it fails later, with a better message than is possible here.
Status enable_for_children(const Folder& folder, const std::vector<std::string_view>& wanted);

// enable_for_children on every cgroup from `mount` to the one above `path`.
Status enable_controllers(const std::string& mount, const std::string& path, FsKind kind,
                          const std::vector<std::string_view>& wanted);

// Opens `path`, making what is missing below `mount` with all controllers enabled on the way.
Result<Folder::Made> make_v2_folder(const std::string& mount, const std::string& path, FsKind kind);

// Writes all limits but those for devices; `unified` last.
Status apply_v2(const Folder& folder, const oci::Resources& resources);

Status apply_hugetlb_v2(const Folder& folder, const std::vector<oci::HugepageLimit>& limits);
// The file is the same on v1 and v2.
Status apply_rdma(const Folder& folder, const std::map<std::string, oci::RdmaLimit>& limits);

}  // namespace dhow::cgroup
