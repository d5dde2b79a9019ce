// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/cgroup/cgroup.h"
#include "sys/fd.h"

// The low-level runtime: the operations of the OCI runtime specification on containers whose state
// is kept below one folder. Single-threaded callers only: create, run and exec clone the caller.
// Every function blocks until its operation is done.
namespace dhow::runtime {

struct Context {
  std::string root;          // state folder, absolute
  std::string program_name;  // how the program answers: "dhow-runtime", "runc" or "crun"
  cgroup::ManagerKind cgroup_manager = cgroup::ManagerKind::kCgroupfs;
  std::optional<bool> rootless;  // nullopt: decide from ids and user namespace
  bool debug = false;
  // What empty_mounts() gave, borrowed; -1, or no mount namespace: it is looked for.
  int empty_mounts = -1;
};

// The mount namespace that containers' own are copies of (docs/adr/0004), for a process that goes
// on to a mount namespace of its own, where it isn't found. None: there can be none. Blocks.
std::optional<Fd> empty_mounts();

enum class ContainerStatus { kCreating, kCreated, kRunning, kPaused, kStopped };
std::string_view status_name(ContainerStatus status);

// What `state` and `list` show.
struct ContainerInfo {
  std::string id;
  pid_t pid = 0;  // 0 when stopped
  ContainerStatus status = ContainerStatus::kStopped;
  std::string bundle;
  std::string rootfs;
  std::string created;  // RFC 3339 with nanoseconds, UTC
  std::map<std::string, std::string> annotations;
  std::uint32_t owner_uid = 0;
  std::string systemd_scope;
};

struct CreateOptions {
  std::string id;
  std::string bundle;       // absolute
  std::string config_file;  // empty: config.json in the bundle
  std::string console_socket;
  int console = -1;      // instead of a path: a connected socket, borrowed
  pid_t* pid = nullptr;  // where the pid of init goes
  // Told of init once that is in its cgroups and namespaces. It prepares itself further meanwhile,
  // so this is the time for what needs no more of it.
  std::function<void(pid_t)> on_init;
  std::string pidfd_socket;
  std::string pid_file;
  std::string landlock_file;
  bool no_pivot = false;
  bool no_new_keyring = false;
  int preserve_fds = 0;
  // run only
  bool detach = false;
  bool keep = false;
  bool no_subreaper = false;
};

struct ExecOptions {
  std::string id;
  std::string process_file;  // or the fields below
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string cwd;
  bool tty = false;
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  std::vector<std::uint32_t> additional_gids;
  std::vector<std::string> capabilities;
  std::optional<std::string> apparmor;
  std::optional<std::string> process_label;
  std::optional<bool> no_new_privs;
  std::string console_socket;
  int console = -1;      // as of CreateOptions
  pid_t* pid = nullptr;  // where the pid of the process goes, with detach
  std::string pidfd_socket;
  std::string pid_file;
  bool detach = false;
  int preserve_fds = 0;
  std::map<std::string, std::string> cgroups;  // controller ("": all) -> path below the container's
  bool ignore_paused = false;
};

// Checks an id: 1 or more of [A-Za-z0-9_+.-], not "." or "..": "invalid container ID format".
Status check_id(std::string_view id);

Status create(const Context& context, const CreateOptions& options);
Status start(const Context& context, std::string_view id);

// start() for who must not wait: init may take as long as its hooks and its file system do.
class Starting {
 public:
  // Takes the container's lock, for as long as the object lives. nullopt: it takes start(), since
  // hooks are to run afterwards, or since somebody else has the lock.
  static Result<std::optional<Starting>> prepare(const Context& context, std::string_view id);
  // Lets init go on.
  Status begin();
  // Readable when there is something for go_on().
  const Fd& result() const { return result_; }
  // What start() would return; nullopt: that is not known yet.
  std::optional<Status> go_on();

 private:
  Fd folder_;
  Fd go_;
  Fd result_;  // doesn't block
  std::string failure_;
};

// The exit code of the container's process (128 + signal when killed); 0 with detach.
Result<int> run(const Context& context, const CreateOptions& options);
Result<int> exec(const Context& context, const ExecOptions& options);
Status kill(const Context& context, std::string_view id, int signal, bool all);
Status remove(const Context& context, std::string_view id, bool force);
Status pause(const Context& context, std::string_view id);
Status resume(const Context& context, std::string_view id);
Result<ContainerInfo> state(const Context& context, std::string_view id);
// Containers that vanish meanwhile are left out. Sorted by id.
Result<std::vector<ContainerInfo>> list(const Context& context);
Result<std::vector<pid_t>> processes(const Context& context, std::string_view id);
// `resources_json` is the file of --resources; the fields it has replace the limits.
Status update(const Context& context, std::string_view id, const oci::Resources& resources);
struct RdtUpdate {
  std::string l3_cache_schema;
  std::string mem_bw_schema;
};
Status update_rdt(const Context& context, std::string_view id, const RdtUpdate& update);

// Calls `emit` with one JSON object a line: {"type":"stats","id":…,"data":…} each `interval_ms`,
// and
// {"type":"oom",…}; ends when the container does, or after one line with `once`.
Status events(const Context& context, std::string_view id, int interval_ms, bool once,
              const std::function<void(std::string_view)>& emit);

Status add_mounts(const Context& context, std::string_view id,
                  const std::vector<oci::Mount>& mounts);
Status remove_mounts(const Context& context, std::string_view id,
                     const std::vector<oci::Mount>& mounts);

// The features document (runtime-spec features.md) as indented JSON.
std::string features_json(const Context& context);

struct CheckpointOptions {
  std::string image_path, work_path, parent_path, status_fd_number, page_server, cgroups_mode;
  std::string lsm_profile, lsm_mount_context, network_lock;
  std::vector<std::string> empty_ns;
  bool leave_running = false, tcp_established = false, tcp_skip_in_flight = false;
  bool tcp_close = false, link_remap = false, ext_unix_sk = false, shell_job = false;
  bool lazy_pages = false, file_locks = false, pre_dump = false, auto_dedup = false;
  // restore only
  CreateOptions create;
};
Status checkpoint(const Context& context, std::string_view id, const CheckpointOptions& options);
Result<int> restore(const Context& context, const CheckpointOptions& options);

}  // namespace dhow::runtime
