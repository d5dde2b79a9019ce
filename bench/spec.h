// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dhow::bench {

struct SpecOptions {
  std::string rootfs = {};
  std::vector<std::string> args;
  std::string cgroups_path = {};          // absolute within each hierarchy
  std::int64_t memory_limit = 256 << 20;  // bytes
  bool seccomp = true;
  bool user_namespace = false;  // container ids 0-65535 are host ids 100000-165535
};

// The config.json of a measured container: what `spec` of the OCI runtimes generates, plus a cgroup
// namespace, memory, pids and cpu limits, and a seccomp profile of the size that engines use.
std::string make_config(const SpecOptions& options);

}  // namespace dhow::bench
