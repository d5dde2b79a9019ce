// SPDX-License-Identifier: Apache-2.0
#include "engine/interface_use.h"

#include <gtest/gtest.h>

namespace dhow::engine {
namespace {

constexpr std::string_view kDevices =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop "
    "fifo colls carrier compressed\n"
    "    lo:      84       1    0    0    0     0          0         0       84       1    0    0 "
    "   0     0       0          0\n"
    "  eth0:18446744073709551615  6    1    2    9     9          9         9      336       4    "
    "3    5    9     9       9          9\n"
    "  eth1:     5\n";

TEST(InterfaceUse, IsReadOfTheInterfacesThatAreAskedFor) {
  auto uses = parse_interface_use(kDevices, {"eth0", "eth1", "eth2"});
  ASSERT_EQ(uses.size(), 1U);
  InterfaceUse expected{.name = "eth0",
                        .received = {.bytes = UINT64_MAX, .packets = 6, .errors = 1, .dropped = 2},
                        .sent = {.bytes = 336, .packets = 4, .errors = 3, .dropped = 5}};
  EXPECT_EQ(uses.front(), expected);
}

TEST(InterfaceUse, NothingOfNothing) {
  EXPECT_TRUE(parse_interface_use("", {"eth0"}).empty());
  EXPECT_TRUE(parse_interface_use(kDevices, {}).empty());
}

}  // namespace
}  // namespace dhow::engine
