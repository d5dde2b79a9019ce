// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace dhow::testing_support {

// Whether the programs are built with a sanitizer of addresses or threads. GCC says so by macros,
// clang by __has_feature().
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized =
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace dhow::testing_support
