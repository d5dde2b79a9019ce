// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/events.h"
#include "network/local_networks.h"

namespace dhow::engine {

// A network, and who of those that run is in it.
struct NetworkDetails {
  network::NetworkRecord record;
  std::vector<network::Endpoint> endpoints;
};

// The use cases of networks; putting containers into them is those of containers.h. `ref` is a
// name, an id or its beginning. Errors have docker's words. Borrows what it is made with. Thread
// safe; calls block on the database and the kernel.
class Networks {
 public:
  Networks(network::LocalNetworks& networks, Events& events)
      : networks_(networks), events_(events) {}

  Result<network::NetworkRecord> create(const network::NewNetwork& wanted);
  // kPermissionDenied for one that is in use or is always there.
  Status remove(std::string_view ref);
  // Removes those that no container which runs is in; their names. Filters: until, label, label!.
  Result<std::vector<std::string>> prune(const Filters& filters);
  // By name. Filters: dangling, driver, id, label, name, scope, type.
  Result<std::vector<NetworkDetails>> list(const Filters& filters) const;
  Result<NetworkDetails> inspect(std::string_view ref) const;
  // What keeps containers from being reached; for people.
  std::vector<std::string> warnings() const { return networks_.warnings(); }

 private:
  void publish(const network::NetworkRecord& record, std::string_view action);

  network::LocalNetworks& networks_;
  Events& events_;
};

}  // namespace dhow::engine
