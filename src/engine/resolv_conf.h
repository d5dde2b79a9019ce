// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/container_config.h"
#include "engine/engine.h"

namespace dhow::engine {

// resolv.conf(5): what of it is for containers.
struct ResolvConf {
  std::vector<std::string> servers;
  std::vector<std::string> search;
  std::vector<std::string> options;
  std::vector<std::string> others;  // lines

  // As moby does: of domain and search the last line counts, options add up, comments are left out.
  static ResolvConf parse(std::string_view text);
  std::string text() const;
  bool has_option(std::string_view name) const;
};

// The host's file, with what the container or else the engine sets in place of it. Reads files.
ResolvConf resolv_conf_of(const HostConfig& host, const EngineOptions& engine);
// For a network without a resolver: the host's loopback addresses lead nowhere there, so those are
// left out, and docker's choice is taken where nothing remains.
void leave_loopback(ResolvConf& conf, const HostConfig& host, const EngineOptions& engine);
// For a network with one; the servers are told to that (dns::Settings).
void point_to_resolver(ResolvConf& conf);

}  // namespace dhow::engine
