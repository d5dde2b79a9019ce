// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace dhow::shim {

// Unmaps what the process has touched of its own code and constants. They stay in the page cache,
// for all shims together, and what is used again comes back from there, some microseconds a piece.
// To be called when a shim has done what it does once, and begins to wait: the kernel maps 16 pages
// for each one that is touched, so nearly all of the program counts as the shim's otherwise.
void drop_resident_code();

}  // namespace dhow::shim
