// SPDX-License-Identifier: Apache-2.0
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/strings.h"
#include "runtime/init/number_list.h"
#include "runtime/init/process_setup.h"
#include "runtime/init/safe_proc.h"
#include "sys/file_io.h"

namespace dhow::init {
namespace {

struct NamedNumber {
  std::string_view name;
  int number;
};

const NamedNumber* find_name(const auto& table, std::string_view name) {
  for (const NamedNumber& entry : table) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

constexpr std::array<NamedNumber, 16> kLimits = {{
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
}};

// ioprio_set(2), linux/ioprio.h.
constexpr int kIoprioWhoProcess = 1;
constexpr int kIoprioClassShift = 13;
constexpr std::array<NamedNumber, 3> kIoClasses = {{
    {"IOPRIO_CLASS_RT", 1},
    {"IOPRIO_CLASS_BE", 2},
    {"IOPRIO_CLASS_IDLE", 3},
}};

// set_mempolicy(2), linux/mempolicy.h: written out, as libnuma's header may lack the newer ones.
constexpr int kMpolDefault = 0;
constexpr int kMpolLocal = 4;
constexpr std::array<NamedNumber, 7> kMemoryModes = {{
    {"MPOL_DEFAULT", kMpolDefault},
    {"MPOL_PREFERRED", 1},
    {"MPOL_BIND", 2},
    {"MPOL_INTERLEAVE", 3},
    {"MPOL_LOCAL", kMpolLocal},
    {"MPOL_PREFERRED_MANY", 5},
    {"MPOL_WEIGHTED_INTERLEAVE", 6},
}};
constexpr std::array<NamedNumber, 3> kMemoryFlags = {{
    {"MPOL_F_NUMA_BALANCING", 1 << 13},
    {"MPOL_F_RELATIVE_NODES", 1 << 14},
    {"MPOL_F_STATIC_NODES", 1 << 15},
}};

std::vector<std::string> names_in(const auto& table) {
  std::vector<std::string> names;
  for (const NamedNumber& entry : table) names.emplace_back(entry.name);
  return names;
}

std::string limit_text(std::uint64_t value) {
  return value == RLIM64_INFINITY ? "unlimited" : cat(value);
}

Status set_rlimit(pid_t pid, const oci::Rlimit& limit) {
  const NamedNumber* known = find_name(kLimits, limit.type);
  if (known == nullptr) {
    return fail(Code::kInvalidArgument, cat("unknown limit ", quoted(limit.type)));
  }
  struct rlimit64 wanted{limit.soft, limit.hard};
  // The raw call: glibc types the resource as an enum.
  if (::syscall(SYS_prlimit64, pid, known->number, &wanted, nullptr) == 0) return {};
  int error = errno;
  std::string text = cat("set ", limit.type, " to soft ", limit_text(limit.soft), ", hard ",
                         limit_text(limit.hard));
  struct rlimit64 now{};
  bool known_now = ::syscall(SYS_prlimit64, pid, known->number, nullptr, &now) == 0;
  if (error == EPERM && known_now && limit.hard > now.rlim_max) {
    text +=
        cat(": raising the hard limit above ", limit_text(now.rlim_max), " needs CAP_SYS_RESOURCE");
    if (known->number == RLIMIT_NOFILE) text += ", and at most fs.nr_open is allowed";
  } else if (error == EINVAL && limit.soft > limit.hard) {
    text += ": the soft limit is above the hard one";
  }
  return fail_errno(error, text);
}

}  // namespace

Status set_rlimits(pid_t pid, const std::vector<oci::Rlimit>& limits) {
  for (const oci::Rlimit& limit : limits) TRY(set_rlimit(pid, limit));
  return {};
}

Status set_oom_score_adj(FdRef proc, int value) {
  std::string text = cat("set oom_score_adj to ", value);
  auto file = open_own_proc_for_write(proc, "oom_score_adj");
  if (!file) return fail(std::move(file).error().add_context(text));
  auto written = write_all(*file, cat(value));
  if (written) return {};
  Error error = std::move(written).error();
  if (error.sys_errno() == EACCES) error.add_context("a lower value needs CAP_SYS_RESOURCE");
  return fail(std::move(error).add_context(text));
}

Status set_io_priority(const oci::IoPriority& priority) {
  const NamedNumber* known = find_name(kIoClasses, priority.io_class);
  if (known == nullptr) {
    return fail(Code::kInvalidArgument,
                cat("unknown I/O priority class ", quoted(priority.io_class)));
  }
  if (priority.priority < 0 || priority.priority > 7) {
    return fail(Code::kInvalidArgument,
                cat("I/O priority ", priority.priority, " is not between 0 and 7"));
  }
  int value = known->number << kIoprioClassShift | priority.priority;
  if (::syscall(SYS_ioprio_set, kIoprioWhoProcess, 0, value) != 0) {
    return fail_errno(errno, cat("set I/O priority ", priority.io_class, " ", priority.priority));
  }
  return {};
}

Status set_cpu_affinity(std::string_view cpus) {
  TRY_ASSIGN(NumberMask mask, parse_number_list(cpus));
  bool all = mask.empty();
  // The kernel cuts the mask to its own size and to what the cgroup's cpuset allows.
  if (all) mask.assign((kMaxListNumber + 1) / (8 * sizeof(unsigned long)), ~0UL);
  if (::syscall(SYS_sched_setaffinity, 0, mask.size() * sizeof(unsigned long), mask.data()) != 0) {
    return fail_errno(errno, cat("set CPU affinity to ", all ? "all CPUs" : quoted(cpus)));
  }
  return {};
}

Status set_personality(const oci::Personality& wanted) {
  unsigned long domain;
  if (wanted.domain == "LINUX") {
    domain = PER_LINUX;
  } else if (wanted.domain == "LINUX32") {
    domain = PER_LINUX32;
  } else {
    return fail(Code::kInvalidArgument, cat("unknown personality ", quoted(wanted.domain)));
  }
  if (!wanted.flags.empty()) {
    return fail(Code::kInvalidArgument,
                cat("unknown personality flag ", quoted(wanted.flags.front())));
  }
  if (::personality(domain) < 0) {
    return fail_errno(errno, cat("set personality ", quoted(wanted.domain)));
  }
  return {};
}

std::vector<std::string> known_memory_policy_modes() { return names_in(kMemoryModes); }
std::vector<std::string> known_memory_policy_flags() { return names_in(kMemoryFlags); }

Status set_memory_policy(const oci::MemoryPolicy& policy) {
  const NamedNumber* mode = find_name(kMemoryModes, policy.mode);
  if (mode == nullptr) {
    return fail(Code::kInvalidArgument, cat("unknown memory policy mode ", quoted(policy.mode)));
  }
  int value = mode->number;
  for (const std::string& name : policy.flags) {
    const NamedNumber* flag = find_name(kMemoryFlags, name);
    if (flag == nullptr) {
      return fail(Code::kInvalidArgument, cat("unknown memory policy flag ", quoted(name)));
    }
    value |= flag->number;
  }
  auto mask = parse_number_list(policy.nodes);
  if (!mask) return fail(std::move(mask).error().add_context("memory policy nodes"));
  // The kernel takes one less than `maxnode` bits, and 0 bits as "no mask".
  std::size_t bits = mask->empty() ? 0 : mask->size() * 8 * sizeof(unsigned long) + 1;
  const unsigned long* words = mask->empty() ? nullptr : mask->data();
  if (::syscall(SYS_set_mempolicy, value, words, bits) != 0) {
    return fail_errno(errno,
                      cat("set memory policy ", policy.mode, " on nodes ", quoted(policy.nodes)));
  }
  return {};
}

Status set_no_new_privileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) != 0) {
    return fail_errno(errno, "set no_new_privs");
  }
  return {};
}

}  // namespace dhow::init
