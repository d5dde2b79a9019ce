// SPDX-License-Identifier: Apache-2.0
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/strings.h"
#include "runtime/init/process_setup.h"

namespace dhow::init {
namespace {

// struct sched_attr of sched_setattr(2), in the size that has the utilization clamps (Linux 5.3):
// written out because the kernel's header of it and <sched.h> can't both be included.
struct SchedAttr {
  std::uint32_t size = sizeof(SchedAttr);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0;
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
  // -1 is the system's default. The specification has flags for the clamps but no values, so they
  // can only mean that.
  std::uint32_t util_min = 0xffffffff;
  std::uint32_t util_max = 0xffffffff;
};
static_assert(sizeof(SchedAttr) == 56);

struct Policy {
  std::string_view name;
  std::uint32_t number;
};

constexpr Policy kPolicies[] = {
    {"SCHED_OTHER", 0}, {"SCHED_FIFO", 1}, {"SCHED_RR", 2},       {"SCHED_BATCH", 3},
    {"SCHED_ISO", 4},   {"SCHED_IDLE", 5}, {"SCHED_DEADLINE", 6},
};

struct Flag {
  std::string_view name;
  std::uint64_t bit;
};

constexpr Flag kFlags[] = {
    {"SCHED_FLAG_RESET_ON_FORK", 0x01},  {"SCHED_FLAG_RECLAIM", 0x02},
    {"SCHED_FLAG_DL_OVERRUN", 0x04},     {"SCHED_FLAG_KEEP_POLICY", 0x08},
    {"SCHED_FLAG_KEEP_PARAMS", 0x10},    {"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20},
    {"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40},
};

const Policy* find_policy(std::string_view name) {
  for (const Policy& entry : kPolicies) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

Result<std::uint64_t> parse_flags(const std::vector<std::string>& names) {
  std::uint64_t flags = 0;
  for (const std::string& name : names) {
    std::uint64_t found = 0;
    for (const Flag& entry : kFlags) {
      if (entry.name == name) found = entry.bit;
    }
    if (found == 0) {
      return fail(Code::kInvalidArgument, cat("unknown scheduler flag ", quoted(name)));
    }
    flags |= found;
  }
  return flags;
}

}  // namespace

Status set_scheduler(const oci::Scheduler& scheduler) {
  const Policy* policy = find_policy(scheduler.policy);
  if (policy == nullptr) {
    return fail(Code::kInvalidArgument, cat("unknown scheduler policy ", quoted(scheduler.policy)));
  }
  if (scheduler.nice < -20 || scheduler.nice > 19) {
    return fail(Code::kInvalidArgument,
                cat("scheduler nice ", scheduler.nice, " is not between -20 and 19"));
  }
  if (scheduler.priority < 0) {
    return fail(Code::kInvalidArgument,
                cat("scheduler priority ", scheduler.priority, " is below 0"));
  }
  SchedAttr attributes;
  TRY_ASSIGN(attributes.flags, parse_flags(scheduler.flags));
  attributes.policy = policy->number;
  attributes.nice = scheduler.nice;
  attributes.priority = static_cast<std::uint32_t>(scheduler.priority);
  attributes.runtime = scheduler.runtime;
  attributes.deadline = scheduler.deadline;
  attributes.period = scheduler.period;
  if (::syscall(SYS_sched_setattr, 0, &attributes, 0) != 0) {
    return fail_errno(errno, cat("set scheduler policy ", scheduler.policy));
  }
  return {};
}

}  // namespace dhow::init
