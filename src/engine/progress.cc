// SPDX-License-Identifier: Apache-2.0
#include "engine/progress.h"

#include <algorithm>

namespace dhow::engine {

std::string_view phase_name(ProgressPhase phase) {
  switch (phase) {
    case ProgressPhase::kResolving:
      return "resolving";
    case ProgressPhase::kWaiting:
      return "waiting";
    case ProgressPhase::kDownloading:
      return "downloading";
    case ProgressPhase::kUploading:
      return "uploading";
    case ProgressPhase::kReading:
      return "reading";
    case ProgressPhase::kVerifying:
      return "verifying";
    case ProgressPhase::kUnpacking:
      return "unpacking";
    case ProgressPhase::kMounted:
      return "mounted";
    case ProgressPhase::kDone:
      return "done";
    case ProgressPhase::kExists:
      break;
  }
  return "exists";
}

Progress::Progress(Observer observer, std::chrono::milliseconds pause)
    : observer_(std::move(observer)), pause_(pause) {
  if (observer_) thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Progress::~Progress() = default;

void Progress::resolving() {
  if (!observer_) return;
  std::lock_guard lock(mutex_);
  post({.phase = ProgressPhase::kResolving, .digest = {}}, true);
}

void Progress::expect(const Digest& layer, std::int64_t total, unsigned steps) {
  if (!observer_) return;
  std::lock_guard lock(mutex_);
  ProgressEvent event{ProgressPhase::kWaiting, layer, 0, total};
  layers_[layer] = {.last = event, .left = steps, .worked = false};
  post(event, true);
}

void Progress::report(const Digest& layer, ProgressPhase phase, std::int64_t bytes) {
  if (!observer_) return;
  std::lock_guard lock(mutex_);
  Layer* known = find(layer);
  if (known == nullptr) return;
  ProgressEvent& last = known->last;
  bool is_new = last.phase != phase;
  if (!is_new && last.bytes == bytes) return;
  last.phase = phase;
  last.bytes = bytes;
  post(last, is_new);
}

void Progress::step(const Digest& layer, bool worked) {
  if (!observer_) return;
  std::lock_guard lock(mutex_);
  Layer* known = find(layer);
  if (known == nullptr) return;
  known->worked |= worked;
  if (known->left > 1) {
    --known->left;
    return;
  }
  end(*known, known->worked ? ProgressPhase::kDone : ProgressPhase::kExists);
}

void Progress::end(const Digest& layer, ProgressPhase phase) {
  if (!observer_) return;
  std::lock_guard lock(mutex_);
  if (Layer* known = find(layer)) end(*known, phase);
}

Progress::Layer* Progress::find(const Digest& layer) {
  auto found = layers_.find(layer);
  return found == layers_.end() || found->second.left == 0 ? nullptr : &found->second;
}

void Progress::end(Layer& layer, ProgressPhase phase) {
  layer.left = 0;
  layer.last.phase = phase;
  layer.last.bytes = layer.last.total;
  post(layer.last, true);
}

void Progress::post(const ProgressEvent& event, bool at_once) {
  auto same =
      std::ranges::find(pending_.rbegin(), pending_.rend(), event.digest, &ProgressEvent::digest);
  if (same != pending_.rend() && same->phase == event.phase) {
    *same = event;
  } else {
    pending_.push_back(event);
  }
  urgent_ |= at_once;
  wake_.notify_one();
}

void Progress::run(const std::stop_token& stop) {
  auto next = std::chrono::steady_clock::now();
  std::vector<ProgressEvent> batch;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, stop, [this] { return !pending_.empty(); });
      if (pending_.empty()) return;
      wake_.wait_until(lock, stop, next, [this] { return urgent_; });
      batch.swap(pending_);
      urgent_ = false;
    }
    for (const ProgressEvent& event : batch) observer_(event);
    batch.clear();
    next = std::chrono::steady_clock::now() + pause_;
  }
}

}  // namespace dhow::engine
