// SPDX-License-Identifier: Apache-2.0
#include "shim/mapped_overlay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dhow::shim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(MappedOverlay, TakesContainerdsOptions) {
  OwnerMap map;
  EXPECT_FALSE(map.is_set());
  EXPECT_TRUE(take_owner_map("uidmap=0:100000:65536,65536:300000:10", map).value());
  EXPECT_TRUE(take_owner_map("gidmap=0:7:1", map).value());
  EXPECT_FALSE(take_owner_map("lowerdir=/a", map).value());
  EXPECT_TRUE(map.is_set());
  EXPECT_THAT(map.uids,
              ElementsAre(oci::IdMapping{0, 100000, 65536}, oci::IdMapping{65536, 300000, 10}));
  EXPECT_THAT(map.gids, ElementsAre(oci::IdMapping{0, 7, 1}));
}

TEST(MappedOverlay, RefusesWhatIsNoMap) {
  for (const char* option : {"uidmap=", "uidmap=1:2", "uidmap=0:1:0", "gidmap=a:1:1",
                             "gidmap=0:1:4294967296", "gidmap=0:1:1,"}) {
    OwnerMap map;
    auto taken = take_owner_map(option, map);
    ASSERT_FALSE(taken.has_value()) << option;
    EXPECT_EQ(taken.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(taken.error().message(), HasSubstr(option));
  }
}

TEST(MappedOverlay, MovesThePathsBelowTheirFolder) {
  const std::vector<std::string> data = {"index=off", "lowerdir=/s/12/fs:/s/11/fs",
                                         "upperdir=/s/13/fs", "workdir=/s/13/work"};
  std::string folder = common_folder(data).value();
  EXPECT_EQ(folder, "/s/");
  EXPECT_THAT(moved_paths(data, folder, ""), ElementsAre("index=off", "lowerdir=12/fs:11/fs",
                                                         "upperdir=13/fs", "workdir=13/work"));
  EXPECT_THAT(moved_paths({"lowerdir=/s/a/s/b:/s/c"}, "/s/", "/m/"),
              ElementsAre("lowerdir=/m/a/s/b:/m/c"));
}

TEST(MappedOverlay, NeedsLayers) {
  EXPECT_EQ(common_folder({"index=off"}).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(common_folder({"lowerdir=a", "upperdir=b"}).error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace dhow::shim
