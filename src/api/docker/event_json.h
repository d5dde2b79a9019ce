// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "api/docker/exchange.h"
#include "engine/events.h"

namespace dhow::api::docker {

// How a client gets events.
struct EventFormat {
  std::string content_type;
  std::string separator;  // in front of each
  bool legacy = false;    // with "status", "id" and "from", until 1.51
};
EventFormat event_format(const Exchange& exchange);

std::string event_json(const engine::Event& event, bool legacy);

}  // namespace dhow::api::docker
