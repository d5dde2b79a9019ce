// SPDX-License-Identifier: Apache-2.0
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <set>

#include "base/log.h"
#include "base/strings.h"
#include "runtime/init/process_setup.h"

namespace dhow::init {
namespace {

// Index = number of the capability (linux/capability.h).
constexpr std::array<std::string_view, 41> kNames = {
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
};

constexpr std::uint64_t bit(unsigned number) { return std::uint64_t{1} << number; }

// -1 past the last capability of the kernel; else whether the bounding set has it.
int read_bounding(unsigned number) {
  return ::prctl(PR_CAPBSET_READ, static_cast<unsigned long>(number), 0UL, 0UL, 0UL);
}

// How many capabilities the kernel has: found without /proc, which may not be there.
unsigned kernel_count() {
  static unsigned count = [] {
    unsigned number = kNames.size();
    if (read_bounding(number - 1) >= 0) {
      while (number < 64 && read_bounding(number) >= 0) ++number;
    } else {
      while (number > 0 && read_bounding(number - 1) < 0) --number;
    }
    return number;
  }();
  return count;
}

// Names that mean nothing here go to `unknown`, each once.
std::uint64_t parse_set(const std::vector<std::string>& names, std::set<std::string>& unknown) {
  std::uint64_t set = 0;
  for (const std::string& name : names) {
    unsigned number = 0;
    while (number < kNames.size() && kNames[number] != name) ++number;
    if (number < kNames.size() && number < kernel_count()) {
      set |= bit(number);
    } else {
      unknown.insert(name);
    }
  }
  return set;
}

std::string names_of(std::uint64_t set) {
  std::vector<std::string> names;
  for (unsigned number = 0; number < 64; ++number) {
    if ((set & bit(number)) == 0) continue;
    names.push_back(number < kNames.size() ? std::string(kNames[number]) : cat("CAP_", number));
  }
  return join(names, ", ");
}

struct KernelSets {
  std::uint64_t effective = 0, permitted = 0, inheritable = 0;
};

__user_cap_header_struct make_header() { return {_LINUX_CAPABILITY_VERSION_3, 0}; }

Result<KernelSets> get_sets() {
  auto header = make_header();
  __user_cap_data_struct data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return fail_errno(errno, "get capabilities");
  auto joined = [](__u32 low, __u32 high) { return std::uint64_t{high} << 32 | low; };
  return KernelSets{joined(data[0].effective, data[1].effective),
                    joined(data[0].permitted, data[1].permitted),
                    joined(data[0].inheritable, data[1].inheritable)};
}

// Says which of the asked for capabilities the caller can't give, where that is the reason.
std::unexpected<Error> capset_failure(int errno_value, std::uint64_t effective,
                                      std::uint64_t permitted, std::uint64_t inheritable) {
  auto have = get_sets();
  if (errno_value == EPERM && have) {
    if (std::uint64_t excess = effective & ~permitted; excess != 0) {
      return fail_errno(
          errno_value, cat("set capabilities: effective but not permitted are ", names_of(excess)));
    }
    std::uint64_t missing = inheritable & ~(have->inheritable | have->permitted);
    if (missing != 0) {
      return fail_errno(errno_value, cat("set capabilities: not allowed to make inheritable ",
                                         names_of(missing)));
    }
  }
  return fail_errno(errno_value, "set capabilities");
}

Status set_sets(std::uint64_t effective, std::uint64_t permitted, std::uint64_t inheritable) {
  auto header = make_header();
  auto low = [](std::uint64_t set) { return static_cast<__u32>(set); };
  auto high = [](std::uint64_t set) { return static_cast<__u32>(set >> 32); };
  __user_cap_data_struct data[2] = {
      {low(effective), low(permitted), low(inheritable)},
      {high(effective), high(permitted), high(inheritable)},
  };
  if (::syscall(SYS_capset, &header, data) != 0) {
    return capset_failure(errno, effective, permitted, inheritable);
  }
  return {};
}

int ambient_call(unsigned long operation, unsigned long number) {
  return ::prctl(PR_CAP_AMBIENT, operation, number, 0UL, 0UL);
}

Status set_ambient(std::uint64_t wanted) {
  if (ambient_call(PR_CAP_AMBIENT_CLEAR_ALL, 0) != 0) {
    // EINVAL: a kernel before 4.3, which has none to clear.
    if (errno == EINVAL && wanted == 0) return {};
    return fail_errno(errno, "clear ambient capabilities");
  }
  for (unsigned number = 0; number < kNames.size(); ++number) {
    if ((wanted & bit(number)) == 0) continue;
    if (ambient_call(PR_CAP_AMBIENT_RAISE, number) == 0) continue;
    if (errno != EPERM) {
      return fail_errno(errno, cat("raise ambient capability ", kNames[number]));
    }
    // Default configurations of several engines ask for this; it does no harm and says nothing.
    log::debug(cat("ambient capability ", kNames[number],
                   " is ignored: it is not both permitted and inheritable"));
  }
  return {};
}

}  // namespace

std::vector<std::string> known_capabilities() {
  std::vector<std::string> names;
  for (unsigned number = 0; number < kNames.size() && number < kernel_count(); ++number) {
    names.emplace_back(kNames[number]);
  }
  return names;
}

CapabilitySets CapabilitySets::from(const oci::Capabilities* capabilities) {
  CapabilitySets sets;
  if (capabilities == nullptr) return sets;
  std::set<std::string> unknown;
  sets.bounding_ = parse_set(capabilities->bounding, unknown);
  sets.permitted_ = parse_set(capabilities->permitted, unknown);
  sets.effective_ = parse_set(capabilities->effective, unknown);
  sets.inheritable_ = parse_set(capabilities->inheritable, unknown);
  sets.ambient_ = parse_set(capabilities->ambient, unknown);
  if (!unknown.empty()) {
    log::warning(cat("capabilities that are unknown or not in this kernel are ignored: ",
                     join({unknown.begin(), unknown.end()}, ", ")));
  }
  return sets;
}

Status CapabilitySets::drop_bounding() const {
  // Up to the kernel's last one, known by name or not: an unknown one must not stay.
  for (unsigned number = 0; number < kernel_count(); ++number) {
    // Only those that are there: dropping needs CAP_SETPCAP even when there is nothing to drop.
    if ((bounding_ & bit(number)) != 0 || read_bounding(number) != 1) continue;
    if (::prctl(PR_CAPBSET_DROP, static_cast<unsigned long>(number), 0UL, 0UL, 0UL) != 0) {
      return fail_errno(errno, cat("drop ", names_of(bit(number)), " from the bounding set"));
    }
  }
  return {};
}

Status CapabilitySets::keep_over_setuid() const {
  if (::prctl(PR_SET_KEEPCAPS, 1UL, 0UL, 0UL, 0UL) != 0) {
    return fail_errno(errno, "keep capabilities over the change of ids");
  }
  return {};
}

Status CapabilitySets::apply() const {
  // What the runtime itself lacks can't be given. The specification wants a container that asks for
  // it to run all the same (config.md, Capabilities): engines ask for "all" on restricted hosts
  // too.
  TRY_ASSIGN(KernelSets have, get_sets());
  std::uint64_t missing = (effective_ | permitted_ | inheritable_) & ~have.permitted;
  if (missing != 0) {
    log::warning(
        cat("capabilities that the runtime itself doesn't have are ignored: ", names_of(missing)));
  }
  TRY(set_sets(effective_ & have.permitted, permitted_ & have.permitted,
               inheritable_ & (have.permitted | have.inheritable)));
  // execve() clears it as well, but a startContainer hook comes before that.
  if (::prctl(PR_SET_KEEPCAPS, 0UL, 0UL, 0UL, 0UL) != 0) {
    return fail_errno(errno, "stop keeping capabilities over changes of ids");
  }
  return set_ambient(ambient_);
}

}  // namespace dhow::init
