// SPDX-License-Identifier: Apache-2.0
#include "logging/compress.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <string>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "logging/driver.h"
#include "logging/reader.h"
#include "sys/file_io.h"

namespace dhow::logging {
namespace {

namespace fs = std::filesystem;

class CompressTest : public ::testing::Test {
 protected:
  CompressTest() {
    char name[] = "/tmp/dhow-compress-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ + "/x.log";
  }
  ~CompressTest() override {
    // Children that pack a file may be at it.
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
    fs::remove_all(folder_);
  }

  static std::string cri(int number) { return cat("1970-01-01T00:00:01Z stdout F ", number, "\n"); }
  static std::string cri(int first, int end) {
    std::string lines;
    for (int i = first; i < end; ++i) lines += cri(i);
    return lines;
  }
  void put(const std::string& suffix, const std::string& text) {
    std::ofstream(path_ + suffix, std::ios::app) << text;
  }
  // Packs a file, and waits until that is done.
  void pack(const std::string& suffix) {
    auto child = start_packing(path_ + suffix);
    ASSERT_TRUE(child) << child.error().message();
    ASSERT_EQ(child->wait_exit(-1).value(), true);
    siginfo_t information{};
    ::waitid(P_PIDFD, static_cast<id_t>(child->fd().get()), &information, WEXITED);
  }
  std::vector<int> read(ReadOptions options = {}) {
    options.format = Format::kCri;
    auto reader = Reader::open(path_, options);
    EXPECT_TRUE(reader) << reader.error().message();
    return reader ? drain(**reader) : std::vector<int>();
  }
  static std::vector<int> drain(Reader& reader, std::size_t limit = SIZE_MAX) {
    std::vector<int> numbers;
    while (numbers.size() < limit) {
      auto line = reader.next();
      EXPECT_TRUE(line) << line.error().message();
      if (!line || !*line) break;
      numbers.push_back(std::stoi((*line)->text));
    }
    return numbers;
  }
  static std::vector<int> range(int first, int end) {
    std::vector<int> numbers;
    for (int i = first; i < end; ++i) numbers.push_back(i);
    return numbers;
  }

