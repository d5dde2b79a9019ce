// SPDX-License-Identifier: Apache-2.0
#include "unpack/layer_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <limits>

#include "base/strings.h"
#include "sys/file_io.h"
#include "unpack/member_path.h"
#include "unpack/overlay_names.h"

namespace dhow::unpack {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kMetaWhiteout = ".wh..wh.";  // of AUFS, but for:
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::string_view kNeedsBelow = "needs what is below";
// What a folder gets that no member describes.
constexpr mode_t kImplicitMode = 0755;
// Files of so many bytes are on their way to the disk while the next are unpacked; of smaller ones
// the kernel makes larger writes when they are synced together.
constexpr std::int64_t kWriteback = std::int64_t{256} << 10;

// The fault of a member: its name in front.
std::unexpected<Error> bad(const Entry& entry, std::string_view why) {
  return fail(Code::kInvalidArgument, cat(quoted(entry.path), ": ", why));
}

std::unexpected<Error> bad_errno(const Entry& entry, std::string_view what) {
  return fail_errno(errno, cat(quoted(entry.path), ": ", what));
}

std::unexpected<Error> needs_below(const Entry& entry) {
  return fail(Code::kFailedPrecondition, cat(quoted(entry.path), ": ", kNeedsBelow));
}

std::unexpected<Error> bad_strictly(const Entry& entry, std::string_view why) {
  return bad(entry, cat(why, ", which strict rules refuse"));
}

std::size_t path_hash(std::string_view path) { return std::hash<std::string_view>()(path); }

struct timespec kept_mtime(const Entry& entry) {
  struct timespec time = entry.mtime;
  if (time.tv_nsec < 0 || time.tv_nsec >= 1'000'000'000) time.tv_nsec = 0;
  return time;
}

Status set_times(FdRef parent, const std::string& name, const struct timespec& mtime) {
  const struct timespec times[2] = {mtime, mtime};
  if (::utimensat(parent.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0) return {};
  return fail_errno(errno, "set the time");
}

}  // namespace

LayerWriter::LayerWriter(DirFd root, Whiteouts whiteouts, WriteLimits limits, WriteRules rules)
    : root_(std::move(root)), whiteouts_(whiteouts), limits_(limits), rules_(rules) {}

Result<Written> LayerWriter::write(TarReader& archive) {
  std::string last;
  while (true) {
    auto entry = archive.next();
    if (!entry && !last.empty()) {
      // It has no name yet: the one before tells where to look.
      return std::unexpected(std::move(entry).error().add_context(cat("after ", quoted(last))));
    }
    if (!entry) return std::unexpected(std::move(entry).error());
    if (!*entry) break;
    if (++written_.entries > limits_.entries) {
      return fail(Code::kResourceExhausted,
                  cat(quoted((*entry)->path), ": more than ", limits_.entries, " members"));
    }
    TRY(write_entry(archive, **entry));
    last = std::move((*entry)->path);
  }
  TRY(finish_folders());
  return written_;
}

Status LayerWriter::write_entry(TarReader& archive, const Entry& entry) {
  auto path = member_path(entry.path);
  if (!path) return bad(entry, path.error().message());
  if (rules_.strict) TRY(check_strictly(*path, entry));
  if (path->empty()) {
    if (entry.type != EntryType::kFolder) return bad(entry, "the root of a layer is a folder");
    folder_times_[""] = kept_mtime(entry);
    TRY_ASSIGN(FdRef root, open_parent("", entry));
    return set_attributes(root, ".", root, entry);
  }
  SplitPath where = split_path(*path);
  TRY_ASSIGN(FdRef parent, open_parent(where.folder, entry));
  std::string_view name = where.name;
  if (whiteouts_ != Whiteouts::kNone && name.starts_with(kWhiteout)) {
    return whiteout(parent, where.folder, name, entry);
  }
  TRY(make_room(parent, where.name, *path, entry));
  switch (entry.type) {
    case EntryType::kFolder:
      return write_folder(parent, where.name, *path, entry);
    case EntryType::kFile:
      return write_file(parent, where.name, archive, entry);
    case EntryType::kHardlink:
      return write_hardlink(parent, where.name, entry);
    default:
      return write_other(parent, where.name, entry);
  }
}

// What is said of the member's names alone; links on the way are looked for when it is gone.
Status LayerWriter::check_strictly(const std::string& path, const Entry& entry) {
  if (entry.path.starts_with('/')) return bad_strictly(entry, "an absolute path");
  if (entry.type == EntryType::kHardlink && entry.target.starts_with('/')) {
    return bad_strictly(entry, "its target is an absolute path");
  }
  if (!seen_.insert(path_hash(path)).second) {
    return bad_strictly(entry, "another member has this name");
  }
  return {};
}

// `what` leads to the folder, for messages. Nobody else changes the tree, so it may be looked at
// link by link.
Status LayerWriter::check_links(const std::string& folder, std::string_view what,
                                const Entry& entry) const {
  for (std::size_t end = 0; end != std::string::npos && !folder.empty();) {
    end = folder.find('/', end + 1);
    std::string way = folder.substr(0, end);
    auto part = root_.open_in_root(way, O_PATH | O_NOFOLLOW);
    if (!part) return {};  // what is missing is for the caller to tell
    struct stat info{};
    if (::fstat(part->get(), &info) != 0) return bad_errno(entry, "look at its path");
    if (S_ISLNK(info.st_mode)) {
      return bad_strictly(entry, cat(what, " leads through the link ", quoted(way)));
    }
  }
  return {};
}

Result<FdRef> LayerWriter::open_parent(const std::string& path, const Entry& entry) {
  if (parent_ && parent_->path == path) return FdRef(parent_->fd);
  if (rules_.strict) TRY(check_links(path, "its path", entry));
  auto opened = root_.open_in_root(path.empty() ? "." : path, O_RDONLY | O_DIRECTORY);
  if (!opened) {
    int reason = opened.error().sys_errno();
    if (reason == ENOTDIR) return bad(entry, "what it is in is no folder");
    if (reason == ELOOP) return bad(entry, "too many links on its path");
    if (reason != ENOENT) return std::unexpected(std::move(opened).error());
    TRY_ASSIGN(Fd made, make_parent(path, entry));
    parent_ = {path, std::move(made)};
    return FdRef(parent_->fd);
  }
  parent_ = {path, std::move(*opened)};
  return FdRef(parent_->fd);
}

// A folder that no member described before what is in it. In one layer of several nobody can tell
// whose attributes it has: the layers below know.
Result<Fd> LayerWriter::make_parent(const std::string& path, const Entry& entry) {
  if (is_overlay()) return needs_below(entry);
  TRY_ASSIGN(DirFd made, root_.make_dirs_in_root(path, kImplicitMode));
  return open_at(made.fd(), ".", O_RDONLY | O_DIRECTORY);
}

Status LayerWriter::whiteout(FdRef parent, const std::string& folder, std::string_view name,
                             const Entry& entry) {
  if (name == kOpaque) return make_opaque(parent, folder, entry);
  if (name.starts_with(kMetaWhiteout)) return {};  // says nothing about files
  std::string hidden(name.substr(kWhiteout.size()));
  if (hidden.empty() || hidden == "." || hidden == "..") return bad(entry, "hides nothing");
  std::string path = folder.empty() ? hidden : cat(folder, "/", hidden);
  struct stat info{};
  bool is_there = ::fstatat(parent.get(), hidden.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
  // What this layer brings itself is not what it hides.
  if (is_there && is_own(path, info)) return {};
  if (!is_overlay()) return remove_tree(parent, hidden);
  if (::mknodat(parent.get(), hidden.c_str(), S_IFCHR, 0) != 0 && errno != EEXIST) {
    return bad_errno(entry, "hide a file");
  }
  return {};
}

Status LayerWriter::make_opaque(FdRef parent, const std::string& folder, const Entry& entry) {
  if (is_overlay()) {
    const char* name =
        whiteouts_ == Whiteouts::kOverlay ? "trusted.overlay.opaque" : "user.overlay.opaque";
    if (::fsetxattr(parent.get(), name, "y", 1, 0) != 0) return bad_errno(entry, "hide a folder");
    return {};
  }
  TRY_ASSIGN(std::vector<std::string> names, list_dir(parent));
  for (const std::string& name : names) {
    if (own_.contains(path_hash(folder.empty() ? name : cat(folder, "/", name)))) continue;
    TRY(remove_tree(parent, name));
  }
  return {};
}

bool LayerWriter::is_own(const std::string& path, const struct stat& info) const {
  if (is_overlay()) return !is_whiteout(info);
  // What comes later replaces what came before.
  if (whiteouts_ == Whiteouts::kNone) return false;
  return own_.contains(path_hash(path));
}

// Takes away what has the member's name, unless both are folders.
Status LayerWriter::make_room(FdRef parent, const std::string& name, const std::string& path,
                              const Entry& entry) {
  struct stat info{};
  bool is_there = ::fstatat(parent.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
  if (!is_there && errno != ENOENT) return bad_errno(entry, "look for its name");
  bool own = is_there && is_own(path, info);
  if (whiteouts_ == Whiteouts::kRemove) own_.insert(path_hash(path));
  if (!is_there) return {};
  bool was_folder = S_ISDIR(info.st_mode);
  bool is_folder = entry.type == EntryType::kFolder;
  if (was_folder && is_folder) return {};
  if (rules_.keep_kinds && was_folder) {
    return bad(entry, "cannot overwrite directory with non-directory");
  }
  if (rules_.keep_kinds && is_folder) {
    return bad(entry, "cannot overwrite non-directory with directory");
  }
  if (own && was_folder != is_folder) {
    return bad(entry, "another member of this name is of another kind");
  }
  // What it hid below would show again in the folder.
  if (!own && is_overlay() && is_folder) return needs_below(entry);
  return remove_tree(parent, name);
}

Status LayerWriter::write_folder(FdRef parent, const std::string& name, const std::string& path,
                                 const Entry& entry) {
  if (::mkdirat(parent.get(), name.c_str(), 0700) != 0 && errno != EEXIST) {
    return bad_errno(entry, "make the folder");
  }
  auto folder = open_at(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!folder) return std::unexpected(std::move(folder).error().add_context(quoted(entry.path)));
  folder_times_[path] = kept_mtime(entry);
  TRY(set_attributes(parent, name, *folder, entry));
  // Its members come next, as a rule.
  parent_ = {path, std::move(*folder)};
  return {};
}

Status LayerWriter::write_file(FdRef parent, const std::string& name, TarReader& archive,
                               const Entry& entry) {
  auto file = open_at(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!file) return std::unexpected(std::move(file).error().add_context(quoted(entry.path)));
  std::int64_t end = 0;
  auto status = archive.read([&](std::int64_t offset, std::string_view piece) -> Status {
    written_.bytes += static_cast<std::int64_t>(piece.size());
    if (written_.bytes > limits_.bytes) {
      return fail(Code::kResourceExhausted, cat("more than ", limits_.bytes, " bytes of files"));
    }
    TRY(write_at(*file, offset, piece));
    end = offset + static_cast<std::int64_t>(piece.size());
    return {};
  });
  if (!status) return std::unexpected(std::move(status).error().add_context(quoted(entry.path)));
  if (end < entry.size && ::ftruncate(file->get(), entry.size) != 0) {
    return bad_errno(entry, "make a hole");
  }
  if (end >= kWriteback) begin_writeback(*file, 0, 0);
  TRY(set_attributes(parent, name, *file, entry));
  const struct timespec times[2] = {kept_mtime(entry), kept_mtime(entry)};
  if (::futimens(file->get(), times) != 0) return bad_errno(entry, "set the time");
  return {};
}

Status LayerWriter::write_hardlink(FdRef parent, const std::string& name, const Entry& entry) {
  auto target = member_path(entry.target);
  if (!target) return bad(entry, cat("its target is ", target.error().message()));
  SplitPath where = split_path(*target);
  if (rules_.strict) TRY(check_links(where.folder, "its target", entry));
  auto folder = root_.open_in_root(where.folder.empty() ? "." : where.folder, O_PATH | O_DIRECTORY);
  struct stat info{};
  if (!folder || ::fstatat(folder->get(), where.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (is_overlay()) return needs_below(entry);
    return bad(entry, cat("its target ", quoted(entry.target), " is not there"));
  }
  if (S_ISDIR(info.st_mode)) return bad(entry, "its target is a folder");
  if (::linkat(folder->get(), where.name.c_str(), parent.get(), name.c_str(), 0) != 0) {
    return bad_errno(entry, "link");
  }
  return {};
}

Status LayerWriter::write_other(FdRef parent, const std::string& name, const Entry& entry) {
  if (entry.type == EntryType::kSymlink) {
    if (entry.target.empty()) return bad(entry, "a link to nothing");
    if (::symlinkat(entry.target.c_str(), parent.get(), name.c_str()) != 0) {
      return bad_errno(entry, "make the link");
    }
  } else {
    mode_t kind = entry.type == EntryType::kFifo         ? S_IFIFO
                  : entry.type == EntryType::kCharDevice ? S_IFCHR
                                                         : S_IFBLK;
    dev_t device = entry.type == EntryType::kFifo ? 0 : makedev(entry.major, entry.minor);
    if (is_overlay() && kind == S_IFCHR && device == 0) return bad(entry, "a whiteout in disguise");
    if (::mknodat(parent.get(), name.c_str(), kind | 0600, device) != 0) {
      return bad_errno(entry, "make the device");
    }
  }
  TRY(set_attributes(parent, name, FdRef(-1), entry));
  if (auto status = set_times(parent, name, kept_mtime(entry)); !status) {
    return std::unexpected(std::move(status).error().add_context(quoted(entry.path)));
  }
  return {};
}

Status LayerWriter::set_attributes(FdRef parent, const std::string& name, FdRef file,
                                   const Entry& entry) {
  constexpr std::int64_t kMaxId = std::numeric_limits<std::uint32_t>::max() - 1;
  if (entry.uid < 0 || entry.uid > kMaxId || entry.gid < 0 || entry.gid > kMaxId) {
    return bad(entry, "its owner is out of range");
  }
  auto uid = rules_.owner ? rules_.owner->uid : static_cast<uid_t>(entry.uid);
  auto gid = rules_.owner ? rules_.owner->gid : static_cast<gid_t>(entry.gid);
  // The owner first: changing it takes the set-user-id bit and the capabilities away.
  if (::fchownat(parent.get(), name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return bad_errno(entry, "change the owner");
  }
  if (entry.type != EntryType::kSymlink) {
    int result = file.get() >= 0 ? ::fchmod(file.get(), entry.mode)
                                 : ::fchmodat(parent.get(), name.c_str(), entry.mode, 0);
    if (result != 0) return bad_errno(entry, "change the mode");
  }
  return entry.xattrs.empty() ? Status() : set_xattrs(parent, name, file, entry);
}

Status LayerWriter::set_xattrs(FdRef parent, const std::string& name, FdRef file,
                               const Entry& entry) {
  for (const auto& [attribute, value] : entry.xattrs) {
    if (is_overlay_xattr(attribute)) continue;
    int result = file.get() >= 0
                     ? ::fsetxattr(file.get(), attribute.c_str(), value.data(), value.size(), 0)
                     : ::lsetxattr(proc_fd_path(parent, name).c_str(), attribute.c_str(),
                                   value.data(), value.size(), 0);
    // A file system or a user without that kind of attribute does without, but for capabilities: a
    // program that lacks them does not work.
    bool may_lack = errno == ENOTSUP || errno == EPERM;
    if (result != 0 && !(may_lack && attribute != "security.capability")) {
      return bad_errno(entry, cat("set the attribute ", quoted(attribute)));
    }
  }
  return {};
}

Status LayerWriter::finish_folders() {
  parent_.reset();
  for (const auto& [path, time] : folder_times_) {
    auto folder =
        root_.open_in_root(path.empty() ? "." : path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    // Another member took its place, under the same name by another path.
    if (!folder) continue;
    const struct timespec times[2] = {time, time};
    if (::futimens(folder->get(), times) != 0) {
      return fail_errno(errno, cat("set the time of ", quoted(path)));
    }
  }
  return {};
}

}  // namespace dhow::unpack
