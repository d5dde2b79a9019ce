// SPDX-License-Identifier: Apache-2.0
#include "volume/local_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dhow::volume {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(LocalOptions, ReadsWhatMountTakes) {
  auto plain = LocalOptions::parse({});
  ASSERT_TRUE(plain.has_value());
  EXPECT_TRUE(plain->is_plain() && !plain->is_bind());
  auto memory =
      LocalOptions::parse({{"type", "tmpfs"}, {"device", "tmpfs"}, {"o", "size=1m,,uid=7"}});
  ASSERT_TRUE(memory.has_value());
  EXPECT_FALSE(memory->is_plain() || memory->is_bind());
  EXPECT_THAT(memory->options, ElementsAre("size=1m", "uid=7"));
  auto bind = LocalOptions::parse({{"type", "none"}, {"device", "/srv"}, {"o", "bind"}});
  ASSERT_TRUE(bind.has_value());
  EXPECT_TRUE(bind->is_bind());
  auto nfs = LocalOptions::parse({{"type", "nfs"}, {"device", ":/x"}, {"o", "addr=10.0.0.1"}});
  ASSERT_TRUE(nfs.has_value());
}

TEST(LocalOptions, TakesASize) {
  EXPECT_EQ(LocalOptions::parse({{"size", "1.5g"}})->size, std::int64_t{3} << 29);
  EXPECT_EQ(LocalOptions::parse({{"size", "0"}})->size, 0);
  EXPECT_EQ(LocalOptions::parse({})->size, 0);
}

TEST(LocalOptions, RefusesInDockersWords) {
  struct Case {
    metadata::Labels options;
    const char* text;
  };
  for (const Case& one :
       {Case{{{"foo", "x"}}, "invalid option: \"foo\""},
        Case{{{"type", "tmpfs"}}, "missing required option: \"device\""},
        Case{{{"device", "tmpfs"}}, "missing required option: \"type\""},
        Case{{{"o", "bind"}}, "missing required option: \"device\""},
        Case{{{"type", "none"}, {"o", "bind"}, {"device", "srv"}}, "absolute path"},
        Case{{{"size", "much"}}, "invalid size: 'much'"},
        Case{{{"type", "tmpfs"}, {"device", "tmpfs"}, {"size", "1m"}},
             "option \"size\" is for volumes without \"type\""}}) {
    auto parsed = LocalOptions::parse(one.options);
    ASSERT_FALSE(parsed.has_value()) << one.text;
    EXPECT_THAT(parsed.error().message(), HasSubstr(one.text));
  }
}

}  // namespace
}  // namespace dhow::volume
