// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "rpc/events.h"
#include "rpc/runc_options.h"
#include "rpc/task.h"

// The engine's side of shims (docs/engine.md): a task is a container that has been created in a
// shim, with its first process and what is executed beside it.
namespace dhow::task {

// Namespace and id of a container. Both are 1 to 76 characters of [A-Za-z0-9_.-] that begin and
// end with a letter or a digit: they are names of folders.
struct Key {
  std::string name_space;
  std::string id;
  auto operator<=>(const Key&) const = default;
};

// URIs as docs/engine.md ("Standard streams") has them. Empty: /dev/null.
struct Streams {
  std::string in = {};
  std::string out = {};
  std::string err = {};
  bool terminal = false;
};

// Which shim runs a container, and with what.
struct Runtime {
  // Empty: our own. Otherwise containerd's name of one, "io.containerd.runc.v2" (the program
  // containerd-shim-runc-v2, beside this program or in $PATH), or a program's absolute path.
  std::string shim = {};
  // What the shim takes: as a rule rpc::pack(rpc::runc::Options{…}) with another OCI runtime, its
  // state folder and the cgroup driver. Our shim without options is dhow's own runtime, in process.
  std::optional<rpc::Any> options = {};
};

struct CreateOptions {
  std::string config;              // config.json
  std::vector<rpc::Mount> rootfs;  // mounted by the shim on BUNDLE/rootfs; empty: config names it
  Streams streams = {};
  Runtime runtime = {};
  // What our shim is to answer to questions for names, BUNDLE/resolver: dns/names.h. "": none.
  std::string resolver = {};
  std::string checkpoint = {};  // a folder of criu's to restore from; empty: none
  // Fills in all but `runtime`, when it is set: called on the thread of the caller while our shim
  // starts, which takes as long. What it fails with, the create fails with.
  std::function<Status(CreateOptions&)> complete = {};
};

struct ExecOptions {
  std::string exec_id;
  std::string process;  // JSON: the `process` object of config.json
  Streams streams = {};
};

// How a process has ended.
struct Exit {
  std::uint32_t status = 0;  // 128 + N when killed by signal N
  rpc::Timestamp at = {};
  bool operator==(const Exit&) const = default;
};

// The status that a container gets whose shim has died under it.
inline constexpr std::uint32_t kLostStatus = 137;

// What recover() found of a container that a former engine had left.
struct Recovered {
  Key key;
  // Its shim lives: what that says of the first process. A shim that did not answer in time, or
  // with another failure than kNotFound, is taken for alive, and its status is kUnknown.
  std::optional<rpc::task::StateResponse> state = {};
  // Its shim is gone, or it was never finished: it has been killed and cleaned away, this is how it
  // counts as ended.
  std::optional<Exit> lost = {};
};

struct Limits {
  std::chrono::milliseconds load{5'000};      // a shim's start until its first answer
  std::chrono::milliseconds state{2'000};     // state, pids, stats
  std::chrono::milliseconds signal{10'000};   // kill
  std::chrono::milliseconds call{30'000};     // everything else
  std::chrono::milliseconds create{120'000};  // create, start, checkpoint: hooks and criu run in it
  std::chrono::milliseconds shutdown{3'000};
  std::chrono::milliseconds cleanup{10'000};  // the `delete` action
};

struct TasksOptions {
  std::string state;         // STATE of docs/engine.md; exists
  std::string shim_program;  // containerd-shim-dhow-v1; empty: only foreign shims
  // More arguments of our shim, in front of `serve`.
  std::vector<std::string> shim_arguments = {};
  Limits limits = {};
  // Told what shims publish, in their order for each shim. Called on a thread of Tasks: it must be
  // quick, and must not call Tasks.
  std::function<void(const rpc::events::Envelope&)> on_event = {};
};

// All the tasks of an engine. Thread safe. What takes a Key fails with kNotFound when there is no
// such task, with kUnavailable when its shim is gone (then call `cleanup`), and with
// kDeadlineExceeded when the shim doesn't answer in time: it may still do what was asked. Otherwise
// with the code and the text of the shim. A shim that hangs holds up nobody but its own callers.
// An empty `exec_id` is the container's first process.
//
// The shims go on when this goes. Nothing but STATE/tasks is kept of them.
class Tasks {
 public:
  // Listens on STATE/events.sock, in place of one that a dead engine has left. One Tasks a state
  // folder at a time: the caller sees to that. Starts a thread.
  static Result<std::unique_ptr<Tasks>> open(TasksOptions options);
  virtual ~Tasks() = default;

  // STATE/tasks/NAMESPACE/ID, whether it exists or not.
  virtual std::string bundle(const Key& key) const = 0;

  // Takes over what a former engine has left, once, before all else: connects to the shim of each
  // bundle, all at once, and cleans away what has none. Blocks until each has answered or its time
  // is over. Sorted by key.
  virtual Result<std::vector<Recovered>> recover() = 0;

  // Makes the bundle, starts the shim, and creates the container in it. The pid of its first
  // process, as the host sees it. A failure leaves nothing behind. kAlreadyExists when there is a
  // task of that key.
  virtual Result<pid_t> create(const Key& key, const CreateOptions& options) = 0;
  // Starts the first process, or an added one. Its pid.
  virtual Result<pid_t> start(const Key& key, std::string_view exec_id = {}) = 0;
  // Adds a process; `start` starts it, and `remove` must be called when it has ended or was never
  // started.
  virtual Status exec(const Key& key, const ExecOptions& options) = 0;
  // kNotFound also when the process has ended. `all`: every process of the container.
  virtual Status kill(const Key& key, std::string_view exec_id, int signal, bool all = false) = 0;
  // Forgets a process that has ended. Without an exec id the whole task: the container is deleted,
  // the shim ends, the bundle is gone afterwards, also when the shim is gone already (as cleanup).
  // kFailedPrecondition while it runs.
  virtual Result<Exit> remove(const Key& key, std::string_view exec_id = {}) = 0;
  // Gets rid of a task whatever state it or its shim is in: what is left of shim and container is
  // killed, mounts, cgroups and the bundle go. Success when there is nothing. Returns the exit
  // status if the shim still knew it, or kLostStatus.
  virtual Result<Exit> cleanup(const Key& key) = 0;

  // The end of a process: `done` is called once, at once if it has ended already. On a thread of
  // Tasks: it must be quick, and must not call Tasks' blocking functions. kUnavailable: the shim
  // died, and `cleanup` is due; kNotFound: there is no such task or process. kCancelled: Tasks goes
  // away.
  virtual void watch_exit(const Key& key, std::string_view exec_id,
                          std::function<void(Result<Exit>)> done) = 0;
  // Blocks until the process has ended, or that time is over (kDeadlineExceeded); nullopt: no
  // limit.
  virtual Result<Exit> wait(const Key& key, std::string_view exec_id,
                            std::optional<std::chrono::milliseconds> limit = {}) = 0;

  virtual Result<rpc::task::StateResponse> state(const Key& key, std::string_view exec_id = {}) = 0;
  // Pids as the host sees them; a process that was added has rpc::runc::ProcessDetails with it.
  virtual Result<std::vector<rpc::ProcessInfo>> pids(const Key& key) = 0;
  // rpc::cgroup1::Metrics or rpc::cgroup2::Metrics, by the host's cgroups.
  virtual Result<rpc::Any> stats(const Key& key) = 0;
  virtual Status pause(const Key& key) = 0;
  virtual Status resume(const Key& key) = 0;
  virtual Status resize(const Key& key, std::string_view exec_id, std::uint32_t width,
                        std::uint32_t height) = 0;
  // Ends the process's standard input once what was sent has been read.
  virtual Status close_stdin(const Key& key, std::string_view exec_id) = 0;
  // `resources`: JSON, the `linux.resources` object of config.json.
  virtual Status update(const Key& key, std::string_view resources) = 0;
  // Has the shim make a resolver, unless there is one, then replaces BUNDLE/resolver. A shim that
  // can have none (it is older) fails.
  virtual Status set_resolver(const Key& key, std::string_view text) = 0;
  // Has the shim lead these ports at the host's [::1] to the container, in the place of those
  // before: a line for each, "PORT ADDRESS PORT", with " udp" behind one of UDP. For one that is
  // made and has not ended. A shim that can't (it is another's, or older) fails, and so does a port
  // that somebody has.
  virtual Status serve_ports(const Key& key, std::string_view text) = 0;
  virtual Status checkpoint(const Key& key, std::string_view folder,
                            const rpc::runc::CheckpointOptions& options) = 0;
  // The pid of the shim; for tests and `inspect`.
  virtual Result<pid_t> shim_pid(const Key& key) = 0;
};

}  // namespace dhow::task
