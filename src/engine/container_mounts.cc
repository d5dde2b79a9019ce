// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/containers_impl.h"
#include "engine/volume_mounts.h"
#include "snapshot/mount_thread.h"
#include "sys/file_io.h"

// What is mounted into containers: the shared memory that they share, and all of it together for
// those who copy files of one that doesn't run.
namespace dhow::engine {
namespace {

constexpr unsigned kMountPointMode = 0755;

// A part of a file system that is nowhere attached yet. `place` is a folder of this mount
// namespace, which is nobody else's.
Result<MountFd> part_of(const MountFd& whole, const std::string& subpath,
                        const std::string& place) {
  TRY_ASSIGN(Fd point, open_at(kCwd, place, O_PATH | O_DIRECTORY));
  TRY(whole.attach(point));
  Cleanup detach([&] { ::umount2(place.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW); });
  TRY_ASSIGN(Fd fd, whole.fd().duplicate());
  return clone_part(DirFd(std::move(fd)), subpath, true);
}

// What is to be mounted: of an image the plan counts, which takes any number of layers.
struct Source {
  VolumeSource volume;
  std::optional<snapshot::MountPlan> image;
};

Result<MountFd> open_source(const WantedMount& mount, const Source& source,
                            const std::string& place) {
  const VolumeSource& volume = source.volume;
  if (source.image || !volume.type.empty()) {
    TRY_ASSIGN(MountFd whole,
               source.image ? snapshot::mount(*source.image) : mount_file_system(volume));
    if (mount.subpath.empty()) return whole;
    return part_of(whole, mount.subpath, place);
  }
  const std::string& path = volume.path.empty() ? mount.source : volume.path;
  if (mount.subpath.empty()) return MountFd::clone_of(kCwd, path, mount.recursive);
  TRY_ASSIGN(DirFd root, DirFd::open(path));
  return clone_part(root, mount.subpath, mount.recursive);
}

Result<MountFd> clone_mount(const WantedMount& mount, const Source& source,
                            const std::string& place) {
  TRY_ASSIGN(MountFd tree, open_source(mount, source, place));
  if (mount.read_only) {
    TRY(tree.set_attributes(MOUNT_ATTR_RDONLY, 0, 0, mount.recursive && !mount.read_only_top_only));
  }
  return tree;
}

// Puts a mount into the tree below `root`, which is attached already. Its target is made where it
// is missing, as the runtime would, and never outside the root.
Status attach_below(const DirFd& root, const std::string& destination, const MountFd& tree) {
  struct stat info{};
  if (::fstat(tree.fd().get(), &info) != 0) return fail_errno(errno, "look at the source");
  Fd target;
  if (S_ISDIR(info.st_mode)) {
    TRY_ASSIGN(DirFd folder, root.make_dirs_in_root(destination, kMountPointMode));
    TRY_ASSIGN(target, folder.fd().duplicate());
  } else {
    TRY_ASSIGN(target, root.make_file_in_root(destination, 0644, kMountPointMode));
  }
  return tree.attach(target);
}

}  // namespace

Result<MountFd> ContainersImpl::mount_all(const ContainerRecord& record) const {
  TRY_ASSIGN(snapshot::MountPlan plan, plan_of(record));
  std::vector<WantedMount> mounts = record.mounts();
  // Of a tmpfs nothing is there while its container doesn't run.
  std::erase_if(mounts, [](const WantedMount& mount) { return mount.type == "tmpfs"; });
  if (mounts.empty()) return snapshot::mount(plan);
  // A mount comes after those that it is in.
  std::ranges::stable_sort(mounts, {}, [](const WantedMount& mount) {
    return std::ranges::count(mount.destination, '/');
  });
  std::vector<Source> sources;
  for (const WantedMount& mount : mounts) {
    if (mount.type == "bind" && mount.make_source) TRY(make_source(mount.source));
    Source& source = sources.emplace_back();
    if (mount.type == "image") {
      TRY_ASSIGN(source.image, stores_.images.snapshots.mounts(image_view(record, mount)));
    } else {
      TRY_ASSIGN(source.volume, mount_source(record, mount, false));
    }
  }
  std::string place = folder(record.id);
  return snapshot::in_private_namespace([&]() -> Result<MountFd> {
    // First of all: the root is attached where the volumes are.
    std::vector<MountFd> trees;
    for (std::size_t i = 0; i < mounts.size(); ++i) {
      auto tree = clone_mount(mounts[i], sources[i], place);
      if (!tree) {
        return std::unexpected(
            std::move(tree).error().add_context(cat("mount ", mounts[i].destination)));
      }
      trees.push_back(std::move(*tree));
    }
    TRY_ASSIGN(MountFd mounted, snapshot::mount(plan));
    TRY_ASSIGN(Fd point, open_at(kCwd, place, O_PATH | O_DIRECTORY));
    TRY(mounted.attach(point));
    TRY_ASSIGN(Fd fd, mounted.fd().duplicate());
    DirFd root(std::move(fd));
    for (std::size_t i = 0; i < mounts.size(); ++i) {
      TRY_CONTEXT(attach_below(root, mounts[i].destination, trees[i]),
                  cat("mount ", mounts[i].destination));
    }
    // It goes with this namespace; its copy with whoever has the descriptor.
    return MountFd::clone_of(mounted.fd(), "", true, AT_EMPTY_PATH);
  });
}

// A file system that others can mount as well: it must be in the machine's own mount namespace.
Status ContainersImpl::make_shm(const ContainerRecord& record) const {
  if (record.config.host.ipc_mode != "shareable") return {};
  drop_shm(record.id);
  std::string place = shm_folder(record.id);
  TRY(make_dirs(place, 0700));
  std::int64_t size = record.config.host.shm_size;
  TRY_ASSIGN(FsContext context, FsContext::open("tmpfs"));
  TRY(context.set_string("source", "shm"));
  TRY(context.set_string("mode", "1777"));
  TRY(context.set_string("size", cat(size != 0 ? size : options_.shm_size)));
  TRY(context.create());
  TRY_ASSIGN(MountFd made, context.mount(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  TRY_ASSIGN(Fd target, open_at(kCwd, place, O_PATH | O_DIRECTORY));
  return made.attach(target);
}

void ContainersImpl::drop_shm(const std::string& id) const {
  std::string place = shm_folder(id);
  // Those who have joined keep theirs.
  while (::umount2(place.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  ::rmdir(place.c_str());
}

void ContainersImpl::drop_run_files(const std::string& id) const {
  drop_shm(id);
  auto parent = open_at(kCwd, options_.state + "/containers", O_RDONLY | O_DIRECTORY);
  if (!parent) return;
  auto gone = remove_tree(*parent, id);
  if (!gone) log::warning(cat("container ", id, ": ", gone.error().message()));
}

void ContainersImpl::drop_stray_run_files() const {
  for (std::string_view place : {"/shm", "/containers"}) {
    auto parent = open_at(kCwd, cat(options_.state, place), O_RDONLY | O_DIRECTORY);
    auto names = parent ? list_dir(*parent) : std::vector<std::string>();
    if (!names) continue;
    for (const std::string& name : *names) {
      auto found = find(name);
      bool runs = found && (*found)->record()->progress.state.has_process();
      if (!runs && !unreadable_.contains(name)) drop_run_files(name);
    }
  }
}

Result<std::string> ContainersImpl::shm_of(const ContainerRecord& record) const {
  const std::string& mode = record.config.host.ipc_mode;
  if (mode == "shareable") return shm_folder(record.id);
  std::string other = joined_container(mode);
  if (other.empty()) return std::string();
  TRY_ASSIGN(ContainerPtr joined, find(other));
  RecordPtr donor = joined->record();
  std::string failed = cat("can't join IPC of container ", other, ": ");
  if (!donor->progress.state.has_process()) {
    return fail(Code::kFailedPrecondition, cat(failed, "container ", donor->id, " is not running"));
  }
  const std::string& shared = donor->config.host.ipc_mode;
  if (shared == "host") return std::string("/dev/shm");
  if (shared == "shareable") return shm_folder(donor->id);
  if (!joined_container(shared).empty() && donor->id != record.id) return shm_of(*donor);
  return fail(
      Code::kFailedPrecondition,
      cat(failed, "non-shareable IPC (hint: use IpcMode:shareable for the donor container)"));
}

}  // namespace dhow::engine
