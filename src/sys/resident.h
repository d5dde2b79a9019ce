// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace dhow {

// Unmaps what the process has touched of its own code and constants, and of those of its libraries.
// They stay in the page cache, for all processes together, and what is used again comes back from
// there, some microseconds a piece. For a process that has done what it does seldom, and begins to
// wait: the kernel maps 16 pages for each one that is touched, so nearly all of a program counts as
// the process's own otherwise. Threads that run meanwhile are not disturbed. Doesn't block.
void drop_resident_code();

}  // namespace dhow
