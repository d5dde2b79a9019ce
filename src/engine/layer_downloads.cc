// SPDX-License-Identifier: Apache-2.0
#include "engine/layer_downloads.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/layer_parts.h"

namespace dhow::engine {
namespace {

constexpr std::size_t kFollowSize = std::size_t{256} << 10;

}  // namespace

// One layer. Its thread writes, readers follow.
class LayerDownloads::Download : public registry::BlobWriter {
 public:
  Download(LayerDownloads& owner, oci::Descriptor layer)
      : owner_(owner), layer_(std::move(layer)) {}

  void run(const std::stop_token& stop) {
    Status status = bring(stop);
    std::lock_guard lock(mutex_);
    result_ = std::move(status);
    changed_.notify_all();
  }

  Status wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return result_.has_value(); });
    return *result_;
  }

  // Bytes from `offset` on: none at the end, after waiting for those that have not come.
  Result<std::size_t> read(std::int64_t offset, std::span<char> buffer, unsigned generation) {
    std::shared_ptr<content::Ingest> ingest;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(
          lock, [&] { return here_ > offset || result_.has_value() || generation != generation_; });
      if (generation != generation_) {
        return fail(Code::kAborted, cat("layer ", layer_.digest.text(), " is fetched anew"));
      }
      if (here_ <= offset) {
        if (!*result_) return std::unexpected(result_->error());
        return std::size_t{0};
      }
      buffer = buffer.first(std::min(buffer.size(), static_cast<std::size_t>(here_ - offset)));
      ingest = ingest_;
    }
    return ingest->read_at(offset, buffer);
  }

  // Waits until it is known where the bytes are: true when the store has them all.
  bool is_stored() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ingest_ || result_.has_value(); });
    return !ingest_ && *result_;
  }
  Status failure() {
    std::lock_guard lock(mutex_);
    return result_ ? *result_ : Status();
  }
  const Digest& digest() const { return layer_.digest; }
  unsigned generation() {
    std::lock_guard lock(mutex_);
    return generation_;
  }

  bool is_here() {
    std::lock_guard lock(mutex_);
    return result_.has_value();
  }

  Status write(std::string_view data) override {
    TRY(ingest_->write(data));
    grown();
    return {};
  }

 private:
  Status bring(const std::stop_token& stop) {
    TRY_ASSIGN(bool is_stored, find_or_claim(stop));
    if (is_stored) return {};
    bool resumed = ingest_->resumed() != 0;
    Status status = fetch(stop);
    // What an earlier attempt left was not what it should be: once more, from the first byte.
    if (!status && status.error().code() == Code::kDataLoss && resumed) {
      TRY(restart());
      status = fetch(stop);
    }
    if (status && owner_.options_.progress != nullptr) {
      owner_.options_.progress->step(layer_.digest, true);
    }
    return status;
  }

  // True: the store has it. False: nobody else brings it, and the ingest is ours.
  Result<bool> find_or_claim(const std::stop_token& stop) {
    std::string name = cat("layer-", layer_.digest.text());
    while (true) {
      if (stop.stop_requested()) return fail(Code::kCancelled, "the pull was ended");
      TRY_ASSIGN(bool found, hold_stored());
      if (found) return true;
      auto opened = owner_.store_.ingest(name);
      if (!opened) {
        if (opened.error().code() != Code::kUnavailable) return std::unexpected(opened.error());
        // Another pull brings it.
        TRY(owner_.store_.wait_for_ingest(name, stop));
        continue;
      }
      // That one may have ended between the look and the claim.
      TRY_ASSIGN(found, hold_stored());
      if (found) {
        opened->reset();
        std::ignore = owner_.store_.abort(name);
        return true;
      }
      std::lock_guard lock(mutex_);
      ingest_ = std::move(*opened);
      here_ = ingest_->offset();
      changed_.notify_all();
      return false;
    }
  }

  // When it is there, only the lease has to know.
  Result<bool> hold_stored() {
    auto info = owner_.store_.stat(layer_.digest);
    // A look costs less than a hold, which is a transaction that writes.
    Status status = info ? owner_.store_.hold(layer_.digest, owner_.options_.lease)
                         : Status(std::unexpected(info.error()));
    if (!status && status.error().code() == Code::kNotFound) return false;
    TRY(status);
    if (owner_.options_.progress != nullptr) owner_.options_.progress->step(layer_.digest, false);
    return true;
  }

  Status fetch(const std::stop_token& stop) {
    auto there = ingest_->extents();
    if (!there.empty() && there.back().end > layer_.size) TRY(restart());
    report(ProgressPhase::kDownloading);
    TRY(fetch_missing(stop));
    report(ProgressPhase::kVerifying);
    content::CommitRequest request;
    request.digest = layer_.digest;
    request.size = layer_.size;
    request.lease = owner_.options_.lease;
    return ingest_->commit(request);
  }

  Status fetch_missing(const std::stop_token& stop) {
    std::int64_t missing = layer_.size - bytes_there();
    if (missing >= owner_.options_.split_from && layer_.urls.empty() && owner_.ranges_) {
      unsigned extra = owner_.take_connections(owner_.options_.extra_connections);
      Cleanup give_back([&] { owner_.connections_left_ += extra; });
      Status status = fetch_parts(
          owner_.repository_, layer_, *ingest_, {owner_.options_.part, 1 + extra},
          [this] { grown(); }, stop);
      if (status || status.error().code() != Code::kUnimplemented) return status;
      owner_.ranges_ = false;
    }
    if (ingest_->offset() == layer_.size) return {};
    return owner_.repository_.fetch_blob(layer_, ingest_->offset(), *this, {}, stop);
  }

  Status restart() {
    std::lock_guard lock(mutex_);
    ++generation_;
    here_ = 0;
    changed_.notify_all();
    return ingest_->restart();
  }

  void grown() {
    {
      std::lock_guard lock(mutex_);
      here_ = ingest_->offset();
      changed_.notify_all();
    }
    report(ProgressPhase::kDownloading);
  }

  std::int64_t bytes_there() const {
    std::int64_t bytes = 0;
    for (const content::Extent& extent : ingest_->extents()) bytes += extent.end - extent.begin;
    return bytes;
  }

  void report(ProgressPhase phase) {
    if (owner_.options_.progress == nullptr) return;
    owner_.options_.progress->report(layer_.digest, phase, bytes_there());
  }

  LayerDownloads& owner_;
  const oci::Descriptor layer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<content::Ingest> ingest_;  // set once, by the thread of run()
  std::int64_t here_ = 0;
  unsigned generation_ = 0;  // counts beginnings anew
  std::optional<Status> result_;
};

