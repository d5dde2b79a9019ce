// SPDX-License-Identifier: Apache-2.0
#include "engine/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "metadata/testing.h"

namespace dhow::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class EventsTest : public metadata::DatabaseFixture {
 protected:
  void SetUp() override {
    DatabaseFixture::SetUp();
    events_.emplace(*database_);
  }
  void TearDown() override {
    events_.reset();
    DatabaseFixture::TearDown();
  }
  void publish(const std::string& action, std::int64_t time,
               const std::string& image = "busybox:1") {
    Event event;
    event.type = "container";
    event.action = action;
    event.actor = "abcdef";
    event.attributes = {{"image", image}, {"name", "boat"}, {"colour", "red"}};
    event.time = time;
    auto status = events_->publish(std::move(event));
    ASSERT_TRUE(status.has_value()) << status.error().message();
  }
  std::vector<std::string> read(const Filters& filters, std::int64_t since = 0,
                                std::int64_t until = 1000) {
    std::vector<std::string> actions;
    EventQuery query;
    query.since = since;
    query.until = until;
    query.filters = filters;
    auto status = events_->read(query,
                                [&](const Event& event) -> Status {
                                  actions.push_back(event.action);
                                  return {};
                                },
                                {});
    EXPECT_TRUE(status.has_value()) << status.error().message();
    return actions;
  }

  std::optional<Events> events_;
};

TEST_F(EventsTest, OutliveTheProcessInTheirOrder) {
  publish("create", 1);
  publish("start", 2);
  events_.reset();
  reopen();
  events_.emplace(*database_);
  publish("die", 3);
  EXPECT_THAT(read({}), ElementsAre("create", "start", "die"));
  EXPECT_THAT(read({}, 2), ElementsAre("start", "die"));
  EXPECT_THAT(read({}, 0, 2), ElementsAre("create", "start"));
}

TEST_F(EventsTest, AreFiltered) {
  publish("create", 1);
  publish("exec_start: sh", 2);
  EXPECT_THAT(read({{"event", {"exec_start"}}}), ElementsAre("exec_start: sh"));
  EXPECT_THAT(read({{"event", {"exec"}}}), IsEmpty());
  EXPECT_THAT(read({{"event", {"create", "die"}}, {"container", {"boat"}}}), ElementsAre("create"));
  EXPECT_THAT(read({{"container", {"other"}}}), IsEmpty());
  EXPECT_THAT(read({{"image", {"busybox"}}}), ElementsAre("create", "exec_start: sh"));
  EXPECT_THAT(read({{"label", {"colour=red"}}, {"type", {"container"}}, {"scope", {"local"}}}),
              ElementsAre("create", "exec_start: sh"));
  EXPECT_THAT(read({{"label", {"colour=red", "size"}}}), IsEmpty());
  EventQuery query;
  query.filters = {{"colour", {"red"}}};
  auto status = events_->read(query, [](const Event&) -> Status { return {}; }, {});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().message(), "invalid filter 'colour'");
}

TEST_F(EventsTest, WakeThoseThatFollow) {
  publish("create", 1);
  std::stop_source stop;
  std::vector<std::string> actions;
  EventQuery query;
  query.since = 0;
  std::jthread reader([&] {
    std::ignore = events_->read(
        query,
        [&](const Event& event) -> Status {
          actions.push_back(event.action);
          if (event.action == "die") stop.request_stop();
          return {};
        },
        stop.get_token());
  });
  publish("start", 2);
  publish("die", 3);
  reader.join();
  EXPECT_THAT(actions, ElementsAre("create", "start", "die"));
}

}  // namespace
}  // namespace dhow::engine
