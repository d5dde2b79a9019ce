// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "crash/api.h"
#include "crash/daemon.h"
#include "crash/ledger.h"

namespace dhow::crash_test {

// What stops the comparison.
enum class Rightness : std::uint8_t {
  // Each thing that was wrong at first has once been right. What is lost or left stays so.
  kEachOnce,
  // Nothing is wrong at all, which those that are restarted over and over make a matter of luck.
  kAllAtOnce,
};

// Compares what the users know, what the API says, and the truth. What has had no answer is settled
// in the users' entries by what is there. `images`: the snapshots that are not of containers.
// Asks again for half a minute, since things are just ending or beginning. What is wrong then.
std::vector<std::string> lasting_differences(const Daemon& daemon, Api& api,
                                             const std::vector<Entries*>& users, std::size_t images,
                                             Rightness rightness);

}  // namespace dhow::crash_test