  std::string folder_;
  std::string path_;
};

TEST_F(CompressTest, APackedFileTakesThePlaceOfThePlainOne) {
  std::string text = cri(0, 50'000);
  put(".1", text);
  auto time = fs::last_write_time(path_ + ".1");
  struct stat info{};
  ASSERT_EQ(::stat((path_ + ".1").c_str(), &info), 0);
  pack(".1");
  EXPECT_FALSE(fs::exists(path_ + ".1"));
  EXPECT_LT(fs::file_size(path_ + ".1.gz"), text.size() / 4);
  EXPECT_EQ(fs::last_write_time(path_ + ".1.gz"), time);
  auto packed = open_at(kCwd, path_ + ".1.gz", O_RDONLY);
  ASSERT_TRUE(packed);
  EXPECT_EQ(packed_inode(*packed), info.st_ino);
  auto plain = unpack_log(*packed, folder_);
  ASSERT_TRUE(plain) << plain.error().message();
  ::lseek(plain->get(), 0, SEEK_SET);
  EXPECT_EQ(read_all(*plain).value_or(""), text);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(CompressTest, AnyGzipReadsIt) {
  put(".1", cri(0, 100));
  pack(".1");
  EXPECT_EQ(std::system(cat("gzip -t ", path_, ".1.gz").c_str()), 0);
}

TEST_F(CompressTest, WhatIsNoPackedFileIsRefused) {
  put(".1", cri(0, 100'000));
  pack(".1");
  fs::resize_file(path_ + ".1.gz", fs::file_size(path_ + ".1.gz") / 2);
  auto cut = open_at(kCwd, path_ + ".1.gz", O_RDONLY);
  EXPECT_EQ(unpack_log(*cut, folder_).error().code(), Code::kDataLoss);
  put(".2.gz", "no gzip at all");
  auto other = open_at(kCwd, path_ + ".2.gz", O_RDONLY);
  EXPECT_EQ(unpack_log(*other, folder_).error().code(), Code::kDataLoss);
  EXPECT_EQ(packed_inode(*other), 0U);
  EXPECT_FALSE(start_packing(path_ + ".7"));
}

TEST_F(CompressTest, PackedAndPlainFilesAreReadInTheirOrder) {
  put(".3", cri(0, 10));
  put(".2", cri(10, 20));
  put(".1", cri(20, 30));
  put("", cri(30, 40));
  pack(".3");
  pack(".2");
  EXPECT_EQ(read(), range(0, 40));
  EXPECT_EQ(read({.tail = 5}), range(35, 40));
  EXPECT_EQ(read({.tail = 25}), range(15, 40));
  EXPECT_EQ(read({.tail = 1000}), range(0, 40));
  // A child that was killed before it removed the plain file, or before it was done.
  put(".2", cri(10, 20));
  put(".1.gz.tmp", "half of it");
  EXPECT_EQ(read(), range(0, 40));
}

TEST_F(CompressTest, TheDriverPacksWhatItRotates) {
  auto driver = make_driver(
      {"cri", {{"path", path_}, {"max-size", "1k"}, {"max-file", "4"}, {"compress", "true"}}});
  ASSERT_TRUE(driver) << driver.error().message();
  for (int i = 0; i < 400; ++i) {
    std::string text = cat(i);
    (*driver)->write({.stream = Stream::kStdout, .time_ns = 1, .line = text, .ends_line = true});
    (*driver)->flush();
  }
  std::vector<int> numbers = read();
  ASSERT_FALSE(numbers.empty());
  EXPECT_EQ(numbers, range(400 - static_cast<int>(numbers.size()), 400));
  EXPECT_TRUE(fs::exists(path_ + ".3.gz"));
  EXPECT_TRUE(fs::exists(path_ + ".2.gz"));
  EXPECT_FALSE(fs::exists(path_ + ".4.gz") || fs::exists(path_ + ".4"));
}

TEST_F(CompressTest, WhoFollowsSeesEachLineOnce) {
  put("", "");
  Fd ended(::eventfd(0, EFD_CLOEXEC));
  auto reader = Reader::open(
      path_, {.format = Format::kCri, .follow = true, .ended = ended.get(), .cancelled = -1});
  ASSERT_TRUE(reader) << reader.error().message();
  auto driver = make_driver(
      {"cri", {{"path", path_}, {"max-size", "1k"}, {"max-file", "900"}, {"compress", "true"}}});
  ASSERT_TRUE(driver);
  auto write = [&](int first, int end) {
    for (int i = first; i < end; ++i) {
      std::string text = cat(i);
      (*driver)->write({.stream = Stream::kStdout, .time_ns = 1, .line = text, .ends_line = true});
      (*driver)->flush();
    }
  };
  // It stays behind in a file that is packed under its hands.
  write(0, 10);
  EXPECT_EQ(drain(**reader, 5), range(0, 5));
  write(10, 2000);
  std::uint64_t one = 1;
  ASSERT_EQ(::write(ended.get(), &one, sizeof one), 8);
  EXPECT_EQ(drain(**reader), range(5, 2000));
}

TEST_F(CompressTest, OptionsThatMakeNoSenseAreRefused) {
  auto check = [&](std::map<std::string, std::string, std::less<>> options,
                   const std::string& driver = "json-file") {
    options.emplace("path", path_);
    auto checked = check_driver({driver, std::move(options)});
    return checked ? std::string() : checked.error().message();
  };
  const std::string kNoRotation =
      "compress cannot be true when max-file is less than 2 or max-size is not set";
  EXPECT_EQ(check({{"compress", "true"}}), "");
  EXPECT_EQ(check({{"compress", "true"}, {"max-file", "1"}}), kNoRotation);
  EXPECT_EQ(check({{"compress", "true"}, {"max-size", "-1"}}), kNoRotation);
  EXPECT_EQ(check({{"compress", "true"}, {"max-file", "1"}}, "local"), kNoRotation);
  EXPECT_EQ(check({{"max-file", "1"}}, "local"), "");
  EXPECT_THAT(check({{"compress", "maybe"}}), ::testing::HasSubstr("compress"));
}

}  // namespace
}  // namespace dhow::logging
