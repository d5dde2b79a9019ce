// SPDX-License-Identifier: Apache-2.0
#include "content/extents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dhow::content {
namespace {

using ::testing::ElementsAre;

TEST(ExtentsTest, ThoseThatTouchAreOne) {
  Extents extents;
  EXPECT_EQ(extents.prefix(), 0);
  extents.add({20, 30});
  extents.add({40, 50});
  extents.add({5, 5});
  EXPECT_EQ(extents.prefix(), 0);
  EXPECT_THAT(extents.all(), ElementsAre(Extent{20, 30}, Extent{40, 50}));
  extents.add({0, 10});
  EXPECT_EQ(extents.prefix(), 10);
  extents.add({30, 40});
  EXPECT_THAT(extents.all(), ElementsAre(Extent{0, 10}, Extent{20, 50}));
  extents.add({15, 60});
  extents.add({10, 15});
  EXPECT_THAT(extents.all(), ElementsAre(Extent{0, 60}));
  extents.add({10, 20});
  EXPECT_EQ(extents.prefix(), 60);
}

TEST(ExtentsTest, TextAndBack) {
  Extents extents(100);
  extents.add({200, 300});
  extents.add({400, 500});
  EXPECT_EQ(extents.text(9), "0-100 200-300 400-500\n");
  EXPECT_EQ(extents.text(2), "0-100 200-300\n");
  auto read = Extents::parse("0-100 200-300 400-500\nrest of a longer line\n", 450);
  ASSERT_TRUE(read.has_value());
  EXPECT_THAT(read->all(), ElementsAre(Extent{0, 100}, Extent{200, 300}, Extent{400, 450}));
  EXPECT_TRUE(Extents::parse("\n", 10)->all().empty());
  EXPECT_TRUE(Extents::parse("20-30\n", 10)->all().empty());
  for (const char* wrong : {"", "0-100", "0:100\n", "a-b\n", "-5-10\n", "0-\n"}) {
    EXPECT_FALSE(Extents::parse(wrong, 10).has_value()) << wrong;
  }
}

}  // namespace
}  // namespace dhow::content
