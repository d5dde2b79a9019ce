// SPDX-License-Identifier: Apache-2.0
#include "registry/retry.h"

#include <gtest/gtest.h>
#include <thread>

namespace dhow::registry {
namespace {

using std::chrono::milliseconds;

Failure failure(const char* text, bool again) {
  return {.error = Error(Code::kUnavailable, text), .again = again};
}

TEST(RetryAfter, SecondsAndDates) {
  auto now = std::chrono::system_clock::from_time_t(784'111'777);  // Sun, 06 Nov 1994 08:49:37 GMT
  EXPECT_EQ(parse_retry_after("120", now), milliseconds(120'000));
  EXPECT_EQ(parse_retry_after(" 0 ", now), milliseconds(0));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:50:07 GMT", now), milliseconds(30'000));
  EXPECT_EQ(parse_retry_after("Sunday, 06-Nov-94 08:50:07 GMT", now), milliseconds(30'000));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), milliseconds(0));
  EXPECT_EQ(parse_retry_after("18446744073709551615", now), milliseconds(31'536'000'000));
  for (const char* text : {"", "-1", "soon", "1.5", "99999999999999999999999"}) {
    EXPECT_FALSE(parse_retry_after(text, now).has_value()) << text;
  }
}

TEST(StatusFailure, WhichAreWorthAnotherTry) {
  for (int status : {408, 429, 500, 502, 503, 504}) {
    EXPECT_TRUE(status_failure("GET", {.status = status}).again) << status;
  }
  for (int status : {400, 401, 403, 404, 405, 416, 501, 505}) {
    EXPECT_FALSE(status_failure("GET", {.status = status}).again) << status;
  }
}

TEST(Rounds, OverHosts) {
  RetryOptions quick{.rounds = 3, .first_wait = milliseconds(1), .longest_wait = milliseconds(2)};
  Rounds rounds({"one", "two", "three"}, quick, {});
  EXPECT_EQ(rounds.next().value(), 0U);
  rounds.failed(failure("one broke", true));
  EXPECT_EQ(rounds.next().value(), 1U);
  rounds.failed(failure("two has it not", false));
  EXPECT_EQ(rounds.next().value(), 2U);
  rounds.failed(failure("three broke", true));
  // The second is left out, and the first from its second failure on.
  EXPECT_EQ(rounds.next().value(), 0U);
  rounds.failed(failure("one broke again", true));
  EXPECT_EQ(rounds.next().value(), 2U);
  rounds.failed(failure("three broke", true));
  EXPECT_EQ(rounds.next().value(), 2U);
  rounds.failed(failure("three broke for good", true));
  auto end = rounds.next();
  ASSERT_FALSE(end.has_value());
  EXPECT_EQ(
      end.error().message(),
      "three broke for good (before: mirror \"one\": one broke again; mirror \"two\": two has "
      "it not)");
}

TEST(Rounds, StopEndsThePause) {
  constexpr auto kLong = std::chrono::hours(1);
  std::stop_source stop;
  Rounds rounds({"one"}, {.first_wait = kLong, .longest_wait = kLong}, stop.get_token());
  ASSERT_TRUE(rounds.next().has_value());
  rounds.failed(failure("one broke", true));
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(rounds.next().error().code(), Code::kCancelled);
}

TEST(Rounds, NoHostIsAFailure) {
  EXPECT_EQ(Rounds({}, {}, {}).next().error().code(), Code::kFailedPrecondition);
}

TEST(Rounds, PauseDoublesAndHonoursTheServer) {
  RetryOptions options{.rounds = 3,
                       .first_wait = milliseconds(40),
                       .longest_wait = milliseconds(1000),
                       .longest_retry_after = milliseconds(200)};
  Rounds rounds({"one"}, options, {});
  auto pause = [&](Failure what) {
    rounds.failed(std::move(what));
    auto before = std::chrono::steady_clock::now();
    EXPECT_TRUE(rounds.next().has_value());
    return std::chrono::steady_clock::now() - before;
  };
  ASSERT_TRUE(rounds.next().has_value());
  EXPECT_GE(pause(failure("a", true)), milliseconds(20));
  Failure wants_time = failure("b", true);
  wants_time.after = milliseconds(3'600'000);
  EXPECT_GE(pause(wants_time), milliseconds(200));
}

}  // namespace
}  // namespace dhow::registry
