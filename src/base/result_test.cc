// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include <cerrno>
#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "base/cleanup.h"

namespace dhow {
namespace {

Result<std::unique_ptr<int>> make(bool good) {
  if (!good) return fail(Code::kNotFound, "no number");
  return std::make_unique<int>(7);
}

Status check(bool good) {
  if (!good) return fail_errno(ENOENT, "open \"x\"");
  return {};
}

Result<int> add_one(bool good) {
  TRY_ASSIGN(std::unique_ptr<int> number, make(good));
  return *number + 1;
}

Status check_twice(bool first, bool second, int& reached) {
  reached = 0;
  TRY(check(first));
  reached = 1;
  TRY_CONTEXT(check(second), "second");
  reached = 2;
  return {};
}

TEST(Result, HoldsAValueOrAnError) {
  EXPECT_EQ(**make(true), 7);
  EXPECT_EQ(make(false).error().message(), "no number");
  EXPECT_EQ(check(false).error().sys_errno(), ENOENT);
}

TEST(TryAssign, MovesTheValueOrReturns) {
  EXPECT_EQ(add_one(true).value(), 8);
  EXPECT_EQ(add_one(false).error().code(), Code::kNotFound);
}

TEST(Try, ReturnsAtTheFirstFailure) {
  int reached = 0;
  EXPECT_TRUE(check_twice(true, true, reached).has_value());
  EXPECT_EQ(reached, 2);
  EXPECT_EQ(check_twice(false, true, reached).error().message(),
            "open \"x\": no such file or directory");
  EXPECT_EQ(reached, 0);
  EXPECT_EQ(check_twice(true, false, reached).error().message(),
            "second: open \"x\": no such file or directory");
  EXPECT_EQ(reached, 1);
}

TEST(Cleanup, RunsTheLastFirst) {
  std::string order;
  {
    Cleanup first([&] { order += '1'; });
    Cleanup second([&] { order += '2'; });
    EXPECT_EQ(order, "");
  }
  EXPECT_EQ(order, "21");
}

TEST(Cleanup, RunsOnceWhenMovedAndNotWhenDismissed) {
  int runs = 0;
  {
    Cleanup guard([&] { ++runs; });
    Cleanup moved = std::move(guard);
  }
  EXPECT_EQ(runs, 1);
  {
    Cleanup guard([&] { ++runs; });
    guard.dismiss();
    Cleanup moved = std::move(guard);
  }
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace dhow
