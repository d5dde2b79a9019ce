// SPDX-License-Identifier: Apache-2.0
#include "sys/bpf.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace dhow {

bpf_insn bpf_instruction(unsigned code, unsigned target, unsigned source, std::ptrdiff_t offset,
                         std::uint32_t value) {
  bpf_insn made{};
  made.code = static_cast<std::uint8_t>(code);
  made.dst_reg = static_cast<std::uint8_t>(target & 0xF);
  made.src_reg = static_cast<std::uint8_t>(source & 0xF);
  made.off = static_cast<std::int16_t>(offset);
  made.imm = static_cast<std::int32_t>(value);
  return made;
}

bpf_insn bpf_move(unsigned target, unsigned source) {
  return bpf_instruction(BPF_ALU64 | BPF_MOV | BPF_X, target, source, 0, 0);
}

bpf_insn bpf_set(unsigned target, std::uint32_t value) {
  return bpf_instruction(BPF_ALU64 | BPF_MOV | BPF_K, target, 0, 0, value);
}

bpf_insn bpf_call(std::uint32_t helper) {
  return bpf_instruction(BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

bpf_insn bpf_exit() { return bpf_instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }

long call_bpf(int command, bpf_attr& attributes) {
  return ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

std::uint64_t bpf_pointer(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

Result<Fd> load_bpf_program(bpf_attr load, std::string_view name,
                            const std::vector<bpf_insn>& program) {
  load.insn_cnt = static_cast<std::uint32_t>(program.size());
  load.insns = bpf_pointer(program.data());
  load.license = bpf_pointer("Apache-2.0");
  name.copy(load.prog_name, sizeof load.prog_name - 1);
  long fd = call_bpf(BPF_PROG_LOAD, load);
  if (fd < 0 && errno == EPERM) {
    // Before Linux 5.11 programs count against RLIMIT_MEMLOCK, 64 KiB by default.
    rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    if (::setrlimit(RLIMIT_MEMLOCK, &unlimited) == 0) {
      fd = call_bpf(BPF_PROG_LOAD, load);
    } else {
      errno = EPERM;
    }
  }
  if (fd < 0) return fail_errno(errno, "load a BPF program");
  return Fd(static_cast<int>(fd));
}

}  // namespace dhow
