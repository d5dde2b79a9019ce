// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <string_view>

#include "base/result.h"
#include "sys/fd.h"

// Writes to files of procfs that nothing a container mounts or links can lead elsewhere
// (CVE-2019-16884, CVE-2025-52881).
namespace dhow::init {

// Opens `path` (relative, no "..") below `dir`, a folder of a procfs, for writing. No component may
// be a link or a mount, and what was opened must be a file of procfs.
Result<Fd> open_proc_for_write(FdRef dir, std::string_view path);

// As open_proc_for_write, of `path` in the caller's own folder of `proc` (the root of a procfs).
Result<Fd> open_own_proc_for_write(FdRef proc, std::string_view path);

// Writes `value` to the first of self/attr/<name> that exists. Errors show the file as
// `/proc/self/attr/<name>`, in backticks, which is how callers recognise a refused security
// attribute.
Status write_proc_attribute(FdRef proc, std::initializer_list<std::string_view> names,
                            std::string_view value);

}  // namespace dhow::init
