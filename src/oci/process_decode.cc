// SPDX-License-Identifier: Apache-2.0
#include "oci/config_decode.h"

namespace dhow::oci {

void decode(const JsonReader& in, ConsoleSize& out);
void decode(const JsonReader& in, User& out);
void decode(const JsonReader& in, Capabilities& out);
void decode(const JsonReader& in, Rlimit& out);
void decode(const JsonReader& in, Scheduler& out);
void decode(const JsonReader& in, IoPriority& out);
void decode(const JsonReader& in, CpuAffinity& out);

void decode(const JsonReader& in, ConsoleSize& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "height", out.height);
  required_member(in, "width", out.width);
}

void decode(const JsonReader& in, User& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "uid", out.uid);
  optional_member(in, "gid", out.gid);
  optional_member(in, "umask", out.umask);
  optional_member(in, "additionalGids", out.additional_gids);
}

void decode(const JsonReader& in, Capabilities& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "bounding", out.bounding);
  optional_member(in, "permitted", out.permitted);
  optional_member(in, "effective", out.effective);
  optional_member(in, "inheritable", out.inheritable);
  optional_member(in, "ambient", out.ambient);
}

void decode(const JsonReader& in, Rlimit& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "type", out.type);
  required_member(in, "hard", out.hard);
  required_member(in, "soft", out.soft);
}

void decode(const JsonReader& in, Scheduler& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "policy", out.policy);
  optional_member(in, "nice", out.nice);
  optional_member(in, "priority", out.priority);
  optional_member(in, "flags", out.flags);
  optional_member(in, "runtime", out.runtime);
  optional_member(in, "deadline", out.deadline);
  optional_member(in, "period", out.period);
}

void decode(const JsonReader& in, IoPriority& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "class", out.io_class);
  optional_member(in, "priority", out.priority);
}

void decode(const JsonReader& in, CpuAffinity& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "initial", out.initial);
  optional_member(in, "final", out.final);
}

void decode(const JsonReader& in, Process& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "terminal", out.terminal);
  optional_member(in, "consoleSize", out.console_size);
  optional_member(in, "user", out.user);
  optional_member(in, "args", out.args);
  optional_member(in, "env", out.env);
  required_member(in, "cwd", out.cwd);
  optional_member(in, "capabilities", out.capabilities);
  optional_member(in, "rlimits", out.rlimits);
  optional_member(in, "noNewPrivileges", out.no_new_privileges);
  optional_member(in, "apparmorProfile", out.apparmor_profile);
  optional_member(in, "selinuxLabel", out.selinux_label);
  optional_member(in, "oomScoreAdj", out.oom_score_adj);
  optional_member(in, "scheduler", out.scheduler);
  optional_member(in, "ioPriority", out.io_priority);
  optional_member(in, "execCPUAffinity", out.exec_cpu_affinity);
}

}  // namespace dhow::oci
