// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "oci/validate.h"
#include "oci/validate_parts.h"

namespace dhow::oci {
namespace {

constexpr std::string_view kRlimits[] = {
    "RLIMIT_AS",     "RLIMIT_CORE",   "RLIMIT_CPU",        "RLIMIT_DATA",
    "RLIMIT_FSIZE",  "RLIMIT_LOCKS",  "RLIMIT_MEMLOCK",    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",   "RLIMIT_NOFILE", "RLIMIT_NPROC",      "RLIMIT_RSS",
    "RLIMIT_RTPRIO", "RLIMIT_RTTIME", "RLIMIT_SIGPENDING", "RLIMIT_STACK",
};

constexpr std::string_view kPolicies[] = {
    "SCHED_OTHER", "SCHED_FIFO", "SCHED_RR",       "SCHED_BATCH",
    "SCHED_ISO",   "SCHED_IDLE", "SCHED_DEADLINE",
};

constexpr std::string_view kSchedulerFlags[] = {
    "SCHED_FLAG_RESET_ON_FORK",  "SCHED_FLAG_RECLAIM",     "SCHED_FLAG_DL_OVERRUN",
    "SCHED_FLAG_KEEP_POLICY",    "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN",
    "SCHED_FLAG_UTIL_CLAMP_MAX",
};

constexpr std::string_view kIoClasses[] = {"IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE",
                                           "IOPRIO_CLASS_IDLE"};

constexpr std::string_view kTimeShared[] = {"SCHED_OTHER", "SCHED_BATCH"};
constexpr std::string_view kRealTime[] = {"SCHED_FIFO", "SCHED_RR"};

constexpr std::uint64_t kMaxConsole = 65535;  // struct winsize has 16 bits a side

Status check_environment(const std::vector<std::string>& env, std::string_view path) {
  for (std::size_t i = 0; i < env.size(); ++i) {
    std::size_t at = env[i].find('=');
    if (at == std::string::npos || at == 0) {
      return invalid(cat(path, ".env[", i, "]"),
                     cat(quoted(env[i]), " is not of the form NAME=value"));
    }
    if (env[i].find('\0') != std::string::npos) {
      return invalid(cat(path, ".env[", i, "]"), "the string holds a NUL");
    }
  }
  return {};
}

Status check_rlimits(const std::vector<Rlimit>& limits, std::string_view path) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const Rlimit& limit = limits[i];
    if (!is_one_of(limit.type, kRlimits)) {
      return invalid(cat(path, ".rlimits[", i, "].type"),
                     cat("unknown rlimit ", quoted(limit.type)));
    }
    if (limit.soft > limit.hard) {
      return invalid(cat(path, ".rlimits[", i, "].soft"),
                     cat(limit.soft, " is greater than the hard limit ", limit.hard));
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (limits[j].type == limit.type) {
        return invalid(cat(path, ".rlimits[", i, "].type"),
                       cat("a second ", limit.type, ", after number ", j));
      }
    }
  }
  return {};
}

Status check_priorities(const Scheduler& scheduler, std::string_view path) {
  if (is_one_of(scheduler.policy, kTimeShared)) {
    if (scheduler.nice < -20 || scheduler.nice > 19) {
      return invalid(cat(path, ".nice"), cat(scheduler.nice, " is not from -20 to 19"));
    }
  } else if (scheduler.nice != 0) {
    log::warning(cat(path, ".nice: has no effect with ", scheduler.policy));
  }
  if (is_one_of(scheduler.policy, kRealTime)) {
    if (scheduler.priority < 1 || scheduler.priority > 99) {
      return invalid(cat(path, ".priority"), cat(scheduler.priority, " is not from 1 to 99"));
    }
  } else if (scheduler.priority != 0) {
    return invalid(cat(path, ".priority"), "only for SCHED_FIFO and SCHED_RR");
  }
  return {};
}

Status check_scheduler(const Scheduler& scheduler, std::string_view path) {
  if (!is_one_of(scheduler.policy, kPolicies)) {
    return invalid(cat(path, ".policy"),
                   cat("unknown scheduler policy ", quoted(scheduler.policy)));
  }
  for (std::size_t i = 0; i < scheduler.flags.size(); ++i) {
    if (!is_one_of(scheduler.flags[i], kSchedulerFlags)) {
      return invalid(cat(path, ".flags[", i, "]"),
                     cat("unknown scheduler flag ", quoted(scheduler.flags[i])));
    }
  }
  TRY(check_priorities(scheduler, path));
  if (scheduler.policy != "SCHED_DEADLINE" &&
      (scheduler.runtime != 0 || scheduler.deadline != 0 || scheduler.period != 0)) {
    return invalid(path, "runtime, deadline and period are only for SCHED_DEADLINE");
  }
  return {};
}

Status check_io_priority(const IoPriority& priority, std::string_view path) {
  if (!is_one_of(priority.io_class, kIoClasses)) {
    return invalid(cat(path, ".class"), cat("unknown I/O class ", quoted(priority.io_class)));
  }
  if (priority.priority < 0 || priority.priority > 7) {
    return invalid(cat(path, ".priority"), cat(priority.priority, " is not from 0 to 7"));
  }
  return {};
}

Status check_affinity(const CpuAffinity& affinity, std::string_view path) {
  if (!is_list(affinity.initial)) {
    return invalid(cat(path, ".initial"), cat(quoted(affinity.initial), " is no list of CPUs"));
  }
  if (!is_list(affinity.final)) {
    return invalid(cat(path, ".final"), cat(quoted(affinity.final), " is no list of CPUs"));
  }
  return {};
}

}  // namespace

Status validate_process(const Process& process, std::string_view path) {
  if (process.args.empty()) return invalid(cat(path, ".args"), "must not be empty");
  if (!is_absolute(process.cwd)) {
    return invalid(cat(path, ".cwd"), cat(quoted(process.cwd), " is not absolute"));
  }
  TRY(check_environment(process.env, path));
  if (process.console_size &&
      (process.console_size->height > kMaxConsole || process.console_size->width > kMaxConsole)) {
    return invalid(cat(path, ".consoleSize"), cat("a side is longer than ", kMaxConsole));
  }
  TRY(check_rlimits(process.rlimits, path));
  if (int adj = process.oom_score_adj.value_or(0); adj < -1000 || adj > 1000) {
    return invalid(cat(path, ".oomScoreAdj"), cat(adj, " is not from -1000 to 1000"));
  }
  if (process.scheduler) TRY(check_scheduler(*process.scheduler, cat(path, ".scheduler")));
  if (process.io_priority) TRY(check_io_priority(*process.io_priority, cat(path, ".ioPriority")));
  if (process.exec_cpu_affinity) {
    TRY(check_affinity(*process.exec_cpu_affinity, cat(path, ".execCPUAffinity")));
  }
  return {};
}

}  // namespace dhow::oci
