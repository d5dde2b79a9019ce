// SPDX-License-Identifier: Apache-2.0
#include "engine/layer_parts.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace dhow::engine {
namespace {

using content::Extent;

// What is missing, in pieces.
std::vector<Extent> missing_parts(const content::Ingest& ingest, std::int64_t size,
                                  std::int64_t part) {
  std::vector<Extent> parts;
  std::int64_t at = 0;
  auto add_until = [&](std::int64_t end) {
    for (; at < end; at += part) parts.push_back({at, std::min(at + part, end)});
  };
  for (const Extent& there : ingest.extents()) {
    add_until(std::min(there.begin, size));
    at = there.end;
  }
  add_until(size);
  return parts;
}

class PartFetch {
 public:
  PartFetch(const registry::Repository& repository, const oci::Descriptor& blob,
            content::Ingest& ingest, std::vector<Extent> parts)
      : repository_(repository), blob_(blob), ingest_(ingest), parts_(std::move(parts)) {}

  Status run(unsigned connections, const std::function<void()>& grown, const std::stop_token& stop);

 private:
  class Writer;
  void work();
  void wrote();

  const registry::Repository& repository_;
  const oci::Descriptor& blob_;
  content::Ingest& ingest_;
  const std::vector<Extent> parts_;
  std::atomic<std::size_t> next_ = 0;
  std::stop_source end_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool more_ = false;     // was written since somebody looked
  unsigned working_ = 0;  // threads
  Status result_;
};

class PartFetch::Writer final : public registry::BlobWriter {
 public:
  Writer(PartFetch& owner, std::int64_t at) : owner_(owner), at_(at) {}
  Status write(std::string_view data) override {
    TRY(owner_.ingest_.write_at(at_, data));
    at_ += static_cast<std::int64_t>(data.size());
    owner_.wrote();
    return {};
  }

 private:
  PartFetch& owner_;
  std::int64_t at_;
};

void PartFetch::wrote() {
  std::lock_guard lock(mutex_);
  more_ = true;
  changed_.notify_one();
}

void PartFetch::work() {
  Status status;
  while (status && !end_.stop_requested()) {
    std::size_t number = next_++;
    if (number >= parts_.size()) break;
    Writer writer(*this, parts_[number].begin);
    status = repository_.fetch_blob_part(blob_, parts_[number].begin, parts_[number].end, writer,
                                         end_.get_token());
  }
  std::lock_guard lock(mutex_);
  // The first says why; the others end because of it.
  if (!status && result_) result_ = std::move(status);
  if (!result_) end_.request_stop();
  --working_;
  changed_.notify_one();
}

Status PartFetch::run(unsigned connections, const std::function<void()>& grown,
                      const std::stop_token& stop) {
  std::stop_callback ended(stop, [this] { end_.request_stop(); });
  working_ = static_cast<unsigned>(std::min<std::size_t>(connections, parts_.size()));
  std::vector<std::jthread> threads;
  for (unsigned i = working_; i > 0; --i) threads.emplace_back([this] { work(); });
  Status hashed;
  bool done = false;
  while (!done) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return more_ || working_ == 0; });
      more_ = false;
      done = working_ == 0;
    }
    grown();
    if (!hashed) continue;
    hashed = ingest_.hash_ahead();
    if (!hashed) end_.request_stop();
  }
  threads.clear();
  return hashed ? result_ : hashed;
}

}  // namespace

Status fetch_parts(const registry::Repository& repository, const oci::Descriptor& blob,
                   content::Ingest& ingest, const PartOptions& options,
                   const std::function<void()>& grown, std::stop_token stop) {
  auto parts = missing_parts(ingest, blob.size, options.size);
  return PartFetch(repository, blob, ingest, std::move(parts))
      .run(std::max(options.connections, 1U), grown, stop);
}

}  // namespace dhow::engine
