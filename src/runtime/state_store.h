// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "runtime/cgroup/cgroup.h"
#include "sys/fd.h"

namespace dhow::runtime {

// What is kept of a container between two commands: state.json in its state folder
// (docs/formats/state.md), next to config.json, the configuration it was made from.
struct Record {
  std::string id;
  pid_t pid = 0;                 // init, in the runtime's pid namespace; 0 until it is cloned
  std::uint64_t start_time = 0;  // clock ticks since boot: with the pid, names the process for good
  std::string bundle;
  std::string rootfs;
  std::string created;  // RFC 3339, UTC, nanoseconds
  oci::StringMap annotations;
  std::uint32_t owner_uid = 0;
  cgroup::Location cgroup;
  bool own_user_namespace = false;
  bool own_pid_namespace = false;  // then the kernel ends all its processes with init
  bool ready = false;              // false while create is under way
  bool late_hooks = true;          // of poststart or poststop; without, nobody has to look for them
  std::string rdt_group;           // resctrl folder that create made, removed by delete
  std::string rdt_monitor;
};

std::string record_to_json(const Record& record);
Result<Record> record_from_json(std::string_view json);

// A container's configuration as the runtime takes it: the annotations that stand for a field which
// callers of crun could not set otherwise are in that field (run.oci.seccomp.receiver).
Result<oci::Config> parse_container_config(std::string_view json);

// The folder of one container. Whoever changes the container holds its lock (flock on the folder),
// so that create, start and delete of the same container happen one after the other.
class StateDir {
 public:
  // Makes the folder (0711) and locks it. kAlreadyExists: "container with given ID already exists".
  static Result<StateDir> create(std::string_view root, std::string_view id);
  // kNotFound: "container does not exist".
  static Result<StateDir> open(std::string_view root, std::string_view id);

  // Blocks until no other process holds the lock. kNotFound when the container was deleted
  // meanwhile.
  Status lock() const;
  // The same without blocking: false when somebody else holds it.
  Result<bool> try_lock() const;
  void unlock() const;

  const Fd& fd() const { return fd_; }
  Status save(const Record& record) const;
  // kNotFound while create hasn't written one yet.
  Result<Record> load() const;
  Status save_config(std::string_view json) const;
  Result<oci::Config> load_config() const;
  // The text of the container's Landlock policy, for processes that are exec'd later.
  Status save_landlock(std::string_view policy) const;
  // nullopt: it has none.
  Result<std::optional<std::string>> load_landlock() const;
  // Removes the folder and all in it.
  Status remove() const;

 private:
  StateDir(std::string root, std::string id, Fd fd)
      : root_(std::move(root)), id_(std::move(id)), fd_(std::move(fd)) {}
  std::string root_;
  std::string id_;
  Fd fd_;
};

// Names of all state folders below the root, sorted; none when the root doesn't exist.
Result<std::vector<std::string>> list_state_dirs(std::string_view root);

// Now, as RFC 3339 with nanoseconds in UTC.
std::string timestamp_now();

}  // namespace dhow::runtime
