// SPDX-License-Identifier: Apache-2.0
#include "base/hasher.h"

#include <gtest/gtest.h>

namespace dhow {
namespace {

// The examples of FIPS 180-2, B.1 and C.1, and the hash of nothing.
constexpr std::string_view kOfAbc =
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr std::string_view kOfNothing =
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::string_view kSha512OfAbc =
    "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

TEST(HasherTest, KnownDigests) {
  EXPECT_EQ(digest_of("abc").text(), kOfAbc);
  EXPECT_EQ(digest_of("").text(), kOfNothing);
}

TEST(HasherTest, PiecesAreOneContentAndFinishBeginsAnew) {
  Hasher hasher("sha512");
  hasher.update("a");
  hasher.update("bc");
  EXPECT_EQ(hasher.finish().text(), kSha512OfAbc);
  hasher.update("abc");
  EXPECT_EQ(hasher.finish().text(), kSha512OfAbc);
}

}  // namespace
}  // namespace dhow