// The bytes of a layer, from the store or as they come; says how far they are read.
class LayerDownloads::Reader final : public unpack::ByteSource {
 public:
  // `stored` may be null.
  Reader(std::shared_ptr<Download> download, Progress* progress,
         std::unique_ptr<unpack::ByteSource> stored)
      : download_(std::move(download)),
        progress_(progress),
        stored_(std::move(stored)),
        generation_(download_->generation()) {}
  Result<std::string_view> next() override {
    std::string_view piece;
    if (stored_) {
      TRY_ASSIGN(piece, stored_->next());
    } else {
      buffer_.resize(kFollowSize);
      TRY_ASSIGN(std::size_t size, download_->read(offset_, buffer_, generation_));
      piece = std::string_view(buffer_).substr(0, size);
    }
    offset_ += static_cast<std::int64_t>(piece.size());
    // Until then it is still on its way.
    if (progress_ != nullptr && download_->is_here()) {
      progress_->report(download_->digest(), ProgressPhase::kUnpacking, offset_);
    }
    return piece;
  }
  // The end comes after the commit, which compares the digest.
  bool is_verified() const override { return !stored_; }

 private:
  std::shared_ptr<Download> download_;
  Progress* progress_;
  std::unique_ptr<unpack::ByteSource> stored_;
  unsigned generation_;
  std::string buffer_;
  std::int64_t offset_ = 0;
};

LayerDownloads::LayerDownloads(content::ContentStore& store, const registry::Repository& repository,
                               const std::vector<oci::Descriptor>& layers, Options options)
    : store_(store), repository_(repository), options_(std::move(options)) {
  for (const oci::Descriptor& layer : layers) {
    if (by_digest_.contains(layer.digest)) continue;  // the same layer twice
    queue_.push_back(std::make_shared<Download>(*this, layer));
    by_digest_[layer.digest] = queue_.back();
  }
  connections_left_ = options_.extra_connections;
  auto threads = std::min<std::size_t>(std::max(options_.parallel, 1U), queue_.size());
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

LayerDownloads::~LayerDownloads() { stop(); }

void LayerDownloads::stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

void LayerDownloads::work(const std::stop_token& stop) {
  while (true) {
    std::size_t number = next_++;
    if (number >= queue_.size()) return;
    queue_[number]->run(stop);
  }
}

unsigned LayerDownloads::take_connections(unsigned wanted) {
  unsigned left = connections_left_;
  unsigned taken = 0;
  do {
    taken = std::min(wanted, left);
  } while (!connections_left_.compare_exchange_weak(left, left - taken));
  return taken;
}

Result<std::unique_ptr<unpack::ByteSource>> LayerDownloads::open(const oci::Descriptor& layer) {
  auto found = by_digest_.find(layer.digest);
  if (found == by_digest_.end()) {
    return fail(Code::kInternal, cat("layer ", layer.digest.text(), " was not asked for"));
  }
  std::unique_ptr<unpack::ByteSource> stored;
  if (found->second->is_stored()) {
    TRY_ASSIGN(stored, StoredLayers(store_).open(layer));
  } else {
    TRY(found->second->failure());
  }
  return std::unique_ptr<unpack::ByteSource>(
      std::make_unique<Reader>(found->second, options_.progress, std::move(stored)));
}

Status LayerDownloads::wait() {
  Status first;
  for (const auto& download : queue_) {
    if (auto status = download->wait(); !status && first) first = status;
  }
  return first;
}

}  // namespace dhow::engine
