// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/log_sink.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "base/strings.h"
#include "runtime/cli/testing/cli_fixture.h"

namespace dhow::runtime::cli {
namespace {

using testing::fake;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using testing::Outcome;
using testing::run_cli;

constexpr timespec kTime{1795314608, 34567891};  // 2026-11-22T02:30:08Z

TEST(LogLineTest, Text) {
  EXPECT_EQ(format_log_line(Style::kRunc, LogFormat::kText, log::Level::kError, "a \"b\"\n", kTime),
            "time=\"2026-11-22T02:30:08Z\" level=error msg=\"a \\\"b\\\"\\n\"\n");
  EXPECT_EQ(format_log_line(Style::kRunc, LogFormat::kText, log::Level::kWarning, "EOF", kTime),
            "time=\"2026-11-22T02:30:08Z\" level=warning msg=EOF\n");
  EXPECT_EQ(format_log_line(Style::kCrun, LogFormat::kText, log::Level::kError, "a b", kTime),
            "a b\n");
}

TEST(LogLineTest, Json) {
  EXPECT_EQ(format_log_line(Style::kRunc, LogFormat::kJson, log::Level::kDebug, "a \"b\"", kTime),
            "{\"level\":\"debug\",\"msg\":\"a \\\"b\\\"\",\"time\":\"2026-11-22T02:30:08Z\"}\n");
  EXPECT_EQ(format_log_line(Style::kCrun, LogFormat::kJson, log::Level::kError, "x", kTime),
            "{\"msg\":\"x\",\"level\":\"error\",\"time\":\"2026-11-22T02:30:08.034567Z\"}\n");
}

class LogSinkTest : public testing::CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    fake().failure = Error(Code::kNotFound, "container does not exist");
  }
};

TEST_F(LogSinkTest, AFileGetsTheErrorAndStderrThePlainText) {
  mode_t old_mask = umask(022);
  Outcome outcome = run_cli({"runc", "--log", "l", "--log-format", "json", "start", "c1"});
  umask(old_mask);
  EXPECT_EQ(outcome.err, "container does not exist\n");
  EXPECT_THAT(file_content("l"),
              MatchesRegex("\\{\"level\":\"error\",\"msg\":\"container does not exist\","
                           "\"time\":\"[0-9T:-]+Z\"\\}\n"));
  struct stat info{};
  ASSERT_EQ(stat("l", &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0644u);
  run_cli({"runc", "--log=l", "bogus"});
  EXPECT_THAT(file_content("l"), HasSubstr("\"}\ntime=\""));
  EXPECT_THAT(file_content("l"), HasSubstr("No help topic for 'bogus'"));
}

TEST_F(LogSinkTest, TheFileIsNoneOfTheDescriptorsToPreserve) {
  LogTarget log(Style::kRunc, LogFormat::kText, FdRef(2));
  ASSERT_TRUE(log.open("l", false).has_value());
  struct stat wanted{};
  ASSERT_EQ(stat("l", &wanted), 0);
  int found = 0;
  for (int fd = 0; fd < 1024; ++fd) {
    struct stat info{};
    if (fstat(fd, &info) != 0 || info.st_ino != wanted.st_ino || info.st_dev != wanted.st_dev) {
      continue;
    }
    ++found;
    EXPECT_GE(fd, 200);
    EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  }
  EXPECT_EQ(found, 1);
}

TEST_F(LogSinkTest, WithoutAFileJsonGoesToStderrOnce) {
  Outcome outcome = run_cli({"runc", "--log-format=json", "start", "c1"});
  EXPECT_THAT(outcome.err, MatchesRegex("\\{\"level\":\"error\",.*\\}\n"));
}

TEST_F(LogSinkTest, TheFileSchemeIsNotForRunc) {
  run_cli({"crun", "--log=file:l", "start", "c1"});
  EXPECT_EQ(file_content("l"), "container does not exist\n");
  run_cli({"runc", "--log=file:m", "start", "c1"});
  EXPECT_EQ(file_content("m"), "");
  EXPECT_NE(file_content("file:m"), "");
}

TEST_F(LogSinkTest, LevelsDecideWhatIsWritten) {
  fake().failure.reset();
  std::vector<std::string_view> update{"update", "--kernel-memory", "1", "c1"};
  auto lines = [&](std::vector<std::string_view> line) {
    line.insert(line.end(), update.begin(), update.end());
    return run_cli(line).err;
  };
  EXPECT_NE(lines({"runc"}), "");
  EXPECT_EQ(lines({"runc", "--log-level", "error"}), "");
  EXPECT_NE(lines({"runc", "--log-level", "error", "--debug"}), "");
  EXPECT_EQ(lines({"crun"}), "");
  EXPECT_NE(lines({"crun", "--log-level=warning"}), "");
}

}  // namespace
}  // namespace dhow::runtime::cli
