// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/cleanup.h"
#include "base/hasher.h"
#include "base/rfc3339.h"
#include "base/strings.h"
#include "engine/containers_impl.h"
#include "engine/image_changes.h"
#include "engine/image_lookup.h"
#include "engine/image_settle.h"
#include "engine/image_tree.h"
#include "engine/snapshot_diff.h"
#include "metadata/lease_store.h"
#include "oci/image_codec.h"
#include "oci/reference.h"
#include "sys/file_io.h"
#include "sys/random_name.h"
#include "unpack/file_facts.h"
#include "unpack/layer_survey.h"

namespace dhow::engine {
namespace {

// When a commit dies, what it held may be collected this much later. Nanoseconds.
constexpr std::int64_t kCommitHeld = std::int64_t{3600} * 1'000'000'000;

oci::ImageConfig image_config(const ContainerConfig& from) {
  oci::ImageConfig config;
  config.user = from.user;
  config.exposed_ports.assign(from.exposed_ports.begin(), from.exposed_ports.end());
  config.env = from.env;
  config.entrypoint = from.entrypoint;
  config.cmd = from.cmd;
  config.volumes.assign(from.volumes.begin(), from.volumes.end());
  config.working_dir = from.working_dir;
  config.labels = from.labels;
  config.stop_signal = from.stop_signal;
  config.args_escaped = from.args_escaped;
  if (from.healthcheck) {
    const HealthConfig& health = *from.healthcheck;
    config.healthcheck = oci::Healthcheck{.test = health.test,
                                          .interval = health.interval,
                                          .timeout = health.timeout,
                                          .start_period = health.start_period,
                                          .start_interval = health.start_interval,
                                          .retries = health.retries};
  }
  config.on_build = from.on_build;
  config.shell = from.shell;
  config.stop_timeout = from.stop_timeout;
  return config;
}

Result<oci::Descriptor> put_blob(content::ContentStore& store, const std::string& text,
                                 std::string_view type, const std::string& lease) {
  oci::Descriptor descriptor;
  descriptor.media_type = type;
  descriptor.digest = digest_of(text);
  descriptor.size = static_cast<std::int64_t>(text.size());
  content::CommitRequest request;
  request.digest = descriptor.digest;
  request.size = descriptor.size;
  request.lease = lease;
  TRY(store.put(text, request));
  return descriptor;
}

// The configuration of the base image, with the container's and the new layer.
Result<oci::Image> committed_image(const ContainerRecord& record, oci::Image image,
                                   const CommitOptions& options, const SnapshotDiff& diff) {
  image.created = rfc3339_nano(metadata::now());
  if (!options.author.empty()) image.author = options.author;
  image.config = image_config(options.config ? *options.config : record.config.config);
  TRY(apply_changes(options.changes, image.config));
  oci::History step;
  step.created = image.created;
  step.author = options.author;
  std::vector<std::string> words = {record.facts.path};
  words.insert(words.end(), record.facts.args.begin(), record.facts.args.end());
  step.created_by = join(words, " ");
  step.comment = options.comment;
  step.empty_layer = diff.is_empty;
  image.history.push_back(std::move(step));
  if (!diff.is_empty) image.diff_ids.push_back(diff.diff_id);
  return image;
}

oci::Manifest committed_manifest(oci::Manifest manifest, SnapshotDiff diff) {
  if (!diff.is_empty) {
    // Layers of docker's manifests are named in docker's way.
    if (manifest.config.media_type == oci::media_type::kDockerConfig) {
      diff.layer.media_type = oci::media_type::kDockerLayerGzip;
    }
    manifest.layers.push_back(std::move(diff.layer));
  }
  manifest.subject.reset();
  manifest.annotations.clear();
  return manifest;
}

bool same_rights(const DirFd& one, const DirFd& other, const char* path) {
  struct stat first{};
  struct stat second{};
  for (auto [root, info] : {std::pair(&one, &first), std::pair(&other, &second)}) {
    auto file = root->open_in_root(path, O_PATH | O_NOFOLLOW);
    if (!file || ::fstat(file->get(), info) != 0) return false;
  }
  return first.st_mode == second.st_mode && first.st_uid == second.st_uid &&
         first.st_gid == second.st_gid;
}

// The folder of the files that are mounted has changed by their places alone.
void drop_way_to_ours(const DirFd& tree, const DirFd& below, std::vector<Change>& changes) {
  bool others = std::ranges::any_of(
      changes, [](const Change& change) { return change.path.starts_with("/etc/"); });
  if (others || !same_rights(tree, below, "etc")) return;
  std::erase_if(changes, [](const Change& change) {
    return change.path == "/etc" && change.kind == ChangeKind::kModified;
  });
}

// A look at a layer, for as long as this is there. One that a death leaves belongs to no container,
// and goes with the next start.
class LayerView {
 public:
  explicit LayerView(snapshot::Snapshotter& snapshots) : snapshots_(snapshots) {}
  ~LayerView() {
    if (!key_.empty()) std::ignore = snapshots_.remove(key_);
  }
  LayerView(const LayerView&) = delete;
  LayerView& operator=(const LayerView&) = delete;

