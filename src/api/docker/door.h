// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "api/docker/router.h"
#include "engine/engine.h"
#include "engine/images.h"
#include "registry/client.h"

namespace dhow::api::docker {

// What the door translates to. Borrowed; all of it outlives the server.
struct Services {
  engine::Engine& engine;
  engine::Images& images;
  std::string version;  // of this program
  bool debug = false;
};

// All routes of the API. `services` is kept by reference.
Router make_router(const Services& services);

// The headers that every answer has.
std::vector<std::pair<std::string, std::string>> answer_headers(const std::string& version);

// Its parts, a file each.
void add_system_routes(Router& router, const Services& services);
void add_usage_routes(Router& router, const Services& services);
void add_image_routes(Router& router, const Services& services);
void add_image_stream_routes(Router& router, const Services& services);
void add_container_routes(Router& router, const Services& services);
void add_container_stream_routes(Router& router, const Services& services);
void add_archive_routes(Router& router, const Services& services);
void add_exec_routes(Router& router, const Services& services);
void add_network_routes(Router& router, const Services& services);
void add_volume_routes(Router& router, const Services& services);
void add_absent_routes(Router& router);

// From when to when requests are shaped otherwise.
inline bool before(const Exchange& exchange, int minor) {
  return exchange.version() < ApiVersion{minor};
}

// A request without the prefix of a version gets the fields of all versions.
bool is_unversioned(const Exchange& exchange);

}  // namespace dhow::api::docker
