// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "network/place.h"

namespace dhow::network::rootless {

struct PlaceOptions {
  std::string state;   // the engine's state folder
  std::string keeper;  // the program dhow-net
  // What connects it with the outside: "pasta", "slirp4netns", or "" for the first that works.
  std::string uplink;
};

// The network of a rootless engine: a program of its own, dhow-net, keeps it, and is started when
// it is first needed. The process is in the user namespace that the keeper is in, or is to be in.
std::unique_ptr<Place> make_place(PlaceOptions options);

// The user namespace of the keeper of the engine with that state folder; none: there is no keeper.
// The caller is who has started it, outside of the namespace.
Result<Fd> keeper_user_namespace(const std::string& state);

}  // namespace dhow::network::rootless
