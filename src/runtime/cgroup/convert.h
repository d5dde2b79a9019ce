// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "oci/config.h"

namespace dhow::cgroup {

// cpu.weight (1..10000) for cpu.shares (2..262144): the curve through (2, 1), (1024, 100) and
// (262144, 10000), which is a parabola in logarithms. 0 shares: unset, 0.
std::uint64_t cpu_weight_from_shares(std::uint64_t shares);

// io.weight (1..10000) for blkio.weight (10..1000), in a straight line. 0 stays 0.
std::uint64_t io_weight_from_blkio(std::uint16_t weight);

// "max" for -1 and the number for others; nullopt for 0 and absent, which mean unset.
std::optional<std::string> limit_text(std::optional<std::int64_t> value);

// memory.swap.max, which counts swap alone, from memory+swap. nullopt: leave it as it is.
Result<std::optional<std::string>> swap_max_text(const oci::MemoryLimits& memory);

// pids.max: -1 or less is "max". A limit of 0 is written as 1: both refuse every fork, and systemd
// takes 0 for unset.
std::string pids_max_text(std::int64_t limit);

// Which parts of a resources section ask for something: what a controller is needed for.
bool wants_memory(const oci::Resources& resources);
bool wants_cpu(const oci::Resources& resources);
bool wants_cpuset(const oci::Resources& resources);
bool wants_block_io(const oci::Resources& resources);
bool wants_network(const oci::Resources& resources);
// Anything at all but device rules.
bool wants_any_limit(const oci::Resources& resources);

}  // namespace dhow::cgroup
