// SPDX-License-Identifier: Apache-2.0
#include "engine/progress.h"

#include <atomic>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

#include "base/hasher.h"

namespace dhow::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;
using enum ProgressPhase;

const Digest kOne = digest_of("one");
const Digest kTwo = digest_of("two");
constexpr std::chrono::hours kNever{1};

TEST(ProgressTest, PhasesComeInOrderAndEndOnce) {
  std::vector<ProgressEvent> events;
  {
    Progress progress([&](const ProgressEvent& event) { events.push_back(event); }, kNever);
    progress.resolving();
    progress.expect(kOne, 100, 2);
    progress.report(kOne, kDownloading, 10);
    progress.report(kOne, kVerifying, 100);
    progress.report(kTwo, kDownloading, 1);  // nobody expects it
    progress.step(kOne, true);
    progress.report(kOne, kUnpacking, 50);
    progress.step(kOne, false);
    progress.report(kOne, kUnpacking, 60);  // too late
    progress.step(kOne, true);
  }
  EXPECT_THAT(
      events,
      ElementsAre(ProgressEvent{kResolving, {}, 0, 0}, ProgressEvent{kWaiting, kOne, 0, 100},
                  ProgressEvent{kDownloading, kOne, 10, 100},
                  ProgressEvent{kVerifying, kOne, 100, 100},
                  ProgressEvent{kUnpacking, kOne, 50, 100}, ProgressEvent{kDone, kOne, 100, 100}));
}

TEST(ProgressTest, WhatTookNoWorkExists) {
  std::vector<ProgressEvent> events;
  {
    Progress progress([&](const ProgressEvent& event) { events.push_back(event); });
    progress.expect(kOne, 100, 2);
    progress.expect(kTwo, 7, 1);
    progress.step(kOne, false);
    progress.step(kOne, false);
    progress.step(kTwo, false);
  }
  ASSERT_THAT(events, SizeIs(4));
  EXPECT_EQ(events[2], (ProgressEvent{kExists, kOne, 100, 100}));
  EXPECT_EQ(events[3], (ProgressEvent{kExists, kTwo, 7, 7}));
}

// Bytes alone wait for the pause, and only the last number is left of them.
TEST(ProgressTest, BytesAreThrottled) {
  std::vector<ProgressEvent> events;
  {
    Progress progress([&](const ProgressEvent& event) { events.push_back(event); }, kNever);
    progress.expect(kOne, 10'000, 1);
    for (std::int64_t bytes = 1; bytes <= 10'000; ++bytes) {
      progress.report(kOne, kDownloading, bytes);
    }
  }
  ASSERT_GE(events.size(), 2U);
  // Waiting, downloading, perhaps once more for the start, and what was left at the end.
  EXPECT_LE(events.size(), 4U);
  EXPECT_EQ(events.back(), (ProgressEvent{kDownloading, kOne, 10'000, 10'000}));
}

TEST(ProgressTest, OneThreadCallsAndSlowObserversDelayNobody) {
  std::set<std::thread::id> threads;
  std::atomic<bool> go = false;
  std::vector<ProgressPhase> phases;
  {
    Progress progress([&](const ProgressEvent& event) {
      go.wait(false);
      threads.insert(std::this_thread::get_id());
      // Numbers may come before and after the observer was let go.
      if (phases.empty() || phases.back() != event.phase) phases.push_back(event.phase);
    });
    progress.expect(kOne, 10, 1);
    std::vector<std::jthread> reporters;
    for (int i = 0; i < 4; ++i) {
      reporters.emplace_back([&, i] { progress.report(kOne, kDownloading, i); });
    }
    reporters.clear();  // none waits for the observer
    progress.report(kOne, kVerifying, 10);
    progress.step(kOne, true);
    go = true;
    go.notify_all();
  }
  EXPECT_THAT(threads, SizeIs(1));
  EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
  EXPECT_THAT(phases, ElementsAre(kWaiting, kDownloading, kVerifying, kDone));
}

TEST(ProgressTest, NamesOfPhases) {
  EXPECT_EQ(phase_name(kResolving), "resolving");
  EXPECT_EQ(phase_name(kExists), "exists");
}

}  // namespace
}  // namespace dhow::engine
