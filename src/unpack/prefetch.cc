// SPDX-License-Identifier: Apache-2.0
#include "unpack/prefetch.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace dhow::unpack {
namespace {

constexpr std::size_t kPiece = std::size_t{256} << 10;

class Prefetch final : public ByteSource {
 public:
  Prefetch(ByteSource& source, std::size_t buffers)
      : source_(source), buffers_(buffers), thread_([this](std::stop_token stop) { run(stop); }) {}
  ~Prefetch() override {
    thread_.request_stop();
    room_.notify_all();
  }
  Prefetch(const Prefetch&) = delete;
  Prefetch& operator=(const Prefetch&) = delete;

  Result<std::string_view> next() override {
    std::unique_lock lock(mutex_);
    if (!current_.empty()) free_.push_back(std::move(current_));
    current_.clear();
    filled_.wait(lock, [this] { return !ready_.empty() || ended_; });
    if (ready_.empty()) {
      if (fault_) return std::unexpected(*fault_);
      return std::string_view();
    }
    current_ = std::move(ready_.front());
    ready_.pop_front();
    room_.notify_one();
    return std::string_view(current_);
  }

 private:
  void run(const std::stop_token& stop) {
    while (true) {
      std::string buffer = take_buffer(stop);
      if (stop.stop_requested()) return;
      // Small pieces are put together: handing each over would cost more than making it.
      while (buffer.size() < kPiece) {
        auto piece = source_.next();
        if (!piece || piece->empty()) {
          finish(std::move(buffer), piece ? std::nullopt : std::optional<Error>(piece.error()));
          return;
        }
        buffer += *piece;
        if (stop.stop_requested()) return;
      }
      std::lock_guard lock(mutex_);
      ready_.push_back(std::move(buffer));
      filled_.notify_one();
    }
  }

  std::string take_buffer(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return ready_.size() < buffers_ || stop.stop_requested(); });
    if (free_.empty()) return {};
    std::string buffer = std::move(free_.back());
    free_.pop_back();
    buffer.clear();
    return buffer;
  }

  void finish(std::string buffer, std::optional<Error> fault) {
    std::lock_guard lock(mutex_);
    if (!buffer.empty()) ready_.push_back(std::move(buffer));
    fault_ = std::move(fault);
    ended_ = true;
    filled_.notify_one();
  }

  ByteSource& source_;
  std::size_t buffers_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::condition_variable room_;
  std::deque<std::string> ready_;
  std::vector<std::string> free_;
  std::string current_;  // what next() gave last
  std::optional<Error> fault_;
  bool ended_ = false;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace

std::unique_ptr<ByteSource> prefetch(ByteSource& source, std::size_t buffers) {
  return std::make_unique<Prefetch>(source, buffers);
}

}  // namespace dhow::unpack
