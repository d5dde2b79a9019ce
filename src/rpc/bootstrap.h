// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rpc/types.h"

// containerd.runtime.bootstrap.v1: what containerd from 2.3 on gives the `start` action on its
// standard input, and reads from its standard output. Before that it gave the options as an Any,
// and read JSON, or a bare address.
namespace dhow::rpc::bootstrap {

enum class LogLevel : std::int32_t {
  kTrace = -8,
  kDebug = -4,
  kInfo = 0,
  kWarning = 4,
  kError = 8,
  kFatal = 10,
  kPanic = 12,
};

struct Extension {
  std::optional<Any> value = {};
  void fields(Codec& codec) { codec(1, value); }
};

struct BootstrapParams {
  std::string instance_id = {};
  std::string name_space = {};
  LogLevel log_level = LogLevel::kInfo;
  std::string containerd_version = {};
  std::string containerd_ttrpc_address = {};
  std::string containerd_grpc_address = {};
  std::string containerd_binary = {};
  std::vector<Extension> extensions = {};
  std::optional<std::string> socket_dir = {};
  void fields(Codec& codec) {
    codec(1, instance_id)(2, name_space)(3, log_level)(4, containerd_version);
    codec(5, containerd_ttrpc_address)(6, containerd_grpc_address)(7, containerd_binary);
    codec(8, extensions)(9, socket_dir);
  }
};

struct BootstrapResult {
  std::int32_t version = 0;   // of the Task service
  std::string address = {};   // "unix://…"
  std::string protocol = {};  // "ttrpc" or "grpc"
  std::vector<std::uint64_t> capabilities = {};
  std::map<std::string, std::string> metadata = {};
  void fields(Codec& codec) {
    codec(1, version)(2, address)(3, protocol)(4, capabilities)(5, metadata);
  }
};

}  // namespace dhow::rpc::bootstrap
