// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/result.h"
#include "network/firewall.h"

namespace dhow::network {

// Makes the kernel forget connections of UDP that go through published ports: a client that goes on
// sending would keep them alive, whoever the target is by now. Of those of a container that goes,
// the ones that lead to it; of those of one that comes (`come`), the ones that somebody has opened
// to the port while nobody was there. Blocks on the kernel, which looks through its connections;
// one without ctnetlink has nothing to be asked.
Status forget_connections(const std::vector<FirewallPort>& ports, bool come);

}  // namespace dhow::network
