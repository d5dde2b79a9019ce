// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/digest.h"

namespace dhow::engine {

// What happens to an image's parts while they are pulled, pushed or imported.
enum class ProgressPhase {
  kResolving,    // the image's name is looked up; of no layer
  kWaiting,      // for its turn, or for somebody else who brings it
  kDownloading,  // `bytes` of `total` are here, those of an earlier attempt among them
  kUploading,    // `bytes` of `total` are there
  kReading,      // `bytes` of `total` have been read from an archive
  kVerifying,    // all is here, and is held against its digest
  kUnpacking,    // `bytes` of `total`, as they are packed, have been written as files
  kMounted,      // it was in another repository of that registry, and needs no upload
  kDone,         // nothing is left to do
  kExists,       // nothing was to do
};

// "downloading" for kDownloading, and so on.
std::string_view phase_name(ProgressPhase phase);

struct ProgressEvent {
  ProgressPhase phase = ProgressPhase::kWaiting;
  Digest digest;           // of the layer as it is packed; empty for kResolving
  std::int64_t bytes = 0;  // packed; fewer than before when an attempt begins anew
  std::int64_t total = 0;

  bool operator==(const ProgressEvent&) const = default;
};

// Tells one observer how an operation gets on. The observer is called by one thread, which is this
// object's, and never after the object has gone; a slow one delays nobody and misses nothing but
// numbers in between: each phase of each layer comes at once and in order, more bytes of the same
// phase at most once a pause. The other calls are for any thread, and don't block.
class Progress {
 public:
  using Observer = std::function<void(const ProgressEvent&)>;
  // Without an observer nothing is done, and there is no thread.
  explicit Progress(Observer observer,
                    std::chrono::milliseconds pause = std::chrono::milliseconds(100));
  // Hands over what is left; waits for the observer.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void resolving();
  // A layer of which so many things have to be done: it is waiting. Once more: all begins anew.
  void expect(const Digest& layer, std::int64_t total, unsigned steps);
  // What is being done with a layer. One that was not expected, or that is done, is left out.
  void report(const Digest& layer, ProgressPhase phase, std::int64_t bytes);
  // Nothing is left to do with a layer, as the phase says: kDone, kExists or kMounted.
  void end(const Digest& layer, ProgressPhase phase);
  // One of the things is there, by work or from before. After the last the layer is kDone, or
  // kExists when none took work.
  void step(const Digest& layer, bool worked);

 private:
  struct Layer {
    ProgressEvent last;
    unsigned left = 0;
    bool worked = false;
  };
  void post(const ProgressEvent& event, bool at_once);
  // Of a layer with which something is left to do, else null.
  Layer* find(const Digest& layer);
  void end(Layer& layer, ProgressPhase phase);
  void run(const std::stop_token& stop);

  const Observer observer_;
  const std::chrono::milliseconds pause_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::map<Digest, Layer> layers_;
  std::vector<ProgressEvent> pending_;
  bool urgent_ = false;  // something pending is more than a number
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace dhow::engine
