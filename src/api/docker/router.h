// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/docker/exchange.h"
#include "api/docker/server.h"
#include "base/result.h"

namespace dhow::api::docker {

// The versions of the API that are served.
inline constexpr ApiVersion kOldestApi{24};
inline constexpr ApiVersion kNewestApi{52};
// "1.52"
std::string version_text(ApiVersion version);

// The parts of a path that a pattern leaves open, in their order.
using Match = std::vector<std::string>;

// Answers a request, or fails before it has begun to answer; it may keep the exchange and answer
// later.
using Handler = std::function<Status(const ExchangePtr&, const Match&)>;

struct Route {
  std::string method;
  // "/containers/{}/json": "{}" is one part, "{*}" one or more of them, slashes included.
  std::string pattern;
  Handler handler;
  bool streams_body = false;
  bool quick = false;  // doesn't block
};

// Finds who answers a request: takes the version off the path, and holds it against what is served.
// Thread safe once filled.
class Router {
 public:
  void add(Route route);
  Plan plan(const RequestHead& head) const;

 private:
  struct Known {
    Route route;
    std::vector<std::string> parts;
  };
  std::vector<Known> routes_;
};

// Whether a path, in parts, is of a pattern; what is open goes to `match`.
bool match_parts(const std::vector<std::string>& pattern,
                 const std::vector<std::string_view>& parts, Match& match);

}  // namespace dhow::api::docker
