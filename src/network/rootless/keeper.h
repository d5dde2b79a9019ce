// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::network::rootless {

// Makes the network of a rootless engine and keeps it, whatever becomes of the engine, until it is
// told to end: the network namespace, the program that connects it with the outside, and the ports
// of the host. `state`: the engine's state folder, where it listens at kSocketName. `uplink` as of
// Uplink. The calling process is the first of its PID namespace, so that all it has started ends
// with it; its user and mount namespaces are those of the engine, its network namespace is the
// host's. `ready` is told "ok" or what failed, once, and closed. Returns when it is to end, with
// its socket removed; blocks.
Status keep_network(const std::string& state, const std::string& uplink, Fd ready);

}  // namespace dhow::network::rootless
