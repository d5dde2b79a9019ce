// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"
#include "engine/containers_impl.h"
#include "engine/tree_archive.h"
#include "sys/file_io.h"
#include "sys/project_quota.h"
#include "unpack/file_facts.h"
#include "unpack/layer_writer.h"
#include "unpack/tar_writer.h"

// Copying files in and out. Every path is resolved below the container's root by openat2(2), so
// that links, and what its processes do meanwhile, lead nowhere else.
namespace dhow::engine {
namespace {

// Go's os.FileMode.
std::uint32_t go_mode(mode_t mode) {
  std::uint32_t out = mode & 0777;
  auto bit = [&](bool set, int number) { out |= set ? std::uint32_t{1} << number : 0; };
  bit(S_ISDIR(mode), 31);
  bit(S_ISLNK(mode), 27);
  bit(S_ISCHR(mode) || S_ISBLK(mode), 26);
  bit(S_ISFIFO(mode), 25);
  bit(S_ISSOCK(mode), 24);
  bit((mode & S_ISUID) != 0, 23);
  bit((mode & S_ISGID) != 0, 22);
  bit(S_ISCHR(mode), 21);
  bit((mode & S_ISVTX) != 0, 20);
  return out;
}

std::int64_t nanoseconds_of(const struct timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// The file at a path, its last part not followed unless the path ends in '/' or "/.".
struct Place {
  Fd parent;
  std::string name;  // "." for the root and for folders that the path ends in
  std::string base;  // the last part as it was written
};

Result<Place> find_place(const DirFd& root, std::string_view path) {
  Place place;
  bool folder = path.ends_with('/') || path.ends_with("/.");
  std::string_view plain = path;
  while (plain.ends_with('/')) plain.remove_suffix(1);
  place.base = plain.substr(plain.rfind('/') + 1);
  std::string clean = clean_path(path);
  if (folder || clean == "/") {
    if (place.base.empty()) place.base = "/";
    TRY_ASSIGN(place.parent, root.open_in_root(clean, O_RDONLY | O_DIRECTORY));
    place.name = ".";
    return place;
  }
  std::size_t slash = clean.rfind('/');
  TRY_ASSIGN(place.parent,
             root.open_in_root(slash == 0 ? "/" : clean.substr(0, slash), O_RDONLY | O_DIRECTORY));
  place.name = clean.substr(slash + 1);
  return place;
}

std::unexpected<Error> missing(std::string_view ref, std::string_view path, const Error& error) {
  if (error.code() != Code::kNotFound && error.sys_errno() != ENOTDIR) {
    return std::unexpected(error);
  }
  return fail(Code::kNotFound, cat("Could not find the file ", path, " in container ", ref));
}

Result<PathStat> stat_of(const DirFd& root, const Place& place, const std::string& path) {
  TRY_ASSIGN(std::optional<unpack::FileFacts> facts,
             unpack::file_facts(place.parent, place.name, path));
  if (!facts) return fail(Code::kNotFound, path);
  PathStat stat;
  stat.name = place.base;
  stat.size = facts->info.st_size;
  stat.mode = go_mode(facts->info.st_mode);
  stat.modified = nanoseconds_of(facts->info.st_mtim);
  if (S_ISLNK(facts->info.st_mode)) {
    // Where it leads to, as seen from the container's root.
    std::string clean = clean_path(path);
    stat.link_target = facts->target.starts_with('/')
                           ? clean_path(facts->target)
                           : clean_path(cat(clean.substr(0, clean.rfind('/')), "/", facts->target));
    static_cast<void>(root);
  }
  return stat;
}

// By the path as it is written, as docker does: a link into a volume doesn't count.
Status check_writable(const ContainerRecord& record, const std::string& path) {
  const WantedMount* in = nullptr;
  for (const WantedMount& mount : record.mounts()) {
    bool inside = path == mount.destination || path.starts_with(mount.destination + "/");
    bool deeper = in == nullptr || mount.destination.size() > in->destination.size();
    if (mount.type != "tmpfs" && inside && deeper) in = &mount;
  }
  if (in != nullptr && in->read_only) {
    return fail(Code::kPermissionDenied, "mounted volume is marked read-only");
  }
  if (in == nullptr && record.config.host.readonly_rootfs) {
    return fail(Code::kPermissionDenied, "container rootfs is marked read-only");
  }
  return {};
}

}  // namespace

Result<PathStat> ContainersImpl::stat_path(std::string_view ref, std::string_view path) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  MountFd mount;
  TRY_ASSIGN(DirFd root, open_root(*container->record(), mount));
  auto place = find_place(root, path);
  if (!place) return missing(ref, path, place.error());
  auto stat = stat_of(root, *place, std::string(path));
  if (!stat) return missing(ref, path, stat.error());
  return stat;
}

Status ContainersImpl::get_archive(std::string_view ref, std::string_view path,
                                   unpack::ByteSink& sink,
                                   const std::function<void(const PathStat&)>& known) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  MountFd mount;
  TRY_ASSIGN(DirFd root, open_root(*container->record(), mount));
  auto place = find_place(root, path);
  if (!place) return missing(ref, path, place.error());
  auto stat = stat_of(root, *place, std::string(path));
  if (!stat) return missing(ref, path, stat.error());
  if (known) known(*stat);
  unpack::TarWriter writer(sink);
  TRY(TreeArchive(writer).add(place->parent, place->name, place->base, 0));
  TRY(writer.finish());
  publish(*container->record(), "archive-path");
  return {};
}

Status ContainersImpl::put_archive(std::string_view ref, std::string_view path,
                                   unpack::ByteSource& archive, const ArchivePutOptions& options) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  // The root of one that doesn't run is mounted here alone: it must not start meanwhile.
  std::unique_lock operation(container->operation, std::defer_lock);
  if (!container->record()->progress.state.has_process()) operation.lock();
  RecordPtr record = container->record();
  TRY(check_writable(*record, clean_path(path)));
  unpack::WriteRules rules;
  rules.keep_kinds = options.no_overwrite_dir_non_dir;
  if (options.copy_uid_gid && !record->config.config.user.empty()) {
    TRY_ASSIGN(ContainerUser user, user_of(*record, record->config.config.user));
    rules.owner = {user.user.uid, user.user.gid};
  }
  MountFd mount;
  TRY_ASSIGN(DirFd root, open_root(*record, mount));
  auto folder = root.open_in_root(clean_path(path), O_RDONLY | O_DIRECTORY);
  if (!folder) {
    if (folder.error().sys_errno() == ENOTDIR) {
      return fail(Code::kInvalidArgument, "extraction point is not a directory");
    }
    return missing(ref, path, folder.error());
  }
  WithinQuotas limited;
  TRY(unpack_tree(DirFd(std::move(*folder)), archive, rules));
  publish(*record, "extract-to-dir");
  return {};
}

Status ContainersImpl::export_root(std::string_view ref, unpack::ByteSink& sink) {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  RecordPtr record = container->record();
  TRY_ASSIGN(snapshot::MountPlan plan, plan_of(*record));
  TRY_ASSIGN(MountFd mount, snapshot::mount(snapshot::for_reading(std::move(plan))));
  TRY_ASSIGN(Fd fd, open_at(mount.fd(), ".", O_RDONLY | O_DIRECTORY));
  unpack::TarWriter writer(sink);
  TRY(TreeArchive(writer).add_all(fd));
  TRY(writer.finish());
  publish(*record, "export");
  return {};
}

}  // namespace dhow::engine
