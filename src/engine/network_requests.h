// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/container_config.h"
#include "network/local_networks.h"

// What a container asks of its networks, as src/network understands it. kInvalidArgument in
// docker's words.
namespace dhow::engine {

// `mac` is for an endpoint that names none itself.
Result<network::Join> join_of(const network::NetworkRecord& record, const EndpointConfig& config,
                              const std::string& mac);
// Of PortBindings and PublishAllPorts.
Result<std::vector<network::PortWish>> port_wishes(const CreateConfig& config);

}  // namespace dhow::engine
