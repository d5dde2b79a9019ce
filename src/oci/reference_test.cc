// SPDX-License-Identifier: Apache-2.0
#include "oci/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dhow::oci {
namespace {

using testing::HasSubstr;

const std::string kHex(64, 'b');
const std::string kHexDigest = "sha256:" + kHex;

struct ReferenceCase {
  std::string text;
  std::string long_form;
  std::string familiar;
};

class ReferenceTest : public testing::TestWithParam<ReferenceCase> {};

TEST_P(ReferenceTest, HasALongAndAFamiliarForm) {
  auto reference = parse_reference(GetParam().text);
  ASSERT_TRUE(reference.has_value()) << reference.error().message();
  EXPECT_EQ(reference->text(), GetParam().long_form);
  EXPECT_EQ(reference->familiar(), GetParam().familiar);
  auto again = parse_reference(reference->text());
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_EQ(*again, *reference);
  EXPECT_EQ(parse_reference(reference->familiar()).value(), *reference);
}

INSTANTIATE_TEST_SUITE_P(
    Names, ReferenceTest,
    testing::Values(
        ReferenceCase{"busybox", "docker.io/library/busybox", "busybox"},
        ReferenceCase{"busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"},
        ReferenceCase{"library/busybox", "docker.io/library/busybox", "busybox"},
        ReferenceCase{"docker.io/busybox", "docker.io/library/busybox", "busybox"},
        ReferenceCase{"index.docker.io/busybox", "docker.io/library/busybox", "busybox"},
        ReferenceCase{"team/app", "docker.io/team/app", "team/app"},
        ReferenceCase{"docker.io/tr.io/app", "docker.io/tr.io/app", "docker.io/tr.io/app"},
        ReferenceCase{"docker.io/localhost/app", "docker.io/localhost/app",
                      "docker.io/localhost/app"},
        ReferenceCase{"library/team/app", "docker.io/library/team/app", "library/team/app"},
        ReferenceCase{"localhost/app", "localhost/app", "localhost/app"},
        ReferenceCase{"localhost:5000/app:v1", "localhost:5000/app:v1", "localhost:5000/app:v1"},
        ReferenceCase{"registry.example/a/b/c", "registry.example/a/b/c", "registry.example/a/b/c"},
        ReferenceCase{"Host/app", "Host/app", "Host/app"},
        ReferenceCase{"127.0.0.1:80/app", "127.0.0.1:80/app", "127.0.0.1:80/app"},
        ReferenceCase{"[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"},
        ReferenceCase{"[2001:db8::1]/app:x", "[2001:db8::1]/app:x", "[2001:db8::1]/app:x"},
        ReferenceCase{"g/a_b__c.d-e--f", "docker.io/g/a_b__c.d-e--f", "g/a_b__c.d-e--f"},
        ReferenceCase{"app@" + kHexDigest, "docker.io/library/app@" + kHexDigest,
                      "app@" + kHexDigest},
        ReferenceCase{"app:v1@" + kHexDigest, "docker.io/library/app:v1@" + kHexDigest,
                      "app:v1@" + kHexDigest},
        ReferenceCase{"x.example:1/app:v_1.2-3@" + kHexDigest,
                      "x.example:1/app:v_1.2-3@" + kHexDigest,
                      "x.example:1/app:v_1.2-3@" + kHexDigest},
        ReferenceCase{kHex + "/app", "docker.io/" + kHex + "/app", kHex + "/app"}));

TEST(ReferenceFaultTest, IsNamedInDockersWords) {
  for (std::string text : {std::string(),
                           std::string(":tag"),
                           std::string("a//b"),
                           std::string("/a"),
                           std::string("a/"),
                           std::string("a:"),
                           std::string("a:-x"),
                           std::string("a:" + kHex + kHex + "x"),
                           std::string("a@sha256:abc"),
                           std::string("a@"),
                           std::string("a b"),
                           std::string("a/../b"),
                           std::string("a___b"),
                           std::string("-a"),
                           std::string("a."),
                           std::string("a..b"),
                           std::string("host:port/a"),
                           std::string("ho_st.x/a"),
                           std::string("[::1/a"),
                           std::string("[]/a"),
                           std::string("x.y:/a"),
                           std::string("https://x.y/a"),
                           std::string("a\0b", 3)}) {
    auto reference = parse_reference(text);
    ASSERT_FALSE(reference.has_value()) << text << " is " << reference->text();
    EXPECT_EQ(reference.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(reference.error().message(), HasSubstr("invalid reference format")) << text;
  }
  EXPECT_THAT(parse_reference("x.example/App").error().message(),
              HasSubstr("repository name (App) must be lowercase"));
  EXPECT_THAT(parse_reference(kHex).error().message(),
              HasSubstr("cannot specify 64-byte hexadecimal strings"));
  EXPECT_THAT(parse_reference("a/" + std::string(255, 'x')).error().message(),
              HasSubstr("must not be more than 255 characters"));
}

TEST(ReferenceDefaultTest, LatestUnlessTagOrDigestIsGiven) {
  EXPECT_EQ(parse_image_name("app")->tag, "latest");
  EXPECT_EQ(parse_image_name("app:v1")->tag, "v1");
  EXPECT_EQ(parse_image_name("app@" + kHexDigest)->tag, "");
}

}  // namespace
}  // namespace dhow::oci
