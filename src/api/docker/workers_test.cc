// SPDX-License-Identifier: Apache-2.0
#include "api/docker/workers.h"

#include <gtest/gtest.h>
#include <latch>

namespace dhow::api::docker {
namespace {

TEST(WorkersTest, JobsThatBlockHoldUpNobody) {
  std::latch all(8);
  {
    Workers workers({.threads = 8});
    // Each waits for all the others.
    for (int i = 0; i < 8; ++i) workers.run([&] { all.arrive_and_wait(); });
    all.wait();
    EXPECT_LE(workers.threads(), 8U);
  }
  EXPECT_TRUE(all.try_wait());
}

TEST(WorkersTest, BeyondTheLimitJobsWaitForTheirTurn) {
  std::latch go(1);
  std::latch done(10);
  Workers workers({.threads = 2});
  for (int i = 0; i < 10; ++i) {
    workers.run([&] {
      go.wait();
      done.count_down();
    });
  }
  EXPECT_EQ(workers.threads(), 2U);
  go.count_down();
  done.wait();
}

TEST(WorkersTest, OneAfterTheOtherTakesOneThread) {
  Workers workers({.threads = 8, .kept = 8});
  std::latch first(1);
  workers.run([&] { first.count_down(); });
  first.wait();
  // A second thread would be one too many only if the first is waiting again, which nobody can see
  // from here: what counts is that there are not as many threads as jobs.
  for (int i = 0; i < 100; ++i) {
    std::latch done(1);
    workers.run([&] { done.count_down(); });
    done.wait();
  }
  EXPECT_LT(workers.threads(), 8U);
}

}  // namespace
}  // namespace dhow::api::docker
