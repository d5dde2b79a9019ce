// SPDX-License-Identifier: Apache-2.0
#include "oci/config_decode.h"

namespace dhow::oci {

void decode(const JsonReader& in, SeccompAction& out);
void decode(const JsonReader& in, SeccompOperator& out);
void decode(const JsonReader& in, SeccompArg& out);
void decode(const JsonReader& in, SeccompSyscall& out);

namespace {

constexpr EnumName<SeccompAction> kActions[] = {
    {"SCMP_ACT_ALLOW", SeccompAction::kAllow},
    {"SCMP_ACT_ERRNO", SeccompAction::kErrno},
    {"SCMP_ACT_KILL", SeccompAction::kKillThread},
    {"SCMP_ACT_KILL_THREAD", SeccompAction::kKillThread},
    {"SCMP_ACT_KILL_PROCESS", SeccompAction::kKillProcess},
    {"SCMP_ACT_TRAP", SeccompAction::kTrap},
    {"SCMP_ACT_TRACE", SeccompAction::kTrace},
    {"SCMP_ACT_LOG", SeccompAction::kLog},
    {"SCMP_ACT_NOTIFY", SeccompAction::kNotify},
};

constexpr EnumName<SeccompOperator> kOperators[] = {
    {"SCMP_CMP_EQ", SeccompOperator::kEq},
    {"SCMP_CMP_NE", SeccompOperator::kNe},
    {"SCMP_CMP_LT", SeccompOperator::kLt},
    {"SCMP_CMP_LE", SeccompOperator::kLe},
    {"SCMP_CMP_GE", SeccompOperator::kGe},
    {"SCMP_CMP_GT", SeccompOperator::kGt},
    {"SCMP_CMP_MASKED_EQ", SeccompOperator::kMaskedEq},
};

// A system call has six arguments.
constexpr std::uint32_t kLastArgument = 5;

}  // namespace

void decode(const JsonReader& in, SeccompAction& out) {
  decode_enum(in, kActions, "seccomp action", out);
}

void decode(const JsonReader& in, SeccompOperator& out) {
  decode_enum(in, kOperators, "seccomp operator", out);
}

void decode(const JsonReader& in, SeccompArg& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "index", out.index);
  if (out.index > kLastArgument) in.member("index").fail_expected("a number from 0 to 5");
  required_member(in, "value", out.value);
  optional_member(in, "valueTwo", out.value_two);
  required_member(in, "op", out.op);
}

void decode(const JsonReader& in, SeccompSyscall& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "names", out.names);
  required_member(in, "action", out.action);
  optional_member(in, "errnoRet", out.errno_ret);
  optional_member(in, "args", out.args);
}

void decode(const JsonReader& in, Seccomp& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "defaultAction", out.default_action);
  optional_member(in, "defaultErrnoRet", out.default_errno_ret);
  optional_member(in, "architectures", out.architectures);
  optional_member(in, "flags", out.flags);
  optional_member(in, "listenerPath", out.listener_path);
  optional_member(in, "listenerMetadata", out.listener_metadata);
  optional_member(in, "syscalls", out.syscalls);
}

}  // namespace dhow::oci
