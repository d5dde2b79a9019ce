// SPDX-License-Identifier: Apache-2.0
#include "unpack/layer_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/strings.h"
#include "sys/file_io.h"
#include "unpack/file_facts.h"
#include "unpack/layer_survey.h"
#include "unpack/member_path.h"

namespace dhow::unpack {
namespace {

constexpr std::size_t kReadPiece = std::size_t{256} << 10;

std::unexpected<Error> changes(const std::string& path) {
  return fail(Code::kAborted, cat(quoted(path), " changes while it is read"));
}

EntryType type_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return EntryType::kFolder;
    case S_IFLNK:
      return EntryType::kSymlink;
    case S_IFCHR:
      return EntryType::kCharDevice;
    case S_IFBLK:
      return EntryType::kBlockDevice;
    case S_IFIFO:
      return EntryType::kFifo;
    default:
      return EntryType::kFile;
  }
}

class LayerReader {
 public:
  LayerReader(const LayerTrees& trees, const LayerOptions& options, TarWriter& archive)
      : trees_(trees), options_(options), archive_(archive), buffer_(kReadPiece, '\0') {}

  Status add(const LayerItem& item);

 private:
  Status add_whiteout(const SplitPath& where);
  Result<FdRef> open_parent(const std::string& path);
  Entry describe(const std::string& path, FileFacts facts);
  Status add_content(FdRef folder, const std::string& name, const Entry& entry);

  const LayerTrees& trees_;
  const LayerOptions& options_;
  TarWriter& archive_;
  std::string buffer_;
  std::int64_t bytes_ = 0;
  std::string parent_path_;
  Fd parent_;  // of the item before: the next one's as a rule
  // Files with several names, by their first.
  std::map<std::pair<dev_t, ino_t>, std::string> linked_;
};

Result<FdRef> LayerReader::open_parent(const std::string& path) {
  if (!parent_ || parent_path_ != path) {
    TRY_ASSIGN(parent_, open_tree_folder(trees_.tree, path));
    parent_path_ = path;
  }
  return FdRef(parent_);
}

Status LayerReader::add_whiteout(const SplitPath& where) {
  Entry entry;
  entry.path = path_in(where.folder, cat(".wh.", where.name));
  // What it hides has gone: it has no time of its own that would be the same another day.
  entry.mode = 0600;
  return archive_.begin(entry);
}

Status LayerReader::add(const LayerItem& item) {
  SplitPath where = split_path(item.path);
  if (item.is_removed) return add_whiteout(where);
  TRY_ASSIGN(FdRef parent, open_parent(where.folder));
  std::string name = item.path.empty() ? "." : where.name;
  TRY_ASSIGN(std::optional<FileFacts> facts, file_facts(parent, name, item.path));
  if (!facts || S_ISSOCK(facts->info.st_mode)) return changes(item.path);
  Entry entry = describe(item.path, std::move(*facts));
  TRY(archive_.begin(entry));
  return entry.type == EntryType::kFile ? add_content(parent, name, entry) : Status();
}

Entry LayerReader::describe(const std::string& path, FileFacts facts) {
  const struct stat& info = facts.info;
  Entry entry;
  entry.path = path;
  entry.type = type_of(info.st_mode);
  if (entry.type == EntryType::kFolder) entry.path = path.empty() ? "./" : cat(path, "/");
  entry.mode = info.st_mode & 07777U;
  entry.uid = info.st_uid;
  entry.gid = info.st_gid;
  entry.mtime = info.st_mtim;
  if (options_.latest && entry.mtime.tv_sec >= *options_.latest) {
    entry.mtime = {.tv_sec = *options_.latest, .tv_nsec = 0};
  }
  if (entry.type != EntryType::kFolder && info.st_nlink > 1) {
    auto [first, is_new] = linked_.try_emplace({info.st_dev, info.st_ino}, path);
    if (!is_new) {
      entry.type = EntryType::kHardlink;
      entry.target = first->second;
      return entry;
    }
  }
  if (entry.type == EntryType::kFile) entry.size = info.st_size;
  if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)) {
    entry.major = major(info.st_rdev);
    entry.minor = minor(info.st_rdev);
  }
  entry.target = std::move(facts.target);
  entry.xattrs = std::move(facts.xattrs);
  return entry;
}

Status LayerReader::add_content(FdRef folder, const std::string& name, const Entry& entry) {
  bytes_ += entry.size;
  if (bytes_ > options_.bytes || bytes_ < 0) {
    return fail(Code::kResourceExhausted,
                cat(quoted(entry.path), ": more than ", options_.bytes, " bytes of files"));
  }
  // A fifo that took its place meanwhile must not be waited for.
  TRY_ASSIGN(Fd file, open_at(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  std::int64_t done = 0;
  while (true) {
    auto count = read_some(file, buffer_);
    if (!count) return std::unexpected(std::move(count).error().add_context(quoted(entry.path)));
    if (*count == 0) break;
    done += static_cast<std::int64_t>(*count);
    if (done > entry.size) break;
    TRY(archive_.write(std::string_view(buffer_).substr(0, *count)));
  }
  return done == entry.size ? Status() : changes(entry.path);
}

}  // namespace

Status read_layer(const LayerTrees& trees, const LayerOptions& options, TarWriter& archive) {
  TRY_ASSIGN(std::vector<LayerItem> items, survey_layer(trees));
  LayerReader reader(trees, options, archive);
  for (const LayerItem& item : items) {
    if (std::ranges::find(options.left_out, item.path) != options.left_out.end()) continue;
    TRY(reader.add(item));
  }
  return {};
}

}  // namespace dhow::unpack
