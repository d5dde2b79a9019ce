// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"

namespace dhow::runtime {

// Makes sure that nobody inside a container can write to this program through /proc/<pid>/exe
// (CVE-2019-5736), before any process of it enters one: unless its file can't be written by
// construction, the program executes itself again from a detached read-only mount of its own file,
// which costs no copy. Where the kernel doesn't allow that mount, from a sealed copy in memory.
//
// Nothing is done when the file is immutable or has fs-verity on (statx attributes), lies on a
// read-only mount, is a sealed memfd already, or, for an ordinary user, is a file that this user
// can't write.
//
// Call it first of all in the program. Returns when nothing was to be done, or with the error.
Status seal_self(char** argv);

}  // namespace dhow::runtime
