// SPDX-License-Identifier: Apache-2.0
#include "engine/image_unpack.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/cleanup.h"
#include "base/strings.h"
#include "unpack/file_source.h"
#include "unpack/unpack_layer.h"

namespace dhow::engine {
namespace {

unpack::Whiteouts whiteouts_of(snapshot::Whiteouts whiteouts) {
  switch (whiteouts) {
    case snapshot::Whiteouts::kOverlay:
      return unpack::Whiteouts::kOverlay;
    case snapshot::Whiteouts::kUserOverlay:
      return unpack::Whiteouts::kUserOverlay;
    case snapshot::Whiteouts::kRemove:
      break;
  }
  return unpack::Whiteouts::kRemove;
}

// Keeps the drafts of two that unpack the same layer apart. Drafts don't outlive the process that
// has the snapshots open, of which there is one.
std::uint64_t next_number() {
  static std::atomic<std::uint64_t> next = 0;
  return next++;
}

// A layer's bytes, of which the progress is told.
class Told final : public unpack::ByteSource {
 public:
  Told(std::unique_ptr<unpack::ByteSource> bytes, Progress& progress, const Digest& layer)
      : bytes_(std::move(bytes)), progress_(progress), layer_(layer) {}
  Result<std::string_view> next() override {
    TRY_ASSIGN(std::string_view piece, bytes_->next());
    read_ += static_cast<std::int64_t>(piece.size());
    progress_.report(layer_, ProgressPhase::kUnpacking, read_);
    return piece;
  }

 private:
  std::unique_ptr<unpack::ByteSource> bytes_;
  Progress& progress_;
  const Digest layer_;
  std::int64_t read_ = 0;
};

// A layer that is to be made.
struct Job {
  std::size_t index = 0;
  std::string key;  // of its draft
  std::optional<Status> result;
  bool needs_below = false;
};

class Unpacker {
 public:
  Unpacker(snapshot::Snapshotter& snapshotter, const oci::Manifest& manifest,
           const oci::Image& image, LayerBytes& bytes, const UnpackOptions& options)
      : snapshotter_(snapshotter),
        manifest_(manifest),
        image_(image),
        bytes_(bytes),
        options_(options),
        chain_(oci::chain_ids(image.diff_ids)) {}

  Result<std::string> run();

 private:
  // How many layers are there, from the lowest up.
  Result<std::size_t> present();
  Status unpack_apart(std::size_t first);
  void work();
  Status draw_apart(Job& job);
  Status write_draft(const snapshot::Draft& draft, std::size_t index);
  Status make_whole(std::size_t index);
  Status commit(const std::string& key, std::size_t index);
  void step(std::size_t index, bool worked) {
    if (options_.progress != nullptr) options_.progress->step(layer_of(index).digest, worked);
  }
  const oci::Descriptor& layer_of(std::size_t index) const { return manifest_.layers[index]; }
  std::string parent_of(std::size_t index) const {
    return index == 0 ? std::string() : chain_[index - 1].text();
  }
  std::string key_of(std::size_t index) const {
    return cat("extract-", number_, "-", chain_[index].text());
  }
  // What is left of drafts is of no use; the next opening of the store would take it away too.
  void drop_drafts();

