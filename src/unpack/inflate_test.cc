// SPDX-License-Identifier: Apache-2.0
#include "unpack/inflate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unpack/member_path.h"
#include "unpack/testing/pack.h"
#include "unpack/testing/tar_builder.h"

namespace dhow::unpack {
namespace {

using oci::Compression;
using ::testing::HasSubstr;

constexpr std::int64_t kNoLimit = std::int64_t{1} << 40;

std::string pack(Compression compression, const std::string& content) {
  switch (compression) {
    case Compression::kGzip:
      return gzip(content);
    case Compression::kZstd:
      return zstd(content);
    case Compression::kNone:
      break;
  }
  return content;
}

Result<std::string> unpacked(Compression compression, std::string packed, std::size_t piece,
                             std::int64_t limit = kNoLimit) {
  TextSource source(std::move(packed), piece);
  auto inflater = inflate(source, compression, limit);
  std::string result;
  while (true) {
    TRY_ASSIGN(std::string_view next, inflater->next());
    if (next.empty()) break;
    result += next;
  }
  TRY_ASSIGN(std::string_view again, inflater->next());
  EXPECT_EQ(again, "") << "the end stays the end";
  return result;
}

std::string text_of(std::size_t size) {
  std::string text;
  while (text.size() < size) text += std::to_string(text.size() * 7919) + "\n";
  text.resize(size);
  return text;
}

class InflateTest : public ::testing::TestWithParam<Compression> {};

TEST_P(InflateTest, ComesInPiecesOfAnySize) {
  for (std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{1} << 18, std::size_t{1'000'000}}) {
    std::string content = text_of(size);
    std::string packed = pack(GetParam(), content);
    for (std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{65536}}) {
      if (piece == 1 && size > 300'000) continue;
      auto result = unpacked(GetParam(), packed, piece);
      ASSERT_TRUE(result.has_value()) << result.error().message();
      EXPECT_TRUE(*result == content) << size << " in pieces of " << piece;
    }
  }
}

TEST_P(InflateTest, SeveralStreamsInARow) {
  auto result = unpacked(GetParam(), pack(GetParam(), "one,") + pack(GetParam(), "two"), 3);
  ASSERT_TRUE(result.has_value()) << result.error().message();
  EXPECT_EQ(*result, "one,two");
}

TEST_P(InflateTest, TheLimitHolds) {
  std::string zeros(10'000'000, '\0');
  auto result = unpacked(GetParam(), pack(GetParam(), zeros), 4096, 1'000'000);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code(), Code::kResourceExhausted);
  EXPECT_THAT(result.error().message(), HasSubstr("more than 1000000 bytes"));
}

INSTANTIATE_TEST_SUITE_P(All, InflateTest,
                         ::testing::Values(Compression::kNone, Compression::kGzip,
                                           Compression::kZstd));

class DamageTest : public ::testing::TestWithParam<Compression> {};

TEST_P(DamageTest, IsFoundWhereverItIs) {
  std::string packed = pack(GetParam(), text_of(50'000));
  for (std::size_t cut = 1; cut < packed.size(); cut += 997) {
    auto result = unpacked(GetParam(), packed.substr(0, cut), 512);
    ASSERT_FALSE(result.has_value()) << cut;
    EXPECT_EQ(result.error().code(), Code::kDataLoss) << result.error().message();
  }
  auto followed = unpacked(GetParam(), packed + "something else", 512);
  ASSERT_FALSE(followed.has_value());
  EXPECT_EQ(followed.error().code(), Code::kDataLoss);
  EXPECT_FALSE(unpacked(GetParam(), "no such stream at all", 512).has_value());
}

INSTANTIATE_TEST_SUITE_P(All, DamageTest,
                         ::testing::Values(Compression::kGzip, Compression::kZstd));

TEST(GzipTest, ChecksumsAreCheckedAndPaddingIsNot) {
  std::string packed = gzip(text_of(5000));
  std::string wrong = packed;
  wrong[wrong.size() - 6] ^= 1;
  auto result = unpacked(Compression::kGzip, wrong, 100);
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message(), HasSubstr("wrong checksum"));
  EXPECT_EQ(unpacked(Compression::kGzip, packed + std::string(1000, '\0'), 100).value(),
            text_of(5000));
}

// Whatever the pieces, what is read ahead across them is not lost.
TEST(GzipTest, PiecesMayEndAnywhere) {
  std::string packed = gzip("one,") + gzip(text_of(300)) + std::string(20, '\0');
  for (std::size_t piece = 1; piece < 40; ++piece) {
    EXPECT_EQ(unpacked(Compression::kGzip, packed, piece).value(), "one," + text_of(300)) << piece;
    for (std::size_t cut = 1; cut + 20 < packed.size(); ++cut) {
      auto result = unpacked(Compression::kGzip, packed.substr(0, cut), piece);
      // Only the end of the first member is a place to stop.
      EXPECT_EQ(result.has_value(), cut == gzip("one,").size()) << cut << " in " << piece;
    }
  }
}

TEST(SniffTest, ByTheirMagic) {
  EXPECT_EQ(sniff_compression(gzip("x")), Compression::kGzip);
  EXPECT_EQ(sniff_compression(zstd("x")), Compression::kZstd);
  EXPECT_EQ(sniff_compression("\x53\x2a\x4d\x18"), Compression::kZstd);
  EXPECT_EQ(sniff_compression("./etc/"), Compression::kNone);
  EXPECT_EQ(sniff_compression(""), Compression::kNone);
}

TEST(MemberPathTest, IsBelowTheRoot) {
  EXPECT_EQ(member_path("./a//b/./c/").value(), "a/b/c");
  EXPECT_EQ(member_path("/").value(), "");
  EXPECT_FALSE(member_path("a/..").has_value());
  EXPECT_FALSE(member_path(std::string("a\0b", 3)).has_value());
  std::string deep;
  for (int i = 0; i < 2050; ++i) deep += "d/";
  EXPECT_FALSE(member_path(deep).has_value());
  EXPECT_EQ(split_path("a/b").folder, "a");
  EXPECT_EQ(split_path("b").folder, "");
}

}  // namespace
}  // namespace dhow::unpack
