// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "oci/config.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/id_map.h"
#include "runtime/init/container_init.h"
#include "runtime/landlock.h"
#include "runtime/namespaces.h"
#include "runtime/notify_socket.h"
#include "runtime/rootfs/rootfs.h"
#include "runtime/runtime.h"
#include "runtime/seccomp/seccomp.h"
#include "runtime/state_store.h"
#include "sys/process.h"

namespace dhow::runtime {

// A container being created, step by step. Whatever was made is unmade in the destructor unless
// finish() was reached, so a failure at any step leaves nothing behind; a crash leaves a state
// folder whose record names the rest, for delete --force.
class Creation {
 public:
  Creation(const Context& context, const CreateOptions& options)
      : context_(context), options_(options) {}
  Creation(const Creation&) = delete;
  Creation& operator=(const Creation&) = delete;
  ~Creation();

  // The configuration, read and checked; nothing is made yet.
  Status load();
  const oci::Config& config() const { return config_; }

  // Makes the container up to where its init waits for the start. With `gate`, init waits for the
  // start command; without, for start_now(). `console` is where the pty master goes, or null.
  Status make(bool gate, const Fd* console);
  // pid file, pidfd socket and final record: the container exists, for the caller and on disk; or
  // neither, when it fails.
  Status finish();
  // Lets init of a make() without gate go on; returns when the program runs.
  Status start_now();
  // Leaves the init of a make() with gate to the start command.
  Status release_to_gate() const;

  // The parts of make() for an init that somebody else brings to life (restore): the state folder
  // and the cgroups; then the helper, which waits, goes where its children are to be, with the
  // limits; then what it made is the init, a child of ours.
  Status make_place();
  Status admit(pid_t helper);
  Status adopt(pid_t init);
  // The device rules, once whoever makes the container needs no device any more.
  Status limit_devices();
  // prestart and createRuntime.
  Status run_early_hooks();
  const cgroup::JoinPlan& join_plan() const { return join_; }
  const NamespacePlan& namespaces() const { return namespaces_; }
  bool has_landlock() const { return landlock_.has_value(); }

  pid_t pid() const { return init_.pid; }
  const PidFd& pidfd() const { return init_.pidfd; }
  const StateDir& dir() const { return *dir_; }
  const Record& record() const { return record_; }
  NotifySocket* notify() { return notify_ ? &*notify_ : nullptr; }
  // Ends a finished container that somebody could not go on with, as if it had not been made: its
  // pid file, processes, cgroups and folder go, and poststop hooks run. Gives the error back.
  std::unexpected<Error> give_up(Error error);
  // Removes one that has ended in the foreground, with its poststop hooks; nothing to do when a
  // checkpoint or a delete was there first.
  Status remove_ended();

 private:
  Status destroy();
  void run_poststop() const;
  Status check_descriptors();
  Status read_config();
  Status compile();
  Status make_state();
  Status make_cgroup();
  Status make_rootfs();
  Status open_gate();
  Status spawn(const Fd* console);
  Status attend();
  Status apply_limits(pid_t pid);
  Status finish_cgroup();
  rootfs::SwitchMode switch_mode();
  bool has_early_hooks() const;
  bool has_mounts_of_host_paths() const;

  const Context& context_;
  const CreateOptions& options_;
  Identity identity_;
  std::string config_text_;
  oci::Config config_;
  NamespacePlan namespaces_;
  std::optional<seccomp::Program> seccomp_;
  std::optional<LandlockPolicy> landlock_;
  std::string landlock_text_;
  std::optional<StateDir> dir_;
  Record record_;
  std::unique_ptr<cgroup::Cgroup> cgroup_;
  cgroup::JoinPlan join_;
  std::optional<Fd> empty_mount_ns_;
  rootfs::Options rootfs_options_;  // outlives rootfs_
  std::unique_ptr<rootfs::Rootfs> rootfs_;
  std::optional<NotifySocket> notify_;
  init::StartGate gate_;
  Fd parent_sync_, child_sync_;
  SpawnedInit init_;
  bool cgroup_made_ = false;
  bool finished_ = false;
  unsigned preserved_fds_ = 0;
  unsigned listen_fds_ = 0;
};

}  // namespace dhow::runtime
