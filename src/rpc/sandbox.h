// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rpc/types.h"

// The Sandbox service of shims: containerd.runtime.sandbox.v1. A request without an answer listed
// has one without fields (Empty is the same on the wire).
namespace dhow::rpc::sandbox {

inline constexpr std::string_view kService = "containerd.runtime.sandbox.v1.Sandbox";

struct CreateSandboxRequest {
  static constexpr std::string_view kMethod = "CreateSandbox";
  std::string sandbox_id = {};
  std::string bundle_path = {};
  std::vector<Mount> rootfs = {};
  std::optional<Any> options = {};
  std::string netns_path = {};
  std::map<std::string, std::string> annotations = {};
  void fields(Codec& codec) {
    codec(1, sandbox_id)(2, bundle_path)(3, rootfs)(4, options)(5, netns_path)(6, annotations);
  }
};

struct StartSandboxRequest {
  static constexpr std::string_view kMethod = "StartSandbox";
  std::string sandbox_id = {};
  void fields(Codec& codec) { codec(1, sandbox_id); }
};
struct StartSandboxResponse {
  std::uint32_t pid = 0;
  std::optional<Timestamp> created_at = {};
  std::optional<Any> spec = {};
  void fields(Codec& codec) { codec(1, pid)(2, created_at)(3, spec); }
};

struct PlatformRequest {
  static constexpr std::string_view kMethod = "Platform";
  std::string sandbox_id = {};
  void fields(Codec& codec) { codec(1, sandbox_id); }
};
struct PlatformResponse {
  std::optional<rpc::Platform> platform = {};
  void fields(Codec& codec) { codec(1, platform); }
};

struct StopSandboxRequest {
  static constexpr std::string_view kMethod = "StopSandbox";
  std::string sandbox_id = {};
  std::uint32_t timeout_secs = 0;
  void fields(Codec& codec) { codec(1, sandbox_id)(2, timeout_secs); }
};

struct WaitSandboxRequest {
  static constexpr std::string_view kMethod = "WaitSandbox";
  std::string sandbox_id = {};
  void fields(Codec& codec) { codec(1, sandbox_id); }
};
struct WaitSandboxResponse {
  std::uint32_t exit_status = 0;
  std::optional<Timestamp> exited_at = {};
  void fields(Codec& codec) { codec(1, exit_status)(2, exited_at); }
};

struct SandboxStatusRequest {
  static constexpr std::string_view kMethod = "SandboxStatus";
  std::string sandbox_id = {};
  bool verbose = false;
  void fields(Codec& codec) { codec(1, sandbox_id)(2, verbose); }
};
struct SandboxStatusResponse {
  std::string sandbox_id = {};
  std::uint32_t pid = 0;
  std::string state = {};
  std::map<std::string, std::string> info = {};
  std::optional<Timestamp> created_at = {};
  std::optional<Timestamp> exited_at = {};
  std::optional<Any> extra = {};
  void fields(Codec& codec) {
    codec(1, sandbox_id)(2, pid)(3, state)(4, info)(5, created_at)(6, exited_at)(7, extra);
  }
};

struct PingRequest {
  static constexpr std::string_view kMethod = "PingSandbox";
  std::string sandbox_id = {};
  void fields(Codec& codec) { codec(1, sandbox_id); }
};

struct ShutdownSandboxRequest {
  static constexpr std::string_view kMethod = "ShutdownSandbox";
  std::string sandbox_id = {};
  void fields(Codec& codec) { codec(1, sandbox_id); }
};

struct SandboxMetricsRequest {
  static constexpr std::string_view kMethod = "SandboxMetrics";
  std::string sandbox_id = {};
  void fields(Codec& codec) { codec(1, sandbox_id); }
};
struct SandboxMetricsResponse {
  std::optional<Metric> metrics = {};
  void fields(Codec& codec) { codec(1, metrics); }
};

}  // namespace dhow::rpc::sandbox
