// SPDX-License-Identifier: Apache-2.0
#include "oci/platform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dhow::oci {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Platform platform(std::string os, std::string architecture, std::string variant = {}) {
  return {std::move(os), std::move(architecture), std::move(variant), {}, {}};
}

const Platform kHost = platform("linux", "amd64", "v3");

std::string normal(std::string_view text) {
  auto result = parse_platform(text, kHost);
  return result ? platform_text(*result) : result.error().message();
}

TEST(PlatformTest, OtherNamesBecomeTheUsualOnes) {
  EXPECT_EQ(normal("linux/amd64"), "linux/amd64");
  EXPECT_EQ(normal("linux/amd64/v1"), "linux/amd64");
  EXPECT_EQ(normal("Linux/X86_64/V2"), "linux/amd64/v2");
  EXPECT_EQ(normal("linux/aarch64"), "linux/arm64");
  EXPECT_EQ(normal("linux/arm64/v8"), "linux/arm64");
  EXPECT_EQ(normal("linux/arm"), "linux/arm/v7");
  EXPECT_EQ(normal("linux/arm/6"), "linux/arm/v6");
  EXPECT_EQ(normal("linux/armel"), "linux/arm/v6");
  EXPECT_EQ(normal("macos/arm64"), "darwin/arm64");
}

TEST(PlatformTest, OneWordTakesTheRestOfTheHost) {
  EXPECT_EQ(normal("linux"), "linux/amd64/v3");
  EXPECT_EQ(normal("arm64"), "linux/arm64");
  EXPECT_EQ(normal("x86_64"), "linux/amd64");
}

TEST(PlatformTest, FaultsNameTheText) {
  for (std::string_view text : {"", "/", "linux/", "linux/amd64/v1/x", "li nux/amd64", "nothing"}) {
    auto result = parse_platform(text, kHost);
    ASSERT_FALSE(result.has_value()) << text;
    EXPECT_EQ(result.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(result.error().message(), HasSubstr("invalid platform \"" + std::string(text)));
  }
}

std::vector<std::string> compatible(const Platform& wanted) {
  std::vector<std::string> texts;
  for (const Platform& one : compatible_platforms(wanted)) texts.push_back(platform_text(one));
  return texts;
}

TEST(PlatformTest, LowerVariantsRunToo) {
  EXPECT_THAT(compatible(kHost),
              ElementsAre("linux/amd64/v3", "linux/amd64/v2", "linux/amd64", "linux/386"));
  EXPECT_THAT(compatible(platform("linux", "amd64")), ElementsAre("linux/amd64", "linux/386"));
  EXPECT_THAT(compatible(platform("linux", "arm", "v7")),
              ElementsAre("linux/arm/v7", "linux/arm/v6", "linux/arm/v5"));
  EXPECT_THAT(
      compatible(platform("linux", "arm64")),
      ElementsAre("linux/arm64", "linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"));
  EXPECT_THAT(compatible(platform("linux", "s390x")), ElementsAre("linux/s390x"));
}

TEST(PlatformTest, RankIsThePlaceAmongThem) {
  EXPECT_EQ(platform_rank(kHost, platform("linux", "amd64", "v3")), 0U);
  EXPECT_EQ(platform_rank(kHost, platform("linux", "x86_64")), 2U);
  EXPECT_EQ(platform_rank(kHost, platform("linux", "amd64", "v4")), std::nullopt);
  EXPECT_EQ(platform_rank(kHost, platform("windows", "amd64")), std::nullopt);
  Platform special = platform("linux", "amd64");
  special.os_features = {"sse9"};
  EXPECT_EQ(platform_rank(kHost, special), std::nullopt);
}

TEST(PlatformTest, HostIsNamedInGosNames) {
  EXPECT_EQ(host_platform().os, "linux");
  EXPECT_THAT(host_platform().architecture, Not(HasSubstr("x86_64")));
  EXPECT_EQ(platform_rank(host_platform(), host_platform()), 0U);
}

}  // namespace
}  // namespace dhow::oci
