// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace dhow::seccomp {

// Whether the specification knows this SCMP_ARCH_* name.
bool is_architecture(std::string_view name);

// The SECCOMP_FILTER_FLAG_* bit of a flag's name (0 for TSYNC, which a single-threaded program has
// no use for); nullopt: unknown.
std::optional<unsigned> flag_bit(std::string_view name);

}  // namespace dhow::seccomp
