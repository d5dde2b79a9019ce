// SPDX-License-Identifier: Apache-2.0
#include "api/docker/door.h"

#include "base/strings.h"

namespace dhow::api::docker {

Router make_router(const Services& services) {
  Router router;
  // Those of a container's run first: routes are looked through in this order.
  add_container_routes(router, services);
  add_container_stream_routes(router, services);
  add_exec_routes(router, services);
  add_system_routes(router, services);
  add_archive_routes(router, services);
  add_usage_routes(router, services);
  add_absent_routes(router);
  add_image_stream_routes(router, services);
  add_image_routes(router, services);
  add_network_routes(router, services);
  add_volume_routes(router, services);
  return router;
}

std::vector<std::pair<std::string, std::string>> answer_headers(const std::string& version) {
  return {{"Api-Version", version_text(kNewestApi)},
          {"Docker-Experimental", "false"},
          {"Ostype", "linux"},
          {"Server", cat("Docker/", version, " (linux)")}};
}

bool is_unversioned(const Exchange& exchange) {
  std::string_view target = exchange.head().target;
  return target.substr(0, target.find('?')) == exchange.path();
}

}  // namespace dhow::api::docker
