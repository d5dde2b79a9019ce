// SPDX-License-Identifier: Apache-2.0
#include "cli/copy_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"
#include "sys/dir_fd.h"
#include "sys/file_io.h"
#include "unpack/tar_reader.h"
#include "unpack/tar_writer.h"

namespace dhow::cli {
namespace {

using unpack::Entry;
using unpack::EntryType;

class AnswerSource : public unpack::ByteSource {
 public:
  explicit AnswerSource(client::Exchange& exchange) : exchange_(exchange), buffer_(65536) {}
  Result<std::string_view> next() override {
    TRY_ASSIGN(std::size_t count, exchange_.read(buffer_));
    return std::string_view(buffer_.data(), count);
  }

 private:
  client::Exchange& exchange_;
  std::vector<char> buffer_;
};

class BodySink : public unpack::ByteSink {
 public:
  explicit BodySink(client::Exchange& exchange) : exchange_(exchange) {}
  Status write(std::string_view piece) override { return exchange_.write_body(piece); }

 private:
  client::Exchange& exchange_;
};

class Extraction {
 public:
  Extraction(DirFd root, std::string name, bool owners)
      : root_(std::move(root)), name_(std::move(name)), owners_(owners) {}

  Result<std::int64_t> run(unpack::ByteSource& source) {
    unpack::TarReader reader(source);
    while (true) {
      TRY_ASSIGN(auto entry, reader.next());
      if (!entry) break;
      TRY_CONTEXT(place(reader, *entry), cat("copy ", quoted(entry->path)));
    }
    // Last, as what comes into a folder changes its time, and it may be read-only.
    for (auto it = folders_.rbegin(); it != folders_.rend(); ++it) {
      TRY_ASSIGN(Fd folder, root_.open_in_root(it->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      TRY(set_facts(folder, *it));
    }
    return bytes_;
  }

 private:
  std::string renamed(std::string_view path) const {
    while (path.ends_with('/')) path.remove_suffix(1);
    while (path.starts_with('/')) path.remove_prefix(1);
    // What was asked for as "folder/." is "." there, so that nothing of the rest is its name.
    if (path == ".") return name_;
    if (path.starts_with("./")) return cat(name_, name_.empty() ? "" : "/", path.substr(2));
    std::size_t slash = path.find('/');
    std::string rest(slash == std::string_view::npos ? "" : path.substr(slash + 1));
    if (name_.empty() || rest.empty()) return name_ + rest;
    return cat(name_, "/", rest);
  }

  Status set_facts(FdRef file, const Entry& entry) const {
    if (owners_ &&
        ::fchown(file.get(), static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid)) != 0) {
      return fail_errno(errno, "set the owner");
    }
    if (::fchmod(file.get(), entry.mode & 07777) != 0) return fail_errno(errno, "set the mode");
    timespec times[2] = {entry.mtime, entry.mtime};
    if (::futimens(file.get(), times) != 0) return fail_errno(errno, "set the time");
    return {};
  }

  Status place(unpack::TarReader& reader, Entry entry) {
    std::string path = renamed(entry.path);
    if (path.empty()) return {};  // the folder that the content comes from
    TRY_ASSIGN(DirFd::Parent parent, root_.open_parent_in_root(path, true, 0755));
    int folder = parent.dir.fd().get();
    const char* name = parent.name.c_str();
    if (entry.type == EntryType::kFolder) {
      if (::mkdirat(folder, name, 0700) != 0 && errno != EEXIST)
        return fail_errno(errno, "make the folder");
      entry.path = path;
      folders_.push_back(std::move(entry));
      return {};
    }
    if (::unlinkat(folder, name, 0) != 0 && errno != ENOENT) {
      return fail_errno(errno == EISDIR ? EISDIR : errno, "replace what is there");
    }
    switch (entry.type) {
      case EntryType::kSymlink:
        if (::symlinkat(entry.target.c_str(), folder, name) != 0)
          return fail_errno(errno, "make the link");
        return {};
      case EntryType::kHardlink: {
        TRY_ASSIGN(DirFd::Parent other, root_.open_parent_in_root(renamed(entry.target), false, 0));
        if (::linkat(other.dir.fd().get(), other.name.c_str(), folder, name, 0) != 0)
          return fail_errno(errno, "make the link");
        return {};
      }
      case EntryType::kFile:
        return write_file(reader, entry, folder, name);
      default:
        return make_node(entry, folder, name);
    }
  }

  Status make_node(const Entry& entry, int folder, const char* name) const {
    mode_t type = entry.type == EntryType::kFifo         ? S_IFIFO
                  : entry.type == EntryType::kCharDevice ? S_IFCHR
                                                         : S_IFBLK;
    if (::mknodat(folder, name, type | (entry.mode & 0777), makedev(entry.major, entry.minor)) !=
        0) {
      return fail_errno(errno, "make the special file");
    }
    return {};
  }

  Status write_file(unpack::TarReader& reader, const Entry& entry, int folder, const char* name) {
    TRY_ASSIGN(Fd file,
               open_at(FdRef(folder), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    TRY(reader.read([&file](std::int64_t offset, std::string_view piece) {
      return write_at(file, offset, piece);
    }));
    if (::ftruncate(file.get(), entry.size) != 0) return fail_errno(errno, "set the size");
    bytes_ += entry.size;
    return set_facts(file, entry);
  }

  DirFd root_;
  std::string name_;
  bool owners_;
  std::int64_t bytes_ = 0;
  std::vector<Entry> folders_;
};

class Packing {
 public:
  explicit Packing(unpack::ByteSink& sink) : writer_(sink) {}

  Status add(FdRef folder, const std::string& file, const std::string& name, bool follow) {
    struct stat state{};
    if (::fstatat(folder.get(), file.c_str(), &state, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
      return fail_errno(errno, cat("lstat ", name));
    }
    Entry entry;
    entry.path = name;
    entry.mode = state.st_mode & 07777;
    entry.uid = state.st_uid;
    entry.gid = state.st_gid;
    entry.mtime = state.st_mtim;
    if (S_ISDIR(state.st_mode)) return add_folder(folder, file, std::move(entry), follow);
    if (S_ISREG(state.st_mode)) return add_file(folder, file, std::move(entry), state.st_size);
    if (S_ISLNK(state.st_mode)) {
      char target[4096];
      ssize_t size = ::readlinkat(folder.get(), file.c_str(), target, sizeof target);
      if (size < 0) return fail_errno(errno, cat("read the link ", name));
      entry.type = EntryType::kSymlink;
      entry.target.assign(target, static_cast<std::size_t>(size));
      return writer_.begin(entry);
    }
    if (S_ISSOCK(state.st_mode)) return {};  // no archive holds one
    entry.type = S_ISFIFO(state.st_mode)  ? EntryType::kFifo
                 : S_ISCHR(state.st_mode) ? EntryType::kCharDevice
                                          : EntryType::kBlockDevice;
    entry.major = major(state.st_rdev);
    entry.minor = minor(state.st_rdev);
    return writer_.begin(entry);
  }

  Status finish() { return writer_.finish(); }
  std::int64_t bytes() const { return bytes_; }

 private:
  Status add_folder(FdRef folder, const std::string& file, Entry entry, bool follow) {
    TRY_ASSIGN(Fd inner, open_at(folder, file, O_RDONLY | O_DIRECTORY | (follow ? 0 : O_NOFOLLOW)));
    std::string name = entry.path;
    entry.type = EntryType::kFolder;
    entry.path += '/';
    TRY(writer_.begin(entry));
    TRY_ASSIGN(auto names, list_dir(inner));
    std::ranges::sort(names);
    for (const std::string& one : names) TRY(add(inner, one, cat(name, "/", one), false));
    return {};
  }

  Status add_file(FdRef folder, const std::string& file, Entry entry, std::int64_t size) {
    TRY_ASSIGN(Fd input, open_at(folder, file, O_RDONLY));
    entry.type = EntryType::kFile;
    entry.size = size;
    bytes_ += size;
    TRY(writer_.begin(entry));
    std::vector<char> buffer(65536);
    while (size > 0) {
      std::size_t most = std::min(buffer.size(), static_cast<std::size_t>(size));
      TRY_ASSIGN(std::size_t count, read_some(input, std::span(buffer).first(most)));
      if (count == 0)
        return fail(Code::kAborted, cat(entry.path, " became shorter while it was read"));
      TRY(writer_.write({buffer.data(), count}));
      size -= static_cast<std::int64_t>(count);
    }
    return {};
  }

  unpack::TarWriter writer_;
  std::int64_t bytes_ = 0;
};

}  // namespace

Result<std::int64_t> extract_archive(client::Exchange& exchange, const std::string& folder,
                                     const std::string& name, bool owners) {
  TRY_ASSIGN(DirFd root, DirFd::open(folder));
  AnswerSource source(exchange);
  return Extraction(std::move(root), name, owners).run(source);
}

Result<std::int64_t> send_archive(client::Exchange& exchange, const std::string& path,
                                  const std::string& name, bool follow) {
  BodySink sink(exchange);
  Packing packing(sink);
  TRY(packing.add(kCwd, path, name, follow));
  TRY(packing.finish());
  TRY(exchange.end_body());
  return packing.bytes();
}

}  // namespace dhow::cli
