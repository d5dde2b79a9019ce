// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rpc/types.h"

// What shims publish (containerd.events) and the service that they publish to. kTopic is the
// envelope's topic, kName the type of its event.
namespace dhow::rpc::events {

inline constexpr std::string_view kService = "containerd.services.events.ttrpc.v1.Events";

// containerd.types.Envelope.
struct Envelope {
  std::optional<Timestamp> timestamp = {};
  std::string name_space = {};
  std::string topic = {};
  std::optional<Any> event = {};
  void fields(Codec& codec) { codec(1, timestamp)(2, name_space)(3, topic)(4, event); }
};

// containerd.services.events.ttrpc.v1.ForwardRequest; answered by Empty.
struct ForwardRequest {
  static constexpr std::string_view kMethod = "Forward";
  std::optional<Envelope> envelope = {};
  void fields(Codec& codec) { codec(1, envelope); }
};

// The request that publishes an event now.
template <MessageType M>
ForwardRequest forward(const M& event, std::string_view name_space) {
  return {Envelope{timestamp_now(), std::string(name_space), std::string(M::kTopic), pack(event)}};
}

struct TaskIo {
  std::string stdin_uri = {};
  std::string stdout_uri = {};
  std::string stderr_uri = {};
  bool terminal = false;
  void fields(Codec& codec) { codec(1, stdin_uri)(2, stdout_uri)(3, stderr_uri)(4, terminal); }
};

struct TaskCreate {
  static constexpr std::string_view kName = "containerd.events.TaskCreate";
  static constexpr std::string_view kTopic = "/tasks/create";
  std::string container_id = {};
  std::string bundle = {};
  std::vector<Mount> rootfs = {};
  std::optional<TaskIo> io = {};
  std::string checkpoint = {};
  std::uint32_t pid = 0;
  void fields(Codec& codec) {
    codec(1, container_id)(2, bundle)(3, rootfs)(4, io)(5, checkpoint)(6, pid);
  }
};

struct TaskStart {
  static constexpr std::string_view kName = "containerd.events.TaskStart";
  static constexpr std::string_view kTopic = "/tasks/start";
  std::string container_id = {};
  std::uint32_t pid = 0;
  void fields(Codec& codec) { codec(1, container_id)(2, pid); }
};

struct TaskDelete {
  static constexpr std::string_view kName = "containerd.events.TaskDelete";
  static constexpr std::string_view kTopic = "/tasks/delete";
  std::string container_id = {};
  std::uint32_t pid = 0;
  std::uint32_t exit_status = 0;
  std::optional<Timestamp> exited_at = {};
  std::string id = {};  // the exec's; empty or the container's for the task
  void fields(Codec& codec) { codec(1, container_id)(2, pid)(3, exit_status)(4, exited_at)(5, id); }
};

struct TaskExit {
  static constexpr std::string_view kName = "containerd.events.TaskExit";
  static constexpr std::string_view kTopic = "/tasks/exit";
  std::string container_id = {};
  std::string id = {};  // the exec's, or the container's for the task's first process
  std::uint32_t pid = 0;
  std::uint32_t exit_status = 0;
  std::optional<Timestamp> exited_at = {};
  void fields(Codec& codec) { codec(1, container_id)(2, id)(3, pid)(4, exit_status)(5, exited_at); }
};

struct TaskOom {
  static constexpr std::string_view kName = "containerd.events.TaskOOM";
  static constexpr std::string_view kTopic = "/tasks/oom";
  std::string container_id = {};
  void fields(Codec& codec) { codec(1, container_id); }
};

struct TaskExecAdded {
  static constexpr std::string_view kName = "containerd.events.TaskExecAdded";
  static constexpr std::string_view kTopic = "/tasks/exec-added";
  std::string container_id = {};
  std::string exec_id = {};
  void fields(Codec& codec) { codec(1, container_id)(2, exec_id); }
};

struct TaskExecStarted {
  static constexpr std::string_view kName = "containerd.events.TaskExecStarted";
  static constexpr std::string_view kTopic = "/tasks/exec-started";
  std::string container_id = {};
  std::string exec_id = {};
  std::uint32_t pid = 0;
  void fields(Codec& codec) { codec(1, container_id)(2, exec_id)(3, pid); }
};

struct TaskPaused {
  static constexpr std::string_view kName = "containerd.events.TaskPaused";
  static constexpr std::string_view kTopic = "/tasks/paused";
  std::string container_id = {};
  void fields(Codec& codec) { codec(1, container_id); }
};

struct TaskResumed {
  static constexpr std::string_view kName = "containerd.events.TaskResumed";
  static constexpr std::string_view kTopic = "/tasks/resumed";
  std::string container_id = {};
  void fields(Codec& codec) { codec(1, container_id); }
};

struct TaskCheckpointed {
  static constexpr std::string_view kName = "containerd.events.TaskCheckpointed";
  static constexpr std::string_view kTopic = "/tasks/checkpointed";
  std::string container_id = {};
  std::string checkpoint = {};
  void fields(Codec& codec) { codec(1, container_id)(2, checkpoint); }
};

}  // namespace dhow::rpc::events
