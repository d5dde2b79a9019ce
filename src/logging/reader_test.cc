// SPDX-License-Identifier: Apache-2.0
#include "logging/reader.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <string>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "logging/driver.h"

namespace dhow::logging {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ReaderTest : public ::testing::Test {
 protected:
  ReaderTest() {
    char name[] = "/tmp/dhow-reader-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ + "/x.log";
  }
  ~ReaderTest() override { std::filesystem::remove_all(folder_); }

  void put(const std::string& suffix, const std::string& text) {
    std::ofstream(path_ + suffix, std::ios::app) << text;
  }
  static std::string cri(int second, const std::string& text) {
    return cat("1970-01-01T00:00:0", second, "Z stdout F ", text, "\n");
  }
  std::vector<std::string> read(ReadOptions options = {}) {
    options.format = Format::kCri;
    std::vector<std::string> lines;
    auto reader = Reader::open(path_, options);
    EXPECT_TRUE(reader) << reader.error().message();
    if (reader) drain(**reader, lines);
    return lines;
  }
  static void drain(Reader& reader, std::vector<std::string>& lines) {
    while (true) {
      auto line = reader.next();
      EXPECT_TRUE(line);
      if (!line || !*line) return;
      lines.push_back((*line)->text);
    }
  }

  std::string folder_;
  std::string path_;
};

TEST_F(ReaderTest, AMissingLogIsEmpty) { EXPECT_THAT(read(), IsEmpty()); }

TEST_F(ReaderTest, OlderFilesComeFirst) {
  put(".10", cri(1, "a"));
  put(".2", cri(2, "b"));
  put(".1", cri(3, "c"));
  put("", cri(4, "d"));
  put(".tmp", cri(5, "x"));
  EXPECT_THAT(read(), ElementsAre("a\n", "b\n", "c\n", "d\n"));
}

TEST_F(ReaderTest, TailCountsOverFiles) {
  put(".1", cri(1, "a") + cri(2, "b") + cri(3, "c"));
  put("", cri(4, "d"));
  EXPECT_THAT(read({.tail = 0}), IsEmpty());
  EXPECT_THAT(read({.tail = 1}), ElementsAre("d\n"));
  EXPECT_THAT(read({.tail = 2}), ElementsAre("c\n", "d\n"));
  EXPECT_THAT(read({.tail = 4}), ElementsAre("a\n", "b\n", "c\n", "d\n"));
  EXPECT_THAT(read({.tail = 100}), ElementsAre("a\n", "b\n", "c\n", "d\n"));
}

TEST_F(ReaderTest, TailOfAFileOfManyBlocks) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += cri(1, cat(i, std::string(40, '.')));
  put("", text);
  auto lines = read({.tail = 4000});
  ASSERT_EQ(lines.size(), 4000U);
  EXPECT_THAT(lines.front(), ::testing::StartsWith("1000."));
}

TEST_F(ReaderTest, SinceAndUntilAreInclusive) {
  put("", cri(1, "a") + cri(2, "b") + cri(3, "c") + cri(4, "d"));
  constexpr std::int64_t kSecond = 1'000'000'000;
  EXPECT_THAT(read({.since_ns = 2 * kSecond, .until_ns = 3 * kSecond}), ElementsAre("b\n", "c\n"));
}

TEST_F(ReaderTest, WhatMakesNoSenseIsLeftOut) {
  put(".1", cri(1, "a") + "1970-01-01T00:0");
  put("", "garbage\n" + cri(2, "b") + "1970-01-01T00:00:03Z stdout F torn");
  EXPECT_THAT(read(), ElementsAre("a\n", "b\n"));
}

TEST_F(ReaderTest, FollowWaitsForTheRestOfALine) {
  Fd ended(::eventfd(0, EFD_CLOEXEC));
  put("", cri(1, "a") + "1970-01-01T00:00:03Z std");
  auto reader = Reader::open(path_, {.format = Format::kCri, .follow = true, .ended = ended.get()});
  ASSERT_TRUE(reader);
  EXPECT_EQ((**(*reader)->next()).text, "a\n");
  put("", "out F rest\n");
  EXPECT_EQ((**(*reader)->next()).text, "rest\n");
  put("", cri(4, "last"));
  ASSERT_EQ(::eventfd_write(ended.get(), 1), 0);
  EXPECT_EQ((**(*reader)->next()).text, "last\n");
  EXPECT_FALSE(*(*reader)->next());
}

TEST_F(ReaderTest, FollowEndsAtOnceWhenCancelled) {
  Fd cancelled(::eventfd(1, EFD_CLOEXEC));
  auto reader =
      Reader::open(path_, {.format = Format::kCri, .follow = true, .cancelled = cancelled.get()});
  ASSERT_TRUE(reader);
  EXPECT_FALSE(*(*reader)->next());
}

TEST_F(ReaderTest, FollowBeginsWithALogThatHasBeenRotatedMeanwhile) {
  Fd ended(::eventfd(0, EFD_CLOEXEC));
  auto reader = Reader::open(path_, {.format = Format::kCri, .follow = true, .ended = ended.get()});
  ASSERT_TRUE(reader);
  put(".2", cri(1, "a"));
  put(".1", cri(2, "b"));
  put("", cri(3, "c"));
  ASSERT_EQ(::eventfd_write(ended.get(), 1), 0);
  for (const char* text : {"a\n", "b\n", "c\n"}) EXPECT_EQ((**(*reader)->next()).text, text);
  EXPECT_FALSE(*(*reader)->next());
}

// The writer rotates all the time while two readers are at it: neither misses a line, and none
// comes twice. Enough files are kept that none goes before it was read.
TEST_F(ReaderTest, FollowGoesThroughRotations) {
  constexpr int kLines = 3000;
  Fd ended(::eventfd(0, EFD_CLOEXEC));
  ReadOptions options{.format = Format::kJsonFile, .follow = true, .ended = ended.get()};
  auto first = Reader::open(path_, options);
  ASSERT_TRUE(first);
  std::vector<std::string> lines[2];
  std::jthread reading([&] { drain(**first, lines[0]); });
  auto driver =
      make_driver({"json-file", {{"path", path_}, {"max-size", "2k"}, {"max-file", "1000"}}});
  ASSERT_TRUE(driver);
  std::unique_ptr<Reader> second;
  std::jthread late;
  for (int i = 0; i < kLines; ++i) {
    std::string text = cat(i);
    (*driver)->write({.time_ns = i, .line = text});
    (*driver)->flush();
    if (i == kLines / 2) {
      second = Reader::open(path_, options).value();
      late = std::jthread([&] { drain(*second, lines[1]); });
    }
  }
  ASSERT_EQ(::eventfd_write(ended.get(), 1), 0);
  reading.join();
  late.join();
  for (const auto& seen : lines) {
    ASSERT_EQ(seen.size(), static_cast<std::size_t>(kLines));
    for (int i = 0; i < kLines; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], cat(i, "\n"));
  }
}

}  // namespace
}  // namespace dhow::logging
