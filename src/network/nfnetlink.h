// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "sys/netlink.h"

// What the messages of all parts of netfilter have in common (linux/netfilter/nfnetlink.h).
namespace dhow::network {

// NFPROTO_* of linux/netfilter.h, which can't be included beside netinet/in.h.
inline constexpr std::uint8_t kFamilyInet = 1;
inline constexpr std::uint8_t kFamilyIpv4 = 2;
inline constexpr std::uint8_t kFamilyIpv6 = 10;

// A message of the subsystem (NFNL_SUBSYS_*) without attributes yet; `flags` as NetlinkRequest has
// them.
NetlinkRequest nfnetlink_request(std::uint16_t subsystem, std::uint32_t type, std::uint16_t flags,
                                 std::uint8_t family);

// Where a batch for the subsystem begins or ends (NFNL_MSG_BATCH_*).
NetlinkRequest nfnetlink_frame(std::uint16_t subsystem, std::uint16_t type);

}  // namespace dhow::network
