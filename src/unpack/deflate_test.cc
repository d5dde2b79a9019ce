// SPDX-License-Identifier: Apache-2.0
#include "unpack/deflate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hasher.h"
#include "unpack/inflate.h"
#include "unpack/testing/tar_builder.h"

namespace dhow::unpack {
namespace {

using oci::Compression;

// Text that packs well, with noise between it.
std::string sample(std::size_t size) {
  std::string text;
  unsigned seed = 7;
  while (text.size() < size) {
    seed = seed * 1664525U + 1013904223U;
    text += (seed >> 28) < 12 ? "the same words again and again, " : std::to_string(seed);
  }
  text.resize(size);
  return text;
}

std::string packed(const std::string& text, Compression compression, unsigned threads,
                   std::size_t piece) {
  TextSink sink;
  auto packer = pack(sink, compression, threads);
  for (std::size_t at = 0; at < text.size(); at += piece) {
    EXPECT_TRUE(packer->write(std::string_view(text).substr(at, piece)).has_value());
  }
  EXPECT_TRUE(packer->finish().has_value());
  return sink.text;
}

std::string unpacked(const std::string& bytes, Compression compression) {
  TextSource source(bytes);
  auto inflated = inflate(source, compression, std::int64_t{1} << 30);
  std::string text;
  while (true) {
    auto piece = inflated->next();
    if (!piece) return piece.error().message();
    if (piece->empty()) return text;
    text += *piece;
  }
}

class DeflateTest : public ::testing::TestWithParam<Compression> {};

TEST_P(DeflateTest, ComesBackWhateverItsSize) {
  constexpr std::size_t kPart = std::size_t{512} << 10;
  for (std::size_t size : {std::size_t{0}, std::size_t{1}, kPart - 1, kPart, kPart + 1, 5 * kPart,
                           std::size_t{9'000'000}}) {
    std::string text = sample(size);
    std::string bytes = packed(text, GetParam(), 3, 65536);
    EXPECT_EQ(sniff_compression(bytes),
              size == 0 && GetParam() == Compression::kNone ? Compression::kNone : GetParam());
    EXPECT_TRUE(unpacked(bytes, GetParam()) == text) << size;
    if (GetParam() != Compression::kNone && size > 1000) {
      EXPECT_LT(bytes.size(), size / 2);
    }
  }
}

TEST_P(DeflateTest, NeitherThreadsNorPiecesChangeTheBytes) {
  std::string text = sample(11'000'000);
  std::string first = packed(text, GetParam(), 1, text.size());
  for (unsigned threads : {1U, 2U, 5U}) {
    for (std::size_t piece : {std::size_t{777}, std::size_t{512}, std::size_t{3'000'000}}) {
      EXPECT_TRUE(packed(text, GetParam(), threads, piece) == first) << threads << " " << piece;
    }
  }
}

class FullSink : public ByteSink {
 public:
  Status write(std::string_view) override { return fail(Code::kResourceExhausted, "full"); }
};

TEST_P(DeflateTest, TheSinksFailureIsTheirs) {
  FullSink sink;
  auto packer = pack(sink, GetParam(), 2);
  std::string text = sample(20'000'000);
  Status status = packer->write(text);
  if (status) status = packer->finish();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), Code::kResourceExhausted);
}

INSTANTIATE_TEST_SUITE_P(All, DeflateTest,
                         ::testing::Values(Compression::kNone, Compression::kGzip,
                                           Compression::kZstd),
                         [](const auto& test) {
                           return std::string(test.param == Compression::kNone   ? "None"
                                              : test.param == Compression::kGzip ? "Gzip"
                                                                                 : "Zstd");
                         });

// Nothing of the machine is in the header.
TEST(DeflateHeaderTest, HasNoTimeAndNoName) {
  EXPECT_EQ(packed("x", Compression::kGzip, 1, 1).substr(0, 10),
            std::string("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", 10));
}

}  // namespace
}  // namespace dhow::unpack
