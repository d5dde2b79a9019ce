// SPDX-License-Identifier: Apache-2.0
#include "api/docker/detach_keys.h"

#include <gtest/gtest.h>

namespace dhow::api::docker {
namespace {

TEST(DetachKeysTest, ReadsKeysAsDockerWritesThem) {
  EXPECT_EQ(parse_detach_keys("ctrl-p,ctrl-q"), "\x10\x11");
  EXPECT_EQ(parse_detach_keys("a,ctrl-["), "a\x1b");
  EXPECT_EQ(parse_detach_keys("ctrl-@"), std::string(1, '\0'));
  EXPECT_EQ(parse_detach_keys("ctrl-_"), "\x1f");
  for (const char* wrong : {"ctrl-P", "ctrl-", "ab", "a,", "", "ctrl-1"}) {
    EXPECT_EQ(parse_detach_keys(wrong), std::nullopt) << wrong;
  }
}

// Feeds pieces; what was passed on, with "|" where the sequence was found.
std::string feed(DetachMatcher& keys, std::initializer_list<std::string_view> pieces) {
  std::string out;
  for (std::string_view piece : pieces) {
    if (keys.filter(piece, out)) return out + "|";
  }
  return out;
}

TEST(DetachKeysTest, FindsTheSequenceAcrossPieces) {
  DetachMatcher keys("\x10\x11");
  EXPECT_EQ(feed(keys, {"ls\n", "\x10", "\x11", "rest"}), "ls\n|");
}

TEST(DetachKeysTest, PassesOnABeginningThatGoesOnOtherwise) {
  DetachMatcher keys("\x10\x11");
  EXPECT_EQ(feed(keys, {"a\x10", "b\x10\x10", "\x12"}),
            "a\x10"
            "b\x10\x10\x12");
  DetachMatcher again("\x10\x11");
  EXPECT_EQ(feed(again, {"\x10\x10\x11"}), "\x10|");
}

TEST(DetachKeysTest, WithoutKeysEverythingIsPassedOn) {
  DetachMatcher keys("");
  EXPECT_EQ(feed(keys, {"\x10\x11", "x"}), "\x10\x11x");
}

}  // namespace
}  // namespace dhow::api::docker