  Result<snapshot::MountPlan> open(const std::string& layer) {
    TRY_ASSIGN(std::string random, random_name());
    snapshot::NewSnapshot view;
    view.key = cat("container/diff-", random);
    view.parent = layer;
    TRY_ASSIGN(snapshot::MountPlan plan, snapshots_.view(view));
    key_ = view.key;
    return plan;
  }

 private:
  snapshot::Snapshotter& snapshots_;
  std::string key_;
};

}  // namespace

Result<std::vector<Change>> ContainersImpl::changes(std::string_view ref) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  RecordPtr record = container->record();
  TRY_ASSIGN(snapshot::MountPlan plan, plan_of(*record));
  std::string upper = plan.upper;
  plan = snapshot::for_reading(std::move(plan));
  snapshot::MountPlan lower = plan;
  lower.lower.erase(lower.lower.begin());
  // Where its tree is a copy, nothing lies below it.
  LayerView view(stores_.images.snapshots);
  bool is_copy = lower.lower.empty() && !record->facts.parent.empty();
  if (is_copy) {
    TRY_ASSIGN(lower, view.open(record->facts.parent));
  }
  TRY_ASSIGN(MountFd tree_mount, snapshot::mount(plan));
  TRY_ASSIGN(Fd tree_fd, open_at(tree_mount.fd(), ".", O_RDONLY | O_DIRECTORY));
  DirFd tree(std::move(tree_fd));
  DirFd below;
  DirFd touched;
  MountFd below_mount;
  if (!lower.lower.empty()) {
    TRY_ASSIGN(below_mount, snapshot::mount(lower));
    TRY_ASSIGN(Fd below_fd, open_at(below_mount.fd(), ".", O_RDONLY | O_DIRECTORY));
    below = DirFd(std::move(below_fd));
    if (!is_copy) {
      TRY_ASSIGN(touched, DirFd::open(upper));
    }
  }
  TRY_ASSIGN(std::vector<unpack::LayerItem> items,
             unpack::survey_layer({.tree = tree,
                                   .below = below ? &below : nullptr,
                                   .touched = touched ? &touched : nullptr}));
  std::vector<Change> changes;
  for (const unpack::LayerItem& item : items) {
    // The places of the files that are mounted there are ours, not the container's.
    constexpr std::string_view kOurs[] = {"etc/hostname", "etc/hosts", "etc/resolv.conf",
                                          kMarkFile};
    if (item.path.empty() || std::ranges::find(kOurs, item.path) != std::end(kOurs)) continue;
    Change change{.path = "/" + item.path, .kind = ChangeKind::kAdded};
    if (item.is_removed) {
      change.kind = ChangeKind::kDeleted;
    } else if (below && below.open_in_root(item.path, O_PATH | O_NOFOLLOW)) {
      change.kind = ChangeKind::kModified;
    }
    changes.push_back(std::move(change));
  }
  if (below) drop_way_to_ours(tree, below, changes);
  std::ranges::sort(changes, {}, &Change::path);
  return changes;
}

Result<std::string> ContainersImpl::commit(std::string_view ref, const CommitOptions& options) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  RecordPtr record = container->record();
  std::optional<oci::Reference> name;
  if (!options.reference.empty()) {
    TRY_ASSIGN(name, oci::parse_image_name(options.reference));
  }
  bool paused = options.pause && record->progress.state.phase == Phase::kRunning &&
                tasks_->pause(key(container->id));
  Cleanup unpause([&] {
    if (paused) std::ignore = tasks_->resume(key(container->id));
  });
  metadata::Lease wanted;
  wanted.expires = metadata::now() + kCommitHeld;
  TRY_ASSIGN(metadata::Lease lease, stores_.images.leases.create(std::move(wanted)));
  Cleanup release([&] { std::ignore = stores_.images.leases.remove(lease.id); });

  content::ContentStore& store = stores_.images.content;
  TRY_ASSIGN(ImageDocuments base, read_image(store, record->facts.manifest, oci::host_platform()));
  TRY_ASSIGN(SnapshotDiff diff, diff_snapshot(stores_.images.snapshots, record->snapshot(), store,
                                              {.lease = lease.id, .left_out = {kMarkFile}}));
  if (paused) {
    paused = false;
    std::ignore = tasks_->resume(key(container->id));
  }
  TRY_ASSIGN(oci::Image image, committed_image(*record, std::move(base.config), options, diff));
  oci::Manifest manifest = committed_manifest(std::move(base.manifest), std::move(diff));
  TRY_ASSIGN(manifest.config,
             put_blob(store, oci::image_json(image), manifest.config.media_type, lease.id));
  TRY_ASSIGN(oci::Descriptor target, put_blob(store, oci::manifest_json(manifest),
                                              base.manifest_descriptor.media_type, lease.id));
  TRY(hold_tree(store, target));
  SettleOptions settling;
  settling.lease = lease.id;
  TRY_ASSIGN(std::string top, settle_image(stores_.images, target, settling));
  TRY(name_image(stores_.images, options_.name_space,
                 name ? name->text() : dangling_name(target.digest), target, std::move(top)));
  publish(*record, "commit",
          {{"comment", options.comment},
           {"imageID", target.digest.text()},
           {"imageRef", name ? name->text() : ""}});
  return target.digest.text();
}

}  // namespace dhow::engine
