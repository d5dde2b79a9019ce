// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow {

// Limits of what is below folders, by project quotas: ext4 and xfs that are mounted with prjquota.

// Success when the file system of a folder has them, and we may set limits. kUnimplemented
// otherwise, with the file system's name; kPermissionDenied as in a user namespace.
Status check_project_quota(FdRef folder);

// Limits what is below the folders `names` of `place`, taken together, to `bytes`; 0: no limit. Of
// `names` those that are missing are left out. The first time they become a project that nothing
// on the file system belongs to and no limit has been set for; they should be empty then, as files
// that are there stay outside. `hint` is where a number for it is looked for first. Faults as of
// check_project_quota. Safe beside others that do the same in this process.
Status limit_folders(FdRef place, const std::vector<std::string>& names, std::int64_t bytes,
                     std::uint32_t hint);

// While it is there, limits hold for the calling thread: it does without CAP_SYS_RESOURCE, with
// which root exceeds those of ext4. Made and dropped by one thread.
class WithinQuotas {
 public:
  WithinQuotas();
  ~WithinQuotas();
  WithinQuotas(const WithinQuotas&) = delete;
  WithinQuotas& operator=(const WithinQuotas&) = delete;

 private:
  bool dropped_ = false;
};

}  // namespace dhow
