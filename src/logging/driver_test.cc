// SPDX-License-Identifier: Apache-2.0
#include "logging/driver.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <gmock/gmock.h>
#include <string>

#include "base/strings.h"
#include "logging/file_drivers.h"
#include "sys/file_io.h"

namespace dhow::logging {
namespace {

using ::testing::HasSubstr;

class DriverTest : public ::testing::Test {
 protected:
  DriverTest() {
    char name[] = "/tmp/dhow-driver-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ + "/x.log";
  }
  ~DriverTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Driver> make(const std::string& name,
                               std::map<std::string, std::string, std::less<>> options = {}) {
    options.emplace("path", path_);
    auto driver = make_driver({name, std::move(options)});
    EXPECT_TRUE(driver) << driver.error().message();
    return driver ? std::move(*driver) : nullptr;
  }
  std::string content(const std::string& suffix = "") {
    return read_file(path_ + suffix).value_or("(none)");
  }

  std::string folder_;
  std::string path_;
};

Entry entry(std::string_view line, bool ends_line = true) {
  return {
      .stream = Stream::kStdout, .time_ns = 1'500'000'000, .line = line, .ends_line = ends_line};
}

TEST_F(DriverTest, JsonFileIsDockersByteForByte) {
  auto driver = make("json-file", {{"attrs", R"({"a":"b"})"}});
  driver->write(entry("<a & \"b\">\\\t\r\x01\x7f é \xff \xE2\x80\xA8"));
  driver->write({.stream = Stream::kStderr, .time_ns = 1, .line = "part", .ends_line = false});
  driver->flush();
  EXPECT_EQ(content(),
            "{\"log\":\"\\u003ca \\u0026 \\\"b\\\"\\u003e\\\\\\u0009\\r\\u0001\x7f é \\ufffd "
            "\\u2028\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"b\"},"
            "\"time\":\"1970-01-01T00:00:01.5Z\"}\n"
            "{\"log\":\"part\",\"stream\":\"stderr\",\"attrs\":{\"a\":\"b\"},"
            "\"time\":\"1970-01-01T00:00:00.000000001Z\"}\n");
}

TEST_F(DriverTest, CriLinesHaveTags) {
  auto driver = make("cri");
  driver->write(entry("whole\r"));
  driver->write(entry("part\r", false));
  driver->flush();
  EXPECT_EQ(content(),
            "1970-01-01T00:00:01.500000000Z stdout F whole\n"
            "1970-01-01T00:00:01.500000000Z stdout P part\r\n");
}

TEST_F(DriverTest, RotationKeepsSoManyFilesAndLosesNoLine) {
  auto driver = make("cri", {{"max-size", "150"}, {"max-file", "3"}});
  for (int i = 0; i < 8; ++i) {
    driver->write(entry(cat("line ", i, std::string(60, '.'))));
    driver->flush();
  }
  // Two lines a file: the second one goes past the limit.
  EXPECT_THAT(content(), HasSubstr("line 6"));
  EXPECT_THAT(content(), HasSubstr("line 7"));
  EXPECT_THAT(content(".1"), HasSubstr("line 4"));
  EXPECT_THAT(content(".2"), HasSubstr("line 3"));
  EXPECT_EQ(content(".3"), "(none)");
}

TEST_F(DriverTest, OneFileIsBegunAnew) {
  auto driver = make("cri", {{"max-size", "10"}, {"max-file", "1"}});
  for (const char* line : {"first", "second"}) {
    driver->write(entry(line));
    driver->flush();
  }
  EXPECT_THAT(content(), ::testing::Not(HasSubstr("first")));
  EXPECT_THAT(content(), HasSubstr("second"));
}

TEST_F(DriverTest, AnUnfinishedLineIsCutOff) {
  ASSERT_TRUE(replace_file(open_at(kCwd, folder_, O_RDONLY).value(), "x.log", "whole\ntor", 0600));
  auto driver = make("cri");
  driver->write(entry("next"));
  driver->flush();
  EXPECT_EQ(content(), "whole\n1970-01-01T00:00:01.500000000Z stdout F next\n");
}

TEST_F(DriverTest, ReopenGoesOnInANewFile) {
  auto driver = make("cri");
  driver->write(entry("old"));
  driver->flush();
  std::filesystem::rename(path_, path_ + ".moved");
  driver->write(entry("still old"));
  driver->flush();
  ASSERT_TRUE(driver->reopen());
  driver->write(entry("new"));
  driver->flush();
  EXPECT_THAT(content(".moved"), HasSubstr("still old"));
  EXPECT_THAT(content(), HasSubstr("new"));
}

TEST_F(DriverTest, AFullDiskLosesWholeLinesAndTells) {
  auto driver = make_driver({"cri", {{"path", "/dev/full"}}});
  EXPECT_FALSE(driver);
  // A limit on the size of files stands for the full disk.
  auto to_disk = make("cri");
  struct rlimit before{}, small{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  small = before;
  small.rlim_cur = 100;
  auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &small);
  for (int i = 0; i < 4; ++i) to_disk->write(entry("line"));
  to_disk->flush();
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(to_disk->dropped(), 2U);
  to_disk->write(entry("after"));
  to_disk->flush();
  std::string text = content();
  EXPECT_EQ(std::ranges::count(text, '\n'), 3);
  EXPECT_THAT(text, ::testing::EndsWith("F after\n"));
}

TEST_F(DriverTest, OldFilesGo) {
  ASSERT_TRUE(replace_file(open_at(kCwd, folder_, O_RDONLY).value(), "x.log.1", "old\n", 0600));
  struct timespec times[2] = {{1, 0}, {1, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (path_ + ".1").c_str(), times, 0), 0);
  auto driver = make("cri", {{"max-size", "10"}, {"max-file", "4"}, {"max-age", "1h"}});
  for (int i = 0; i < 2; ++i) {
    driver->write(entry("some line"));
    driver->flush();
  }
  EXPECT_THAT(content(".1"), HasSubstr("some line"));
  EXPECT_EQ(content(".2"), "(none)");
}

TEST_F(DriverTest, OptionsAreChecked) {
  auto refused = [&](const std::string& driver, const std::string& name, const std::string& value) {
    auto checked = check_driver({driver, {{"path", path_}, {name, value}}});
    return checked ? Code::kUnknown : checked.error().code();
  };
  EXPECT_EQ(refused("json-file", "max-size", "ten"), Code::kInvalidArgument);
  EXPECT_EQ(refused("json-file", "max-file", "0"), Code::kInvalidArgument);
  EXPECT_EQ(refused("json-file", "nonsense", "1"), Code::kInvalidArgument);
  EXPECT_EQ(refused("json-file", "attrs", "[]"), Code::kInvalidArgument);
  EXPECT_EQ(refused("json-file", "mode", "sometimes"), Code::kInvalidArgument);
  EXPECT_EQ(refused("json-file", "max-buffer-size", "1m"), Code::kInvalidArgument);
  EXPECT_EQ(refused("fluentd", "x", "y"), Code::kUnimplemented);
  EXPECT_EQ(check_driver({"json-file", {{"path", "x"}}}).error().code(), Code::kInvalidArgument);
  EXPECT_TRUE(check_driver({"none", {}}));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST(ParseSize, TakesUnits) {
  EXPECT_EQ(parse_size("10m"), 10 << 20);
  EXPECT_EQ(parse_size("1G"), 1 << 30);
  EXPECT_EQ(parse_size("5kb"), 5 << 10);
  EXPECT_EQ(parse_size("12"), 12);
  EXPECT_EQ(parse_size("m"), std::nullopt);
  EXPECT_EQ(parse_size("9999999999999g"), std::nullopt);
  EXPECT_EQ(parse_age("2d"), 172800);
}

}  // namespace
}  // namespace dhow::logging
