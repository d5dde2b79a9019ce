// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rpc/types.h"

// The Task service of shims: containerd.task.v2 and v3 have the same methods and messages. An empty
// exec_id means the task's first process. A request without an answer listed is answered by Empty.
namespace dhow::rpc::task {

inline constexpr std::string_view kServiceV2 = "containerd.task.v2.Task";
inline constexpr std::string_view kServiceV3 = "containerd.task.v3.Task";

// containerd.v1.types.Status.
enum class ProcessStatus : std::int32_t {
  kUnknown = 0,
  kCreated = 1,
  kRunning = 2,
  kStopped = 3,
  kPaused = 4,
  kPausing = 5,
};

struct CreateTaskRequest {
  static constexpr std::string_view kMethod = "Create";
  std::string id = {};
  std::string bundle = {};
  std::vector<Mount> rootfs = {};  // mounted on BUNDLE/rootfs by the shim
  bool terminal = false;
  std::string stdin_uri = {};
  std::string stdout_uri = {};
  std::string stderr_uri = {};
  std::string checkpoint = {};  // a folder with criu's image to restore from
  std::string parent_checkpoint = {};
  std::optional<Any> options = {};  // runc::Options, or what the runtime takes
  void fields(Codec& codec) {
    codec(1, id)(2, bundle)(3, rootfs)(4, terminal)(5, stdin_uri)(6, stdout_uri)(7, stderr_uri);
    codec(8, checkpoint)(9, parent_checkpoint)(10, options);
  }
};
struct CreateTaskResponse {
  std::uint32_t pid = 0;
  void fields(Codec& codec) { codec(1, pid); }
};

struct StartRequest {
  static constexpr std::string_view kMethod = "Start";
  std::string id = {};
  std::string exec_id = {};
  void fields(Codec& codec) { codec(1, id)(2, exec_id); }
};
struct StartResponse {
  std::uint32_t pid = 0;
  void fields(Codec& codec) { codec(1, pid); }
};

struct StateRequest {
  static constexpr std::string_view kMethod = "State";
  std::string id = {};
  std::string exec_id = {};
  void fields(Codec& codec) { codec(1, id)(2, exec_id); }
};
struct StateResponse {
  std::string id = {};
  std::string bundle = {};
  std::uint32_t pid = 0;
  ProcessStatus status = ProcessStatus::kUnknown;
  std::string stdin_uri = {};
  std::string stdout_uri = {};
  std::string stderr_uri = {};
  bool terminal = false;
  std::uint32_t exit_status = 0;
  std::optional<Timestamp> exited_at = {};
  std::string exec_id = {};
  void fields(Codec& codec) {
    codec(1, id)(2, bundle)(3, pid)(4, status)(5, stdin_uri)(6, stdout_uri)(7, stderr_uri);
    codec(8, terminal)(9, exit_status)(10, exited_at)(11, exec_id);
  }
};

struct DeleteRequest {
  static constexpr std::string_view kMethod = "Delete";
  std::string id = {};
  std::string exec_id = {};
  void fields(Codec& codec) { codec(1, id)(2, exec_id); }
};
// Also what a shim's `delete` action prints.
struct DeleteResponse {
  std::uint32_t pid = 0;
  std::uint32_t exit_status = 0;
  std::optional<Timestamp> exited_at = {};
  void fields(Codec& codec) { codec(1, pid)(2, exit_status)(3, exited_at); }
};

struct PidsRequest {
  static constexpr std::string_view kMethod = "Pids";
  std::string id = {};
  void fields(Codec& codec) { codec(1, id); }
};
struct PidsResponse {
  std::vector<ProcessInfo> processes = {};
  void fields(Codec& codec) { codec(1, processes); }
};

struct PauseRequest {
  static constexpr std::string_view kMethod = "Pause";
  std::string id = {};
  void fields(Codec& codec) { codec(1, id); }
};

struct ResumeRequest {
  static constexpr std::string_view kMethod = "Resume";
  std::string id = {};
  void fields(Codec& codec) { codec(1, id); }
};

struct CheckpointTaskRequest {
  static constexpr std::string_view kMethod = "Checkpoint";
  std::string id = {};
  std::string path = {};
  std::optional<Any> options = {};  // runc::CheckpointOptions
  void fields(Codec& codec) { codec(1, id)(2, path)(3, options); }
};

struct KillRequest {
  static constexpr std::string_view kMethod = "Kill";
  std::string id = {};
  std::string exec_id = {};
  std::uint32_t signal = 0;
  bool all = false;  // every process of the container
  void fields(Codec& codec) { codec(1, id)(2, exec_id)(3, signal)(4, all); }
};

struct ExecProcessRequest {
  static constexpr std::string_view kMethod = "Exec";
  std::string id = {};
  std::string exec_id = {};
  bool terminal = false;
  std::string stdin_uri = {};
  std::string stdout_uri = {};
  std::string stderr_uri = {};
  std::optional<Any> spec = {};  // kOciProcessUrl
  void fields(Codec& codec) {
    codec(1, id)(2, exec_id)(3, terminal)(4, stdin_uri)(5, stdout_uri)(6, stderr_uri)(7, spec);
  }
};

struct ResizePtyRequest {
  static constexpr std::string_view kMethod = "ResizePty";
  std::string id = {};
  std::string exec_id = {};
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  void fields(Codec& codec) { codec(1, id)(2, exec_id)(3, width)(4, height); }
};

struct CloseIoRequest {
  static constexpr std::string_view kMethod = "CloseIO";
  std::string id = {};
  std::string exec_id = {};
  bool stdin_too = false;  // the field `stdin`: close the standard input
  void fields(Codec& codec) { codec(1, id)(2, exec_id)(3, stdin_too); }
};

// An annotation of UpdateTaskRequest, to our shim alone: the container is to have a resolver, if it
// has none. Nothing is updated then.
inline constexpr std::string_view kServeNames = "dhow.serve-names";

// Another one: the ports at [::1] that lead to the container, in the place of those before; a line
// for each, "PORT ADDRESS PORT", with " udp" behind one of UDP.
inline constexpr std::string_view kServePorts = "dhow.serve-ports";

struct UpdateTaskRequest {
  static constexpr std::string_view kMethod = "Update";
  std::string id = {};
  std::optional<Any> resources = {};  // kOciResourcesUrl
  std::map<std::string, std::string> annotations = {};
  void fields(Codec& codec) { codec(1, id)(2, resources)(3, annotations); }
};

// Answered when the process has ended; at once when it already has.
struct WaitRequest {
  static constexpr std::string_view kMethod = "Wait";
  std::string id = {};
  std::string exec_id = {};
  void fields(Codec& codec) { codec(1, id)(2, exec_id); }
};
struct WaitResponse {
  std::uint32_t exit_status = 0;
  std::optional<Timestamp> exited_at = {};
  void fields(Codec& codec) { codec(1, exit_status)(2, exited_at); }
};

struct StatsRequest {
  static constexpr std::string_view kMethod = "Stats";
  std::string id = {};
  void fields(Codec& codec) { codec(1, id); }
};
struct StatsResponse {
  std::optional<Any> stats = {};  // cgroup1::Metrics or cgroup2::Metrics
  void fields(Codec& codec) { codec(1, stats); }
};

struct ConnectRequest {
  static constexpr std::string_view kMethod = "Connect";
  std::string id = {};
  void fields(Codec& codec) { codec(1, id); }
};
struct ConnectResponse {
  std::uint32_t shim_pid = 0;
  std::uint32_t task_pid = 0;
  std::string version = {};
  void fields(Codec& codec) { codec(1, shim_pid)(2, task_pid)(3, version); }
};

struct ShutdownRequest {
  static constexpr std::string_view kMethod = "Shutdown";
  std::string id = {};
  bool now = false;  // even with containers
  void fields(Codec& codec) { codec(1, id)(2, now); }
};

}  // namespace dhow::rpc::task
