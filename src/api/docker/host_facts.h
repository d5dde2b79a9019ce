// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace dhow::api::docker {

// What the API tells of the machine. Read anew each time: memory and processors may come and go.
struct HostFacts {
  std::string kernel;        // "6.1.0-18-amd64"
  std::string machine;       // "x86_64"
  std::string architecture;  // "amd64"
  std::string name;
  std::string system;          // "Debian GNU/Linux 12 (bookworm)"
  std::string system_version;  // "12"
  std::int64_t memory = 0;     // bytes
  int processors = 0;
  bool unified_cgroup = false;  // cgroup v2 alone
  bool swap_limit = false;
  bool apparmor = false;
  bool ip_forwarding = false;
  std::string id;  // of this machine, the same at each start
};
HostFacts read_host_facts();

}  // namespace dhow::api::docker
