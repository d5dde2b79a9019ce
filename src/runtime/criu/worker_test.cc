// SPDX-License-Identifier: Apache-2.0
#include "runtime/criu/worker.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <gtest/gtest.h>
#include <string>

#include "sys/file_io.h"
#include "sys/testing/temp_dir.h"

namespace dhow::criu {
namespace {

// The tests have a $PATH of their own, with nothing in it but a program that is called criu.
class CriuWorker : public dhow::testing::TempDirTest {
 protected:
  void SetUp() override {
    TempDirTest::SetUp();
    before_ = ::getenv("PATH");
    ::setenv("PATH", path_.c_str(), 1);
  }
  void TearDown() override {
    ::setenv("PATH", before_.c_str(), 1);
    TempDirTest::TearDown();
  }
  void make_criu(std::string_view script) {
    Fd file = *open_at(dir_, "criu", O_WRONLY | O_CREAT, 0755);
    ASSERT_TRUE(write_all(file, script));
  }

 private:
  std::string before_;
};

TEST_F(CriuWorker, SaysThatThereIsNone) {
  auto worker = Worker::start({});
  ASSERT_FALSE(worker);
  EXPECT_EQ(worker.error().code(), Code::kNotFound);
  EXPECT_EQ(worker.error().message(), "criu: executable file not found in $PATH");
}

TEST_F(CriuWorker, SaysThatItEndedWithoutAnAnswer) {
  make_criu("#!/bin/sh\nexit 3\n");
  auto worker = Worker::start({});
  ASSERT_TRUE(worker) << worker.error().message();
  auto version = worker->version();
  ASSERT_FALSE(version);
  EXPECT_EQ(version.error().code(), Code::kUnavailable);
}

TEST_F(CriuWorker, TellsWhyItCouldNotBePrepared) {
  make_criu("#!/bin/sh\nexit 0\n");
  auto worker = Worker::start(
      {.prepare = [] { return Status(fail(Code::kPermissionDenied, "no such luck")); }});
  ASSERT_FALSE(worker);
  EXPECT_EQ(worker.error().code(), Code::kPermissionDenied);
  EXPECT_EQ(worker.error().message(), "no such luck");
}

TEST_F(CriuWorker, GivesCriuTheSocketAndWhatItInherits) {
  Fd kept = *open_at(kCwd, "/dev/null", O_RDONLY);
  Fd other = *open_at(kCwd, "/dev/null", O_RDONLY);
  std::string out = at("out");
  make_criu("#!/bin/sh\necho $1 >" + out + "\n" + "for n in $2 " + std::to_string(kept.get()) +
            " " + std::to_string(other.get()) +
            "; do if [ -e /proc/$$/fd/$n ]; then echo open; else echo shut; fi; done >>" + out +
            "\n");
  {
    auto worker = Worker::start({.inherit = {kept.get()}});
    ASSERT_TRUE(worker) << worker.error().message();
    EXPECT_GT(worker->pid(), 0);
  }
  EXPECT_EQ(*read_file(out), "swrk\nopen\nopen\nshut\n");
}

TEST_F(CriuWorker, SilencesTheStreamsThatCriuDoesNotInherit) {
  std::string out = at("out");
  make_criu(
      "#!/bin/sh\nfor n in 0 1 2; do if [ /proc/self/fd/$n -ef /dev/null ]; then echo null; "
      "else echo kept; fi; done >" +
      out + "\n");
  Fd file = *open_at(kCwd, at("stream"), O_RDWR | O_CREAT, 0600);
  Fd before = *Fd(::dup(2)).duplicate(10);
  ASSERT_EQ(::dup2(file.get(), 2), 2);
  {
    auto worker = Worker::start({.inherit = {2}});
    EXPECT_TRUE(worker);
  }
  ::dup2(before.get(), 2);
  EXPECT_EQ(*read_file(out), "null\nkept\nkept\n");
}

TEST(CriuLog, PicksTheLastErrorsOfALog) {
  std::string log =
      "(00.1) Running\n(00.2) Error (criu/a.c:1): first\n(00.3) Warn (criu/b.c:2): no\n"
      "(00.4)      1: Error (criu/c.c:3): second\n(00.5) Error (criu/d.c:4): third \n(00.6) end";
  EXPECT_EQ(last_errors_of(log, 2), "Error (criu/c.c:3): second; Error (criu/d.c:4): third");
  EXPECT_EQ(last_errors_of(log, 9).substr(0, 27), "Error (criu/a.c:1): first; ");
  EXPECT_EQ(last_errors_of("fine\n", 5), "");
}

}  // namespace
}  // namespace dhow::criu
