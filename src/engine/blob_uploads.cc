// SPDX-License-Identifier: Apache-2.0
#include "engine/blob_uploads.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

class BlobBody final : public registry::BodySource {
 public:
  BlobBody(Fd file, std::int64_t size) : file_(std::move(file)), size_(size) {}
  std::int64_t size() const override { return size_; }
  Result<std::size_t> read_at(std::int64_t offset, std::span<char> buffer) override {
    return dhow::read_at(file_, offset, buffer);
  }

 private:
  Fd file_;
  std::int64_t size_;
};

class Uploads {
 public:
  Uploads(content::ContentStore& store, const registry::Repository& repository,
          const std::vector<BlobUpload>& blobs, const PushOptions& options)
      : store_(store),
        repository_(repository),
        blobs_(blobs),
        connections_(std::max(options.uploads, 1U)),
        progress_(options.progress) {
    for (const BlobUpload& upload : blobs)
      progress_.expect(upload.blob.digest, upload.blob.size, 1);
  }

  Status run(const std::stop_token& stop);

 private:
  void work();
  Status bring(const BlobUpload& upload);
  Status send(const oci::Descriptor& blob);

  content::ContentStore& store_;
  const registry::Repository& repository_;
  const std::vector<BlobUpload>& blobs_;
  const std::size_t connections_;
  Progress progress_;
  std::stop_source stop_;
  std::atomic<std::size_t> next_ = 0;
  std::mutex mutex_;
  std::optional<Error> fault_;
};

Status Uploads::send(const oci::Descriptor& blob) {
  TRY_ASSIGN(content::BlobInfo info, store_.stat(blob.digest));
  TRY_ASSIGN(Fd file, store_.open(blob.digest));
  BlobBody body(std::move(file), info.size);
  registry::UploadOptions uploading;
  uploading.progress = [&](std::int64_t bytes) {
    progress_.report(blob.digest, ProgressPhase::kUploading, bytes);
  };
  auto status = repository_.upload_blob(blob, body, uploading, stop_.get_token());
  if (status) {
    progress_.end(blob.digest, ProgressPhase::kDone);
    return {};
  }
  // The registry says no more than that the digest is another one: is it our content?
  bool refused =
      status.error().code() == Code::kInvalidArgument || status.error().code() == Code::kDataLoss;
  if (refused) TRY(store_.verify(blob.digest));
  return status;
}

Status Uploads::bring(const BlobUpload& upload) {
  std::stop_token stop = stop_.get_token();
  TRY_ASSIGN(bool is_there, repository_.has_blob(upload.blob.digest, stop));
  if (is_there) {
    progress_.end(upload.blob.digest, ProgressPhase::kExists);
    return {};
  }
  for (const std::string& source : upload.sources) {
    TRY_ASSIGN(bool mounted, repository_.mount_blob(upload.blob.digest, source, stop));
    if (!mounted) continue;
    progress_.end(upload.blob.digest, ProgressPhase::kMounted);
    return {};
  }
  return send(upload.blob);
}

void Uploads::work() {
  while (!stop_.stop_requested()) {
    std::size_t number = next_++;
    if (number >= blobs_.size()) return;
    auto status = bring(blobs_[number]);
    if (status) continue;
    std::lock_guard lock(mutex_);
    // Those that stop because of it say nothing new.
    if (!fault_) fault_ = std::move(status).error();
    stop_.request_stop();
  }
}

Status Uploads::run(const std::stop_token& stop) {
  std::stop_callback ended(stop, [&] { stop_.request_stop(); });
  {
    std::size_t count = std::min(connections_, blobs_.size());
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < count; ++i) threads.emplace_back([this] { work(); });
  }
  if (fault_) return fail(std::move(*fault_));
  if (stop.stop_requested()) return fail(Code::kCancelled, "stopped");
  return {};
}

}  // namespace

Status upload_blobs(content::ContentStore& store, const registry::Repository& repository,
                    const std::vector<BlobUpload>& blobs, const PushOptions& options,
                    std::stop_token stop) {
  return Uploads(store, repository, blobs, options).run(stop);
}

}  // namespace dhow::engine
