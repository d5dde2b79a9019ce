// SPDX-License-Identifier: Apache-2.0
#pragma once

// After a parameter: what is returned is a view into it. clang refuses a call whose result would
// outlive a temporary argument; g++ 12 has no such attribute.
#ifdef __clang__
#define DHOW_LIFETIMEBOUND [[clang::lifetimebound]]
#else
#define DHOW_LIFETIMEBOUND
#endif
