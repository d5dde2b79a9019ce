// SPDX-License-Identifier: Apache-2.0
#include <linux/bpf_common.h>

#include <cstring>

#include "base/strings.h"
#include "oci/base64.h"
#include "runtime/seccomp/seccomp.h"

namespace dhow::seccomp {
namespace {

std::unexpected<Error> invalid(std::string_view why) {
  return fail(Code::kInvalidArgument, cat("annotation ", kReadyAnnotation, ": ", why));
}

}  // namespace

Result<Program> from_base64(std::string_view text) {
  auto bytes = oci::base64_decode(text);
  if (!bytes) return invalid("no base64");
  if (bytes->empty() || bytes->size() % sizeof(sock_filter) != 0) {
    return invalid(cat(bytes->size(), " bytes are no whole BPF instructions"));
  }
  Program program;
  program.instructions.resize(bytes->size() / sizeof(sock_filter));
  if (program.instructions.size() > BPF_MAXINSNS) {
    return invalid(cat("more than ", BPF_MAXINSNS, " instructions"));
  }
  std::memcpy(program.instructions.data(), bytes->data(), bytes->size());
  return program;
}

std::string to_base64(const Program& program) {
  const auto* bytes = reinterpret_cast<const char*>(program.instructions.data());
  return oci::base64_encode({bytes, program.instructions.size() * sizeof(sock_filter)});
}

Result<std::optional<Program>> program_of(const oci::Config& config) {
  auto ready = config.annotations.find(kReadyAnnotation);
  if (ready != config.annotations.end()) {
    TRY_ASSIGN(Program program, from_base64(ready->second));
    return std::optional(std::move(program));
  }
  if (!config.linux.seccomp) return std::optional<Program>();
  TRY_ASSIGN(Program program, compile(*config.linux.seccomp));
  return std::optional(std::move(program));
}

}  // namespace dhow::seccomp
