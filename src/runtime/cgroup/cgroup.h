// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "sys/fd.h"

namespace dhow::cgroup {

enum class ManagerKind { kCgroupfs, kSystemd, kDisabled };

// How the host mounts its cgroups: only v1 hierarchies, v1 with a v2 tree beside them (hybrid), or
// one v2 tree (cgroups(7)).
enum class Mode { kLegacy, kHybrid, kUnified };

// Finds out once a process, from /proc/self/cgroup and the mounts below /sys/fs/cgroup.
Result<Mode> detect_mode();

// What names a container's cgroups.
struct Settings {
  ManagerKind kind = ManagerKind::kCgroupfs;
  std::string container_id;
  std::string cgroups_path;    // linux.cgroupsPath as it stands
  std::string program_name;    // the prefix of a default systemd scope: "runc" in runc-<id>.scope
  oci::StringMap annotations;  // org.systemd.property.*, run.oci.systemd.subgroup, ...
  bool rootless = false;       // permission errors are forgiven when nothing was asked for
  bool has_cgroup_namespace = false;  // with a writable cgroup mount and v2: delegate to the owner
  bool cgroup_mount_writable = false;
  std::optional<std::uint32_t> owner_uid;  // host uid of the container's root, for delegation
};

// Annotation of a container that manages cgroups of its own, on v2: the name of a cgroup below the
// container's, without limits, into which its processes go.
inline constexpr std::string_view kDelegateAnnotation = "run.oci.delegate-cgroup";

// Where they are: what the state file keeps, so that later commands find them again.
struct Location {
  ManagerKind kind = ManagerKind::kCgroupfs;
  // v1: controller name ("memory", "name=systemd") -> absolute host path. In hybrid mode and v2 the
  // key "" holds the path in the unified tree.
  std::map<std::string, std::string> paths;
  std::string scope;          // systemd unit name, empty for others
  bool user_manager = false;  // the unit belongs to the user's systemd
};

// How a new process gets into the cgroups: CLONE_INTO_CGROUP for the v2 folder, and for each v1
// hierarchy an open file into which the child itself writes "0" before anything else. On v1 that
// file is `tasks`: the kernel moves a single-threaded writer without taking the lock that waits for
// every fork on the host (cgroup_procs_write_start, Linux 5.8 and later).
struct JoinPlan {
  std::optional<Fd> unified_dir;
  std::vector<Fd> self_join_files;
};

enum class FreezerState { kThawed, kFrozen, kUndefined };

// The cgroups of one container. Not thread safe. Calls block on cgroupfs or D-Bus.
class Cgroup {
 public:
  virtual ~Cgroup() = default;

  // Before the first clone: makes the folders (cgroupfs), refuses a non-empty or frozen cgroup
  // ("container's cgroup is not empty: N process(es) found",
  // "container's cgroup unexpectedly frozen").
  virtual Result<JoinPlan> prepare(const oci::Resources* resources) = 0;
  // After the clone, while the child waits: makes the systemd scope with the child in it and joins
  // what prepare() couldn't. A no-op for cgroupfs when the join plan did all.
  virtual Status attach(pid_t pid, const oci::Resources* resources) = 0;
  // Writes the limits of a new container.
  virtual Status apply(const oci::Resources& resources) = 0;
  // Changes those of a running one: all, or none as far as the kernel takes the old values back.
  virtual Status update(const oci::Resources& resources) = 0;
  // Sets the device rules, of a new container only. To those of the configuration are added those
  // that every container has, unless everything is allowed anyway. On v1 this is not one step:
  // until it returns, a process in the cgroup may be refused a device that the rules allow it.
  virtual Status apply_devices(const oci::Resources& resources) = 0;
  // Once the first process has made its cgroup namespace, whose root is the container's cgroup:
  // moves it into the one of kDelegateAnnotation. Without that nothing happens.
  virtual Status enter_delegated(pid_t) { return {}; }
  // For exec: into the container's cgroup or a cgroup below it. `sub_paths` maps a controller ("" =
  // all) to a path relative to the container's cgroup ("bad sub cgroup path" when it leaves it,
  // "unknown controller"). `init_pid` (0: unknown) is the container's first process: a v2 cgroup
  // with controlled children takes no process, so an exec without a path then goes where that is.
  virtual Result<JoinPlan> plan_join(const std::map<std::string, std::string>& sub_paths,
                                     pid_t init_pid) = 0;

  virtual Status freeze() = 0;
  virtual Status thaw() = 0;
  virtual Result<FreezerState> freezer_state() = 0;
  // Every process in the cgroup and below it (host pids), or only in it.
  virtual Result<std::vector<pid_t>> pids(bool recursive) = 0;
  // Signals every process in the cgroup and below; SIGKILL by cgroup.kill where there is one.
  virtual Status kill_all(int signal) = 0;
  // Kills what is left, then removes the folders or stops the unit. Already gone is success. Does
  // nothing after prepare() refused a cgroup that is in use.
  virtual Status destroy() = 0;
  // The `data` object of an event of type "stats", as JSON in runc's layout.
  virtual Result<std::string> stats_json() = 0;
  // Host paths for messages and for the memory notifications of `events`.
  virtual const Location& location() const = 0;
  virtual bool exists() const = 0;
  // Tells when the OOM killer ran in the cgroup: an eventfd on v1, inotify on memory.events on v2.
  // Poll `fd` for POLLIN, then call take(), which doesn't block and is true when there was an OOM
  // since the last call; other events wake the poller too. v1 tells before the kill is counted by
  // oom_kill_count(). kUnimplemented when memory is not controlled.
  struct OomWatch {
    Fd fd;
    Fd keep;  // the file with the counter
    bool counts = false;
    std::uint64_t seen = 0;
    Result<bool> take();
  };
  virtual Result<OomWatch> watch_oom() = 0;
  // Number of OOM kills so far (v2 memory.events oom_kill; v1 memory.oom_control oom_kill).
  virtual Result<std::uint64_t> oom_kill_count() = 0;
};

// For a new container. kInvalidArgument when kDelegateAnnotation can't be had.
Result<std::unique_ptr<Cgroup>> make_cgroup(const Settings& settings);
// For an existing one, from its state.
Result<std::unique_ptr<Cgroup>> open_cgroup(const Location& location, const Settings& settings);

}  // namespace dhow::cgroup
