// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/strings.h"
#include "engine/containers_impl.h"
#include "sys/file_io.h"
#include "unpack/file_facts.h"
#include "unpack/inflate.h"
#include "unpack/layer_reader.h"
#include "unpack/layer_writer.h"
#include "unpack/tar_reader.h"
#include "unpack/tar_writer.h"

// Copying files in and out. Every path is resolved below the container's root by openat2(2), so
// that links, and what its processes do meanwhile, lead nowhere else.
namespace dhow::engine {
namespace {

constexpr int kArchiveDepth = 512;
constexpr std::size_t kPiece = std::size_t{256} << 10;

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

// Writes a file, or a folder with what is in it, under a name of the caller's.
class TreeArchive {
 public:
  explicit TreeArchive(unpack::TarWriter& archive) : archive_(archive) {}

  Status add(FdRef folder, const std::string& name, const std::string& as, int depth) {
    if (depth > kArchiveDepth) {
      return fail(Code::kResourceExhausted, cat(quoted(as), ": folders nested too deeply"));
    }
    TRY_ASSIGN(std::optional<unpack::FileFacts> facts, unpack::file_facts(folder, name, as));
    // It has gone meanwhile, or no archive can have it.
    if (!facts || S_ISSOCK(facts->info.st_mode)) return {};
    unpack::Entry entry = describe(*facts, as);
    if (entry.type == unpack::EntryType::kFile) return add_file(folder, name, entry);
    TRY(archive_.begin(entry));
    if (entry.type != unpack::EntryType::kFolder) return {};
    auto opened = open_at(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!opened) return {};
    TRY_ASSIGN(std::vector<std::string> names, list_dir(*opened));
    std::ranges::sort(names);
    for (const std::string& below : names) {
      TRY(add(*opened, below, cat(as, as.ends_with('/') ? "" : "/", below), depth + 1));
    }
    return {};
  }

 private:
  unpack::Entry describe(const unpack::FileFacts& facts, const std::string& as) {
    const struct stat& info = facts.info;
    unpack::Entry entry;
    entry.path = as;
    entry.mode = info.st_mode & 07777U;
    entry.uid = info.st_uid;
    entry.gid = info.st_gid;
    entry.mtime = info.st_mtim;
    entry.target = facts.target;
    entry.xattrs = facts.xattrs;
    using unpack::EntryType;
    if (S_ISDIR(info.st_mode)) {
      entry.type = EntryType::kFolder;
      if (!as.ends_with('/')) entry.path += '/';
      return entry;
    }
    entry.type = S_ISLNK(info.st_mode)    ? EntryType::kSymlink
                 : S_ISCHR(info.st_mode)  ? EntryType::kCharDevice
                 : S_ISBLK(info.st_mode)  ? EntryType::kBlockDevice
                 : S_ISFIFO(info.st_mode) ? EntryType::kFifo
                                          : EntryType::kFile;
    if (info.st_nlink > 1) {
      auto [first, fresh] = linked_.try_emplace({info.st_dev, info.st_ino}, as);
      if (!fresh) {
        entry.type = EntryType::kHardlink;
        entry.target = first->second;
        return entry;
      }
    }
    if (entry.type == EntryType::kFile) entry.size = info.st_size;
    entry.major = major(info.st_rdev);
    entry.minor = minor(info.st_rdev);
    return entry;
  }

  Status add_file(FdRef folder, const std::string& name, unpack::Entry entry) {
    // A fifo that took its place meanwhile must not be waited for.
    auto file = open_at(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!file) {
      return file.error().code() == Code::kNotFound ? Status()
                                                    : Status(std::unexpected(file.error()));
    }
    TRY(archive_.begin(entry));
    std::string buffer(kPiece, '\0');
    std::int64_t left = entry.size;
    // A file that grows is cut, one that shrinks filled up: the archive says how much comes.
    while (left > 0) {
      auto most = static_cast<std::size_t>(std::min<std::int64_t>(left, std::ssize(buffer)));
      TRY_ASSIGN(std::size_t got, read_some(*file, std::span(buffer.data(), most)));
      if (got == 0) {
        std::ranges::fill(buffer, '\0');
        got = most;
      }
      TRY(archive_.write(std::string_view(buffer).substr(0, got)));
      left -= static_cast<std::int64_t>(got);
    }
    return {};
  }

  unpack::TarWriter& archive_;
  std::map<std::pair<dev_t, ino_t>, std::string> linked_;
};

// Bytes of which the first pieces have been looked at.
class Replayed final : public unpack::ByteSource {
 public:
  explicit Replayed(unpack::ByteSource& rest) : rest_(rest) {}
  // At least four bytes, when there are so many.
  Result<std::string_view> front() {
    while (front_.size() < 4) {
      TRY_ASSIGN(std::string_view piece, rest_.next());
      if (piece.empty()) break;
      front_ += piece;
    }
    return std::string_view(front_);
  }
  Result<std::string_view> next() override {
    if (!std::exchange(given_, true) && !front_.empty()) return std::string_view(front_);
    return rest_.next();
  }

 private:
  unpack::ByteSource& rest_;
  std::string front_;
  bool given_ = false;
};

// The whole of a tar stream is read, so that whoever sends it is not cut off.
Status unpack_into(DirFd folder, unpack::ByteSource& packed, const unpack::WriteRules& rules) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  Replayed source(packed);
  TRY_ASSIGN(std::string_view front, source.front());
  oci::Compression compression = unpack::sniff_compression(front);
  std::unique_ptr<unpack::ByteSource> inflated;
  unpack::ByteSource* plain = &source;
  if (compression != oci::Compression::kNone) {
    inflated = unpack::inflate(source, compression, kMost);
    plain = inflated.get();
  }
  unpack::TarReader archive(*plain);
  TRY(unpack::LayerWriter(std::move(folder), unpack::Whiteouts::kNone, {}, rules).write(archive));
  return {};
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
  TRY(unpack_into(DirFd(std::move(*folder)), archive, rules));
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
  TreeArchive tree(writer);
  TRY_ASSIGN(std::vector<std::string> names, list_dir(fd));
  std::ranges::sort(names);
  for (const std::string& name : names) TRY(tree.add(fd, name, name, 0));
  TRY(writer.finish());
  publish(*record, "export");
  return {};
}

}  // namespace dhow::engine
