// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "sys/fd.h"

namespace dhow::seccomp {

// A profile compiled to classic BPF for the kernel's seccomp(2).
struct Program {
  std::vector<sock_filter> instructions;
  // SECCOMP_FILTER_FLAG_*; without a word about them as runc has it, for which speculative store
  // bypass stays as it is.
  unsigned flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  // The profile names them: a kernel that lacks one is a failure. Else they are a default.
  bool flags_required = false;
  bool notify = false;  // some rule asks the listener
};

// Compiles a profile for the running machine's architectures. Pure; no system call. Errors name the
// JSON path below $.linux.seccomp.
Result<Program> compile(const oci::Seccomp& profile);

// crun's annotation for a program that is ready, in place of a profile.
inline constexpr const char* kReadyAnnotation = "run.oci.seccomp_bpf_data";

// A program as kReadyAnnotation has it: the instructions of struct sock_filter in base64.
// kInvalidArgument for what is no such text, holds no whole instructions, or more than the kernel
// takes; whether they make sense is for the kernel to say. A program of that kind has the flags of
// a profile that names none.
Result<Program> from_base64(std::string_view text);
std::string to_base64(const Program& program);

// What a configuration asks for: the annotation's program in place of its profile, the profile, or
// nothing.
Result<std::optional<Program>> program_of(const oci::Config& config);

// The first of the profile's names that is no system call of the running machine; "" when all are.
std::string unknown_syscall(const oci::Seccomp& profile);

// Installs the filter on the calling thread. With `notify` the listener's descriptor is returned.
// Needs CAP_SYS_ADMIN or no_new_privs.
Result<std::optional<Fd>> load(const Program& program);

// Sends the listener to the agent at `listener_path`: one connection, one sendmsg with the
// containerProcessState JSON and the descriptor, then close (runtime-spec, seccomp notify).
Status send_to_agent(const std::string& listener_path, FdRef listener, std::string_view state_json);

// For `features`: names that this build understands, and flags that this kernel takes.
std::vector<std::string> known_actions();
std::vector<std::string> known_operators();
std::vector<std::string> known_architectures();
std::vector<std::string> known_flags();
std::vector<std::string> supported_flags();

}  // namespace dhow::seccomp
