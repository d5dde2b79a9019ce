// SPDX-License-Identifier: Apache-2.0
#include "engine/tree_archive.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "base/strings.h"
#include "sys/file_io.h"
#include "unpack/inflate.h"
#include "unpack/tar_reader.h"

namespace dhow::engine {
namespace {

constexpr int kArchiveDepth = 512;
constexpr std::size_t kPiece = std::size_t{256} << 10;

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

}  // namespace

Status TreeArchive::add(FdRef folder, const std::string& name, const std::string& as, int depth) {
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

Status TreeArchive::add_all(FdRef folder) {
  TRY_ASSIGN(std::vector<std::string> names, list_dir(folder));
  std::ranges::sort(names);
  for (const std::string& name : names) TRY(add(folder, name, name, 0));
  return {};
}

unpack::Entry TreeArchive::describe(const unpack::FileFacts& facts, const std::string& as) {
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

Status TreeArchive::add_file(FdRef folder, const std::string& name, unpack::Entry entry) {
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

Status unpack_tree(DirFd folder, unpack::ByteSource& packed, const unpack::WriteRules& rules) {
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

}  // namespace dhow::engine
