// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <array>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dhow {
namespace {

using testing::HasSubstr;

TEST(DigestTest, HasItsParts) {
  std::string text = "sha256:" + std::string(64, 'a');
  auto digest = Digest::parse(text);
  ASSERT_TRUE(digest.has_value()) << digest.error().message();
  EXPECT_EQ(digest->text(), text);
  EXPECT_EQ(digest->algorithm(), "sha256");
  EXPECT_EQ(digest->hex(), std::string(64, 'a'));
  EXPECT_TRUE(Digest::parse("sha512:" + std::string(128, '0')).has_value());
}

TEST(DigestTest, IsMadeOfAHash) {
  std::array<std::uint8_t, 32> hash{};
  hash.front() = 0x0f;
  hash.back() = 0xa5;
  EXPECT_EQ(Digest::from_sha256(hash).text(), "sha256:0f" + std::string(60, '0') + "a5");
  EXPECT_TRUE(Digest::parse(Digest::from_sha256(hash).text()).has_value());
}

TEST(DigestTest, OthersAreRefused) {
  for (std::string text : {std::string(), std::string("sha256"), std::string("sha256:"),
                           "sha256:" + std::string(63, 'a'), "sha256:" + std::string(65, 'a'),
                           "sha256:" + std::string(64, 'A'), "sha256:../" + std::string(61, 'a'),
                           "md5:" + std::string(32, 'a'), "sha512:" + std::string(64, 'a')}) {
    auto digest = Digest::parse(text);
    ASSERT_FALSE(digest.has_value()) << text;
    EXPECT_EQ(digest.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(digest.error().message(), HasSubstr("digest \"" + text + "\""));
  }
}

TEST(DigestTest, EmptyOneHasNoParts) {
  EXPECT_TRUE(Digest().empty());
  EXPECT_EQ(Digest().hex(), "");
}

}  // namespace
}  // namespace dhow
