// SPDX-License-Identifier: Apache-2.0
#include "runtime/attend.h"

#include <cerrno>

#include "base/strings.h"
#include "runtime/init/process_setup.h"
#include "runtime/seccomp/seccomp.h"
#include "runtime/sync.h"
#include "sys/file_io.h"

namespace dhow::runtime {
namespace {

Status hand_over_seccomp(const Attendance& attendance, int number) {
  TRY_ASSIGN(Fd listener, attendance.cloned.pidfd.take_fd(number));
  const oci::Seccomp& profile = *attendance.config.linux.seccomp;
  std::string state =
      oci::seccomp_state_json(attendance.state, attendance.cloned.pid, profile.listener_metadata);
  return seccomp::send_to_agent(profile.listener_path, listener, state);
}

Status adjust_oom_score(const Attendance& attendance) {
  const auto& score = attendance.process.oom_score_adj;
  if (!score) return {};
  auto written =
      write_existing(cat("/proc/", attendance.cloned.pid, "/oom_score_adj"), cat(*score));
  // Without the right to lower it, an ordinary user's container keeps what it has.
  if (written || (attendance.rootless && written.error().sys_errno() == EACCES)) return {};
  return fail(std::move(written).error().add_context(cat(attendance.json_path, ".oomScoreAdj")));
}

std::unexpected<Error> own_failure(const Attendance& attendance, Error error) {
  if (!attendance.failure_context.empty()) error.add_context(attendance.failure_context);
  return fail(std::move(error));
}

}  // namespace

Status attend_process(const Attendance& attendance) {
  auto set_limits = [&] {
    return init::set_rlimits(attendance.cloned.pid, attendance.process.rlimits);
  };
  bool limits_set = false;
  while (true) {
    TRY_ASSIGN(SyncMessage message, receive_sync(attendance.sync));
    switch (message.type) {
      case MessageType::kMountsDone:
        if (attendance.on_mounts_done) TRY(attendance.on_mounts_done());
        continue;  // no answer: the process goes on meanwhile
      case MessageType::kEarlyHooks:
        if (attendance.on_early_hooks) TRY(attendance.on_early_hooks());
        break;
      case MessageType::kSeccompFd:
        TRY(hand_over_seccomp(attendance, message.number));
        break;
      case MessageType::kLimits:
        TRY(set_limits());
        limits_set = true;
        break;
      case MessageType::kReady:
        if (!limits_set) TRY(set_limits());
        return adjust_oom_score(attendance);
      case MessageType::kError:
        return own_failure(attendance, Error(message.code, message.number, message.text));
      default:
        return own_failure(attendance, Error(Code::kInternal, "the process ended without a word"));
    }
    TRY(send_sync(attendance.sync, MessageType::kGo));
  }
}

Status start_process(FdRef sync) {
  TRY(send_sync(sync, MessageType::kStart));
  TRY_ASSIGN(SyncMessage message, receive_sync(sync));
  if (message.type != MessageType::kError) return {};
  return fail(Error(message.code, message.number, message.text));
}

}  // namespace dhow::runtime
