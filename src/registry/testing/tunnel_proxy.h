// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "registry/testing/loopback_server.h"
#include "sys/fd.h"

namespace dhow::registry::testing {

// A proxy on a loopback port that knows CONNECT only (RFC 9110, section 9.3.6), and connects to one
// port of loopback whatever the name. Everything ends with the object.
class TunnelProxy {
 public:
  // `login`: what must stand behind "Proxy-Authorization: Basic "; "": anybody may.
  explicit TunnelProxy(std::uint16_t target, std::string login = {});

  std::string authority() const { return server_.authority(); }
  // The first lines of what was asked.
  std::vector<std::string> asked() const;

 private:
  void serve(int client);
  Fd connect_to_target() const;

  const std::uint16_t target_;
  const std::string login_;
  mutable std::mutex mutex_;
  std::vector<std::string> asked_;
  LoopbackServer server_;  // last: its threads use all of the above
};

}  // namespace dhow::registry::testing
