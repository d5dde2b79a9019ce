// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "sys/dir_fd.h"
#include "sys/fd.h"

// One function for each attribute that a process of a container gets before execve. All run in the
// child, which is single-threaded, and change only the calling process. `proc` is the private
// procfs. None of them blocks.
namespace dhow::init {

// A session keyring of its own named "_ses.<id>", which the user may search as well. `label` (""
// for none) is the SELinux label of the keyring, given through `proc` (unused without a label).
// Kernels without keyrings are fine (a warning); a used up quota is an error.
Status join_session_keyring(FdRef proc, std::string_view container_id, std::string_view label);

Status set_hostname(std::string_view name);
Status set_domainname(std::string_view name);
// Keys as oci::sysctl_file reads them. `proc` must not be mounted with subset=pid.
Status write_sysctls(FdRef proc, const oci::StringMap& sysctls);
// In the runtime, before anything is made, after oci::validate: what that can't see without looking
// at the host. A namespace given by path may be the host's own, where a sysctl would change the
// host.
Status check_sysctls(const oci::Config& config);

// Applied from outside by pid (0: the caller itself).
Status set_rlimits(pid_t pid, const std::vector<oci::Rlimit>& limits);
// -1000 to 1000 (proc(5)). Going below what the caller's own minimum is needs CAP_SYS_RESOURCE.
Status set_oom_score_adj(FdRef proc, int value);
Status set_scheduler(const oci::Scheduler& scheduler);
Status set_io_priority(const oci::IoPriority& priority);
// A CPU list as in cpuset(7). "": every CPU that the cgroup allows, whatever was inherited.
Status set_cpu_affinity(std::string_view cpus);
Status set_personality(const oci::Personality& personality);
Status set_memory_policy(const oci::MemoryPolicy& policy);
Status set_no_new_privileges();

// Capability sets in the order the kernel needs: bounding before the change of ids, the rest after
// it. Inheritable and ambient are never raised beyond what the configuration says (CVE-2022-29162).
class CapabilitySets {
 public:
  // Names that this build or this kernel doesn't have are skipped with a warning, as the
  // specification lets a runtime do. nullptr: no capability at all.
  static CapabilitySets from(const oci::Capabilities* capabilities);
  Status drop_bounding() const;
  // Keeps the permitted set over the change of ids (PR_SET_KEEPCAPS), until apply().
  Status keep_over_setuid() const;
  // Sets permitted, effective, inheritable and ambient to exactly what was asked for, less what the
  // caller itself doesn't have, which is skipped with a warning. Ambient ones that the kernel can't
  // raise (not permitted or not inheritable) are skipped.
  Status apply() const;

 private:
  std::uint64_t bounding_ = 0, permitted_ = 0, effective_ = 0, inheritable_ = 0, ambient_ = 0;
};

// setgroups (skipped where the user namespace denies it and none are asked for, and with
// `keep_groups`), setgid, setuid.
Status set_user(FdRef proc, const oci::User& user, bool keep_groups = false);
// Before set_user: makes `uid` the owner of the standard streams that are not the host's business
// (/dev/null is), so that the process can open /proc/self/fd/1 again. File systems and user
// namespaces that refuse are left alone.
Status give_stdio_to(uid_t uid);

// Security modules: the label or profile for the next execve, through the private procfs. An error
// where the host doesn't have the module, naming it. Anything but procfs in the place of `proc` is
// refused (CVE-2019-16884).
Status set_apparmor_exec_profile(FdRef proc, std::string_view profile);
Status set_selinux_exec_label(FdRef proc, std::string_view label);
// Looks at /sys: for the runtime, before it enters a container's mount namespace.
bool apparmor_enabled();
bool selinux_enabled();
// "selinux label is specified in config, but selinux is disabled or not supported".
Status check_selinux_label(std::string_view label);

// Names of all capabilities that this build knows and this kernel has, for `features`.
std::vector<std::string> known_capabilities();
// Names that memoryPolicy.mode and memoryPolicy.flags may have, for `features`.
std::vector<std::string> known_memory_policy_modes();
std::vector<std::string> known_memory_policy_flags();

}  // namespace dhow::init
