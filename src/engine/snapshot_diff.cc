// SPDX-License-Identifier: Apache-2.0
#include "engine/snapshot_diff.h"

#include <fcntl.h>

#include <functional>
#include <memory>

#include "base/hasher.h"
#include "base/strings.h"
#include "sys/random_name.h"
#include "unpack/deflate.h"
#include "unpack/layer_reader.h"

namespace dhow::engine {
namespace {

// Where an archive without members ends: two blocks of zeros.
constexpr std::int64_t kEmptyArchive = 1024;

// Hashes and counts what passes.
class Measured final : public unpack::ByteSink {
 public:
  explicit Measured(std::function<Status(std::string_view)> next) : next_(std::move(next)) {}
  Status write(std::string_view piece) override {
    hasher_.update(piece);
    size_ += static_cast<std::int64_t>(piece.size());
    return next_(piece);
  }
  Digest digest() { return hasher_.finish(); }
  std::int64_t size() const { return size_; }

 private:
  std::function<Status(std::string_view)> next_;
  Hasher hasher_;
  std::int64_t size_ = 0;
};

// A tree that is mounted where nobody sees it.
struct Mounted {
  MountFd mount;
  DirFd root;
};

Result<Mounted> mounted(const snapshot::MountPlan& plan) {
  Mounted result;
  TRY_ASSIGN(result.mount, snapshot::mount(plan));
  TRY_ASSIGN(Fd root, open_at(result.mount.fd(), ".", O_RDONLY | O_DIRECTORY));
  result.root = DirFd(std::move(root));
  return result;
}

class Differ {
 public:
  Differ(snapshot::Snapshotter& snapshotter, const std::string& name, content::ContentStore& store,
         const DiffOptions& options)
      : snapshotter_(snapshotter), name_(name), store_(store), options_(options) {}
  ~Differ() {
    tree_ = {};
    below_ = {};
    for (const std::string& key : views_) std::ignore = snapshotter_.remove(key);
  }
  Differ(const Differ&) = delete;
  Differ& operator=(const Differ&) = delete;

  Result<SnapshotDiff> run();

 private:
  Status open_trees();
  Result<snapshot::MountPlan> view_of(const std::string& layer);
  Result<SnapshotDiff> write(content::Ingest& ingest);
  std::string_view media_type() const;

  snapshot::Snapshotter& snapshotter_;
  const std::string& name_;
  content::ContentStore& store_;
  const DiffOptions& options_;
  std::string key_;  // of the ingest, and the beginning of those of the views
  std::vector<std::string> views_;
  Mounted tree_;
  Mounted below_;
  DirFd touched_;  // none: all is looked at
};

// The lease has it collected when this process dies first.
Result<snapshot::MountPlan> Differ::view_of(const std::string& layer) {
  snapshot::NewSnapshot view;
  view.key = cat(key_, "-", views_.size());
  view.parent = layer;
  view.lease = options_.lease;
  TRY_ASSIGN(snapshot::MountPlan plan, snapshotter_.view(view));
  views_.push_back(view.key);
  return plan;
}

Status Differ::open_trees() {
  TRY_ASSIGN(snapshot::Info info, snapshotter_.stat(name_));
  bool is_layer = info.kind == snapshot::Kind::kCommitted;
  TRY_ASSIGN(snapshot::MountPlan plan, is_layer ? view_of(name_) : snapshotter_.mounts(name_));
  std::string own = plan.upper;
  plan = snapshot::for_reading(std::move(plan));
  // What stands on others has its own part on top; a view has none.
  const snapshot::LayerSource& top = plan.lower.front();
  if (is_layer && top.kind == snapshot::LayerSource::Kind::kFolder) own = top.path;
  if (plan.lower.size() > 1 && !own.empty()) {
    TRY_ASSIGN(touched_, DirFd::open(own));
  }
  TRY_ASSIGN(tree_, mounted(plan));
  if (info.parent.empty()) return {};
  TRY_ASSIGN(snapshot::MountPlan below, view_of(info.parent));
  TRY_ASSIGN(below_, mounted(below));
  return {};
}

std::string_view Differ::media_type() const {
  switch (options_.compression) {
    case oci::Compression::kGzip:
      return oci::media_type::kOciLayerGzip;
    case oci::Compression::kZstd:
      return oci::media_type::kOciLayerZstd;
    case oci::Compression::kNone:
      break;
  }
  return oci::media_type::kOciLayer;
}

Result<SnapshotDiff> Differ::write(content::Ingest& ingest) {
  TRY(ingest.restart());
  Measured blob([&](std::string_view piece) { return ingest.write(piece); });
  auto packer = unpack::pack(blob, options_.compression, options_.threads);
  Measured archive([&](std::string_view piece) { return packer->write(piece); });
  unpack::TarWriter writer(archive);
  unpack::LayerTrees trees{.tree = tree_.root,
                           .below = below_.root ? &below_.root : nullptr,
                           .touched = touched_ ? &touched_ : nullptr};
  TRY(unpack::read_layer(trees, {.latest = options_.latest, .left_out = options_.left_out},
                         writer));
  TRY(writer.finish());
  TRY(packer->finish());
  SnapshotDiff diff;
  diff.is_empty = archive.size() == kEmptyArchive;
  diff.diff_id = archive.digest();
  diff.layer.media_type = media_type();
  diff.layer.digest = blob.digest();
  diff.layer.size = blob.size();
  content::CommitRequest commit;
  commit.digest = diff.layer.digest;
  commit.size = diff.layer.size;
  commit.lease = options_.lease;
  // As containerd and its clients look for it.
  commit.labels["containerd.io/uncompressed"] = diff.diff_id.text();
  TRY(ingest.commit(commit));
  return diff;
}

Result<SnapshotDiff> Differ::run() {
  // What a process that died has left under its lease is in nobody's way.
  TRY_ASSIGN(std::string id, random_name());
  key_ = cat("diff-", id);
  TRY(open_trees());
  TRY_ASSIGN(std::unique_ptr<content::Ingest> ingest, store_.ingest(key_));
  auto diff = write(*ingest);
  ingest.reset();
  if (!diff) std::ignore = store_.abort(key_);
  return diff;
}

}  // namespace

Result<SnapshotDiff> diff_snapshot(snapshot::Snapshotter& snapshotter, const std::string& name,
                                   content::ContentStore& store, const DiffOptions& options) {
  auto diff = Differ(snapshotter, name, store, options).run();
  if (!diff) {
    return std::unexpected(
        std::move(diff).error().add_context(cat("diff of the snapshot ", quoted(name))));
  }
  return diff;
}

}  // namespace dhow::engine
