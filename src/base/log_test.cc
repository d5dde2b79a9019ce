// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace dhow::log {
namespace {

using testing::ElementsAre;

class ListSink : public Sink {
 public:
  ~ListSink() override { set_sink(nullptr, Level::kInfo); }
  void write(Level level, std::string_view message) override {
    lines.push_back(std::string(level_name(level)) + " " + std::string(message));
  }

  std::vector<std::string> lines;
};

TEST(Log, DropsEverythingWithoutASink) {
  EXPECT_FALSE(enabled(Level::kError));
  error("nobody listens");
}

TEST(Log, WritesFromTheThresholdUp) {
  ListSink sink;
  set_sink(&sink, Level::kWarning);
  EXPECT_FALSE(enabled(Level::kInfo));
  EXPECT_TRUE(enabled(Level::kWarning));
  debug("1");
  info("2");
  warning("3");
  error("4");
  EXPECT_THAT(sink.lines, ElementsAre("warning 3", "error 4"));
  set_sink(&sink, Level::kDebug);
  debug("5");
  info("6");
  EXPECT_THAT(sink.lines, ElementsAre("warning 3", "error 4", "debug 5", "info 6"));
}

}  // namespace
}  // namespace dhow::log
