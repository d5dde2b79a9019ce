// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include "base/strings.h"
#include "engine/containers_impl.h"
#include "engine/tree_archive.h"
#include "engine/volume_mounts.h"
#include "snapshot/tree.h"
#include "sys/file_io.h"
#include "sys/project_quota.h"
#include "volume/local_options.h"

// All of a volume at once: out, in, and from one to another.
namespace dhow::engine {

namespace {

// What is in a volume; `mount` holds it where it is mounted nowhere else.
Result<Fd> open_content(const VolumeSource& source, MountFd& mount) {
  if (source.type.empty()) return open_at(kCwd, source.path, O_RDONLY | O_DIRECTORY);
  TRY_ASSIGN(mount, mount_file_system(source));
  return open_at(mount.fd(), ".", O_RDONLY | O_DIRECTORY);
}

}  // namespace

Status ContainersImpl::export_volume(std::string_view name, unpack::ByteSink& sink) const {
  WantedMount mount;
  mount.type = "volume";
  mount.source = name;
  TRY_ASSIGN(VolumeSource source, volume_source(mount, false));
  MountFd held;
  TRY_ASSIGN(Fd folder, open_content(source, held));
  unpack::TarWriter writer(sink);
  // With the folder itself: whose it is matters as much as what is in it.
  TRY(TreeArchive(writer).add(folder, ".", ".", 0));
  return writer.finish();
}

Status ContainersImpl::check_idle(const std::string& name) const {
  for (const ContainerPtr& container : all()) {
    RecordPtr record = container->record();
    if (!record->progress.has_task) continue;
    for (const WantedMount& mount : record->mounts()) {
      if (mount.type != "volume" || mount.source != name) continue;
      return fail(Code::kFailedPrecondition,
                  cat("volume ", name, " is in use by the running container ", record->id));
    }
  }
  return {};
}

Status ContainersImpl::replace_content(
    const std::string& name, const std::function<Status(const volume::Store::Draft&)>& fill) {
  volume::Record wanted;
  wanted.name = name;
  TRY(volume::check_name(name));
  TRY_ASSIGN(VolumeInfo volume, stores_.volumes.create(std::move(wanted)));
  if (!Volumes::is_local(volume.record.driver)) {
    return fail(Code::kUnimplemented,
                cat("volume ", name, ": its content is the driver's (", volume.record.driver, ")"));
  }
  TRY_ASSIGN(volume::LocalOptions options, volume::LocalOptions::parse(volume.record.options));
  if (!options.is_plain()) {
    return fail(Code::kUnimplemented,
                cat("volume ", name, ": its content is elsewhere (", options.device, ")"));
  }
  TRY(check_idle(name));
  volume::Store& store = stores_.volumes.store();
  TRY_ASSIGN(volume::Store::Draft draft, store.make_draft(name));
  Status done = [&] {
    WithinQuotas limited;
    return fill(draft);
  }();
  if (done) {
    std::lock_guard lock(store.filling(name));
    // Once more: a container that starts from now on waits for the lock.
    done = check_idle(name);
    if (done) done = store.publish_draft(name, draft, true);
  }
  if (!done) store.drop_draft(name, draft);
  stores_.volumes.reclaim_later();
  return done;
}

Status ContainersImpl::import_volume(const std::string& name, unpack::ByteSource& archive) {
  return replace_content(name, [&](const volume::Store::Draft& draft) -> Status {
    TRY_ASSIGN(Fd tree, draft.tree.duplicate());
    return unpack_tree(DirFd(std::move(tree)), archive);
  });
}

Status ContainersImpl::copy_volume(const std::string& from, const std::string& to) {
  if (from == to) {
    return fail(Code::kInvalidArgument, cat("volume ", from, " can't be copied to itself"));
  }
  WantedMount mount;
  mount.type = "volume";
  mount.source = from;
  TRY_ASSIGN(VolumeSource source, volume_source(mount, false));
  MountFd held;
  TRY_ASSIGN(Fd folder, open_content(source, held));
  return replace_content(to, [&](const volume::Store::Draft& draft) {
    return snapshot::copy_tree(folder, draft.tree, draft.scratch);
  });
}

}  // namespace dhow::engine
