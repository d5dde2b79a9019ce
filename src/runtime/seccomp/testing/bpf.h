// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace dhow::seccomp::testing {

// Why the kernel would refuse the program (seccomp_check_filter and bpf_check_classic), or why it
// isn't one of ours: jumps stay inside, every way ends in a return, loads are aligned words of
// seccomp_data, 1 to 4096 instructions. Empty: it is sound. Since all jumps go forward, a sound
// program ends.
std::string find_fault(std::span<const sock_filter> program);

// What a sound program answers; nullopt when it does something that find_fault() objects to.
// `steps`, when given, is the number of instructions that were executed.
std::optional<std::uint32_t> run(std::span<const sock_filter> program, const seccomp_data& data,
                                 unsigned* steps = nullptr);

}  // namespace dhow::seccomp::testing
