// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "crash/api.h"
#include "crash/daemon.h"
#include "crash/ledger.h"

namespace dhow::crash_test {

// Compares what the users know, what the API says, and the truth. What has had no answer is settled
// in the users' entries by what is there. `images`: the snapshots that are not of containers.
// What is wrong; it may be so for a moment, of what is just ending or beginning.
std::vector<std::string> differences(const Daemon& daemon, Api& api,
                                     const std::vector<Entries*>& users, std::size_t images);

// Asks again until nothing is wrong, for half a minute.
std::vector<std::string> lasting_differences(const Daemon& daemon, Api& api,
                                             const std::vector<Entries*>& users,
                                             std::size_t images);

}  // namespace dhow::crash_test
