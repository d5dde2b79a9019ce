// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/wait.h"

#include <time.h>

#include <algorithm>

namespace dhow::cgroup {
namespace {

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

Backoff::Backoff(int total_ms) : end_ns_(now_ns() + std::int64_t{total_ms} * 1'000'000) {}

bool Backoff::pause() {
  if (now_ns() >= end_ns_) return false;
  timespec length{.tv_sec = 0, .tv_nsec = next_ns_};
  ::nanosleep(&length, nullptr);
  next_ns_ = std::min(next_ns_ * 2, 10'000'000L);
  return true;
}

int Backoff::left_ms() const {
  return static_cast<int>(std::max<std::int64_t>(0, (end_ns_ - now_ns()) / 1'000'000));
}

}  // namespace dhow::cgroup
