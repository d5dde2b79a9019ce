// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/result.h"
#include "rpc/server.h"
#include "rpc/task.h"
#include "shim/loop.h"
#include "shim/publisher.h"
#include "shim/task_state.h"
#include "shim/worker.h"
#include "sys/fd.h"

namespace dhow::shim {

struct ServiceOptions {
  std::string name_space;
  std::string events_address;  // of the engine; empty: events are told to nobody
  std::string runtime_root;    // where runtimes keep their state when a request names no place
  Fd host_mounts;              // the mount namespace that the shim has left
  Fd empty_mounts;             // of runtime::Context; none: it makes its own
};

// The Task service of a shim, versions 2 and 3: supervises the containers of one pod, or one alone.
// What takes long is done by workers, so each call is answered when it is due, whatever the others
// wait for. The order of events is that of containerd: create < start < exit < delete.
class TaskService {
 public:
  TaskService(Loop& loop, ServiceOptions options);
  ~TaskService();

  // Adds the service to a server, under both of its names.
  void add_to(rpc::Server& server);
  // Reaps all children that have ended. To be called on SIGCHLD.
  void reap();
  // True once Shutdown was called and everything has been told and delivered.
  bool is_finished() const;
  void on_finished(std::function<void()> finished) { finished_ = std::move(finished); }

 private:
  using SharedReply = std::shared_ptr<rpc::Reply>;

  template <typename Request>
  void serve(void (TaskService::*method)(const Request&, SharedReply));

  // service_create.cc
  void create(const rpc::task::CreateTaskRequest& request, SharedReply reply);
  void create_with_runtime(const std::string& id, SharedReply reply);
  void add_mount_spaces(WorkerStreams& streams) const;
  void created(const std::string& id, SharedReply reply, Result<WorkerResult> result);
  void start(const rpc::task::StartRequest& request, SharedReply reply);
  void start_init(Container& container, SharedReply reply);
  bool begin_start(Container& container, const SharedReply& reply);
  void go_on_starting(Container& container, const SharedReply& reply);
  void started(Container& container, const SharedReply& reply, Status done);
  void restore(Container& container, SharedReply reply);
  void start_exec(Container& container, Process& process, SharedReply reply);
  void exec_started(const std::string& id, const std::string& exec_id, SharedReply reply,
                    Result<WorkerResult> result);
  void exec(const rpc::task::ExecProcessRequest& request, SharedReply reply);

  // service_control.cc
  void remove(const rpc::task::DeleteRequest& request, SharedReply reply);
  void remove_exec(Container& container, Process& process, SharedReply reply);
  void removed(const std::string& id, SharedReply reply, Result<WorkerResult> result);
  void kill(const rpc::task::KillRequest& request, SharedReply reply);
  void pause(const rpc::task::PauseRequest& request, SharedReply reply);
  void resume(const rpc::task::ResumeRequest& request, SharedReply reply);
  void change_pause(const std::string& id, bool pause, SharedReply reply);
  void tell_pause(const std::string& id, bool paused);
  void kill_now(WaitingKills waiting);
  void update(const rpc::task::UpdateTaskRequest& request, SharedReply reply);
  void checkpoint(const rpc::task::CheckpointTaskRequest& request, SharedReply reply);
  void shutdown(const rpc::task::ShutdownRequest& request, SharedReply reply);

  // service_resolver.cc
  // Takes the sockets that its worker has made: the last ones of its descriptors.
  void open_resolver(Container& container, std::size_t count, WorkerResult& result);
  // For one that runs, and has come into a network with names.
  void serve_names(Container& container, SharedReply reply);

  // service_query.cc
  void state(const rpc::task::StateRequest& request, SharedReply reply);
  void pids(const rpc::task::PidsRequest& request, SharedReply reply);
  void stats(const rpc::task::StatsRequest& request, SharedReply reply);
  void wait(const rpc::task::WaitRequest& request, SharedReply reply);
  void connect(const rpc::task::ConnectRequest& request, SharedReply reply);
  void resize(const rpc::task::ResizePtyRequest& request, SharedReply reply);
  void close_io(const rpc::task::CloseIoRequest& request, SharedReply reply);

  // service.cc
  Container* find(const std::string& id);
  // kNotFound in the words of containerd's shims.
  Result<Container*> find_container(const std::string& id);
  Result<Process*> find_process(const std::string& id, const std::string& exec_id);
  // The container's first process, which must run.
  Result<Container*> find_running(const std::string& id);
  void own_pid(Container& container, Process& process, pid_t pid);
  void child_ended(pid_t pid, int wait_status);
  void process_ended(Container& container, Process& process, const Process::Exit& exit);
  // An end that came while a worker was at it.
  void tell_early_exit(Container& container, Process& process);
  // Answers those that wait for the end of its start.
  void tell_state(Container& container);
  void watch_oom(Container& container, WorkerResult& result);
  void check_oom(Container& container);
  void let_go(std::unique_ptr<ProcessIo> io);
  void check_finished();
  // A worker for one operation, with the answer Empty.
  void run(const Container& container, std::string_view verb,
           std::function<Status(OciRuntime&)> operation, std::function<void(Status)> done);

  Loop& loop_;
  ServiceOptions options_;
  Publisher publisher_;
  Workers workers_;
  rpc::Service service_;
  std::map<std::string, std::unique_ptr<Container>> containers_;
  // By pid: container and exec id.
  std::map<pid_t, std::pair<std::string, std::string>> processes_;
  // Ended before their worker told whose they are.
  std::map<pid_t, Process::Exit> unclaimed_;
  // Streams of processes that are gone, with clients that still read.
  std::list<std::unique_ptr<ProcessIo>> lingering_;
  bool shutting_down_ = false;
  std::function<void()> finished_;
  Loop::Watch shutdown_timer_;
};

}  // namespace dhow::shim
