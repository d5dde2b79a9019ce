// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/bpf.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

// Programs for the kernel (bpf(2)) that are put together here, instruction by instruction.
namespace dhow {

// `code` is BPF_* of linux/bpf.h, target and source are registers. A number is an offset in what a
// register points to, or a distance to jump.
bpf_insn bpf_instruction(unsigned code, unsigned target, unsigned source, std::ptrdiff_t offset,
                         std::uint32_t value);

bpf_insn bpf_move(unsigned target, unsigned source);
bpf_insn bpf_set(unsigned target, std::uint32_t value);
// BPF_FUNC_*; the result is in register 0.
bpf_insn bpf_call(std::uint32_t helper);
bpf_insn bpf_exit();

// The system call: -1 and errno where it fails.
long call_bpf(int command, bpf_attr& attributes);
// A pointer as its attributes have it.
std::uint64_t bpf_pointer(const void* pointer);

// Loads a program; `load` has its kind, and how it will be attached. `name` is at most 15 bytes
// long, or "". The program lives as long as the descriptor or what it is attached to. EPERM: not
// allowed, or before Linux 5.11 too little RLIMIT_MEMLOCK, which is raised where we may.
Result<Fd> load_bpf_program(bpf_attr load, std::string_view name,
                            const std::vector<bpf_insn>& program);

}  // namespace dhow