  snapshot::Snapshotter& snapshotter_;
  const oci::Manifest& manifest_;
  const oci::Image& image_;
  LayerBytes& bytes_;
  const UnpackOptions& options_;
  std::vector<Digest> chain_;
  std::uint64_t number_ = next_number();
  std::vector<Job> jobs_;
  std::atomic<std::size_t> next_job_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  std::condition_variable done_;
};

Result<std::size_t> Unpacker::present() {
  for (std::size_t count = chain_.size(); count > 0; --count) {
    auto info = snapshotter_.stat(chain_[count - 1].text());
    if (info && info->kind == snapshot::Kind::kCommitted) return count;
    if (!info && info.error().code() != Code::kNotFound) return std::unexpected(info.error());
  }
  return std::size_t{0};
}

Status Unpacker::write_draft(const snapshot::Draft& draft, std::size_t index) {
  const oci::Descriptor& layer = layer_of(index);
  auto compression = oci::layer_compression(layer.media_type);
  if (!compression) {
    return fail(Code::kInvalidArgument, cat("layer ", layer.digest.text(), ": ",
                                            quoted(layer.media_type), " is no layer of files"));
  }
  unpack::UnpackRequest request;
  request.digest = layer.digest;
  request.diff_id = image_.diff_ids[index];
  request.compression = *compression;
  request.whiteouts = whiteouts_of(draft.whiteouts);
  request.limits = options_.limits;
  request.rules.strict = options_.strict_layers;
  TRY_ASSIGN(std::unique_ptr<unpack::ByteSource> source, bytes_.open(layer));
  TRY_ASSIGN(Fd folder, draft.folder.duplicate());
  TRY(unpack::unpack_layer(*source, DirFd(std::move(folder)), request));
  return {};
}

Status Unpacker::commit(const std::string& key, std::size_t index) {
  snapshot::Commit commit;
  commit.key = key;
  commit.name = chain_[index].text();
  commit.parent = parent_of(index);
  commit.lease = options_.lease;
  auto status = snapshotter_.commit_layer(commit);
  // Somebody else may have been faster with the same layer.
  if (!status && status.error().code() != Code::kAlreadyExists) return status;
  step(index, true);
  return {};
}

Status Unpacker::make_whole(std::size_t index) {
  std::string key = cat(key_of(index), "-whole");
  Cleanup drop([&] { std::ignore = snapshotter_.remove(key); });
  {
    TRY_ASSIGN(snapshot::Draft draft, snapshotter_.begin_whole(key, parent_of(index)));
    TRY(write_draft(draft, index));
  }
  TRY(commit(key, index));
  drop.dismiss();
  return {};
}

Status Unpacker::draw_apart(Job& job) {
  TRY_ASSIGN(snapshot::Draft draft, snapshotter_.begin_layer(job.key));
  return write_draft(draft, job.index);
}

void Unpacker::work() {
  while (true) {
    std::size_t number = next_job_++;
    if (number >= jobs_.size()) return;
    Job& job = jobs_[number];
    Status status =
        failed_ ? Status(fail(Code::kCancelled, "another layer failed")) : draw_apart(job);
    bool needs_below = !status && status.error().code() == Code::kFailedPrecondition;
    if (!status && !needs_below) failed_ = true;
    std::lock_guard lock(mutex_);
    job.needs_below = needs_below;
    job.result = std::move(status);
    done_.notify_all();
  }
}

void Unpacker::drop_drafts() {
  for (const Job& job : jobs_) std::ignore = snapshotter_.remove(job.key);
}

Status Unpacker::unpack_apart(std::size_t first) {
  for (std::size_t i = first; i < chain_.size(); ++i) jobs_.push_back({i, key_of(i), {}, false});
  unsigned threads = options_.threads != 0 ? options_.threads : std::thread::hardware_concurrency();
  threads = std::clamp(threads, 1U, static_cast<unsigned>(jobs_.size()));
  Cleanup drop([&] { drop_drafts(); });
  std::vector<std::jthread> workers;
  for (unsigned i = 0; i < threads; ++i) workers.emplace_back([this] { work(); });
  // Committed from the lowest up, while those above are still written.
  std::optional<Error> fault;
  for (Job& job : jobs_) {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return job.result.has_value(); });
    lock.unlock();
    Status status = *job.result;
    if (job.needs_below) {
      std::ignore = snapshotter_.remove(job.key);
      status = fault ? Status() : make_whole(job.index);
    } else if (status && !fault) {
      status = commit(job.key, job.index);
    }
    if (status) continue;
    failed_ = true;
    // The one that failed first says why, not those that stopped because of it.
    if (!fault || fault->code() == Code::kCancelled) fault = status.error();
  }
  workers.clear();
  if (fault) return std::unexpected(std::move(*fault));
  drop.dismiss();
  return {};
}

Result<std::string> Unpacker::run() {
  if (manifest_.layers.size() != chain_.size()) {
    return fail(Code::kInvalidArgument,
                cat("the manifest has ", manifest_.layers.size(), " layers, the configuration ",
                    chain_.size(), " diff ids"));
  }
  if (chain_.empty()) return std::string();
  TRY_ASSIGN(std::size_t first, present());
  for (std::size_t i = 0; i < first; ++i) step(i, false);
  if (first == chain_.size()) return chain_.back().text();
  if (snapshotter_.layers_apart()) {
    TRY(unpack_apart(first));
  } else {
    for (std::size_t i = first; i < chain_.size(); ++i) TRY(make_whole(i));
  }
  return chain_.back().text();
}

}  // namespace

Result<std::unique_ptr<unpack::ByteSource>> StoredLayers::open(const oci::Descriptor& layer) {
  TRY_ASSIGN(Fd file, store_.open(layer.digest));
  auto blob = std::make_unique<unpack::FileSource>(std::move(file), "read a blob");
  if (progress_ == nullptr) return std::unique_ptr<unpack::ByteSource>(std::move(blob));
  return std::unique_ptr<unpack::ByteSource>(
      std::make_unique<Told>(std::move(blob), *progress_, layer.digest));
}

Result<std::string> unpack_image(snapshot::Snapshotter& snapshotter, const oci::Manifest& manifest,
                                 const oci::Image& image, LayerBytes& bytes,
                                 const UnpackOptions& options) {
  return Unpacker(snapshotter, manifest, image, bytes, options).run();
}

}  // namespace dhow::engine
