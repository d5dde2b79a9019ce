// SPDX-License-Identifier: Apache-2.0
#include "logging/reader_files.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "base/strings.h"
#include "logging/compress.h"
#include "sys/file_io.h"

namespace dhow::logging {
namespace {

constexpr std::size_t kBlock = std::size_t{64} << 10;
// Of files that can't be told apart because they are renamed again and again.
constexpr int kMaxTries = 100;

// The numbers N of the files PATH.N, largest first: their names may have gaps.
Result<std::vector<int>> older_numbers(const std::string& path) {
  std::size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  std::string prefix = path.substr(slash == std::string::npos ? 0 : slash + 1) + ".";
  std::vector<int> numbers;
  auto dir = open_at(kCwd, folder, O_RDONLY | O_DIRECTORY);
  if (!dir && dir.error().sys_errno() == ENOENT) return numbers;
  if (!dir) return fail(std::move(dir).error());
  TRY_ASSIGN(auto names, list_dir(*dir));
  for (const std::string& name : names) {
    if (!name.starts_with(prefix)) continue;
    std::string_view rest = std::string_view(name).substr(prefix.size());
    if (rest.ends_with(kPacked)) rest.remove_suffix(kPacked.size());
    auto number = parse_number<int>(rest);
    if (number && *number > 0) numbers.push_back(*number);
  }
  std::ranges::sort(numbers, std::greater<>());
  numbers.erase(std::ranges::unique(numbers).begin(), numbers.end());
  return numbers;
}

Result<std::vector<LogPart>> open_parts_once(const std::string& path) {
  TRY_ASSIGN(auto numbers, older_numbers(path));
  std::vector<LogPart> parts;
  auto add = [&parts](const std::string& name) -> Status {
    TRY_ASSIGN(auto part, open_part(name));
    // Both are there for a moment, when it has been packed and is still to be removed.
    if (!part) {
      TRY_ASSIGN(part, open_part(cat(name, kPacked)));
      if (part) {
        part->is_packed = true;
        part->origin = packed_inode(part->fd);
      }
    }
    if (part) parts.push_back(std::move(*part));
    return {};
  };
  for (int number : numbers) TRY(add(cat(path, ".", number)));
  TRY(add(path));
  return parts;
}

bool same_parts(const std::vector<LogPart>& a, const std::vector<LogPart>& b) {
  return std::ranges::equal(a, b, [](const LogPart& x, const LogPart& y) { return x.is_same(y); });
}

// Where the last `lines` lines of a file begin; `lines` is lowered by those that it has.
Result<std::int64_t> find_tail(const LogPart& part, std::uint64_t& lines) {
  struct stat info{};
  if (::fstat(part.readable().get(), &info) != 0) return fail_errno(errno, "stat a log");
  std::string block(kBlock, '\0');
  // The newline that ends the last whole line ends none before it.
  bool at_end = true;
  for (std::int64_t end = info.st_size; end > 0;) {
    std::int64_t begin = std::max<std::int64_t>(0, end - static_cast<std::int64_t>(kBlock));
    TRY_ASSIGN(std::size_t got, read_at(part.readable(), begin,
                                        {block.data(), static_cast<std::size_t>(end - begin)}));
    std::string_view text(block.data(), got);
    for (std::size_t at = text.rfind('\n'); at != std::string_view::npos;
         at = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1)) {
      if (!at_end && --lines == 0) return begin + static_cast<std::int64_t>(at) + 1;
      at_end = false;
    }
    end = begin;
  }
  // The first line of the file has no newline before it.
  if (!at_end) --lines;
  return 0;
}

// The place of a file that a reader holds open, and whose inode is its own therefore. When it has
// been packed meanwhile, that is what was made of it; the youngest such, as the inodes of files
// that are gone are used again.
std::vector<LogPart>::iterator find_part(std::vector<LogPart>& parts, const LogPart& part) {
  auto same = [&part](const LogPart& other) { return other.is_same(part); };
  if (auto found = std::ranges::find_if(parts, same); found != parts.end()) return found;
  for (auto it = parts.end(); it != parts.begin();) {
    --it;
    if (it->is_packed && !part.is_packed && it->origin == part.inode) return it;
  }
  return parts.end();
}

}  // namespace

Status unpack_part(const std::string& path, LogPart& part) {
  if (!part.is_packed || part.content) return {};
  std::size_t slash = path.rfind('/');
  auto content = unpack_log(part.fd, slash == std::string::npos ? "." : path.substr(0, slash + 1));
  if (!content)
    return fail(std::move(content).error().add_context("unpack an older file of a log"));
  part.content = std::move(*content);
  return {};
}

Result<std::optional<LogPart>> open_part(const std::string& path) {
  auto fd = open_at(kCwd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd && fd.error().sys_errno() == ENOENT) return std::nullopt;
  if (!fd) return fail(std::move(fd).error());
  LogPart part;
  struct stat info{};
  if (::fstat(fd->get(), &info) != 0) return fail_errno(errno, cat("stat ", quoted(path)));
  if (!S_ISREG(info.st_mode)) {
    return fail(Code::kFailedPrecondition, cat("log ", quoted(path), ": not a file"));
  }
  part.fd = std::move(*fd);
  part.device = info.st_dev;
  part.inode = info.st_ino;
  return part;
}

Result<std::vector<LogPart>> open_parts(const std::string& path) {
  // A rotation between two opens gives a file twice, or leaves one out: twice the same is the
  // truth.
  TRY_ASSIGN(auto parts, open_parts_once(path));
  for (int i = 0; i < kMaxTries; ++i) {
    TRY_ASSIGN(auto again, open_parts_once(path));
    if (same_parts(parts, again)) return parts;
    parts = std::move(again);
  }
  return fail(Code::kUnavailable, cat("log ", quoted(path), " is rotated faster than it is read"));
}

Result<std::optional<LogPart>> open_part_after(const std::string& path, const LogPart& part) {
  // The common case costs one open.
  TRY_ASSIGN(auto current, open_part(path));
  if (current && current->is_same(part)) return std::nullopt;
  TRY_ASSIGN(auto parts, open_parts(path));
  auto found = find_part(parts, part);
  if (found == parts.end())
    found = parts.begin();
  else
    ++found;
  if (found == parts.end()) return std::nullopt;
  return std::move(*found);
}

Status seek_tail(const std::string& path, std::vector<LogPart>& parts, std::uint64_t lines) {
  std::size_t first = parts.size();
  while (first > 0 && lines > 0) {
    --first;
    TRY(unpack_part(path, parts[first]));
    TRY_ASSIGN(parts[first].offset, find_tail(parts[first], lines));
  }
  // With none wanted: what comes after the end of the last one.
  if (first == parts.size() && first > 0) {
    --first;
    TRY(unpack_part(path, parts[first]));
    struct stat info{};
    if (::fstat(parts[first].readable().get(), &info) != 0) return fail_errno(errno, "stat a log");
    parts[first].offset = info.st_size;
  }
  parts.erase(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(first));
  return {};
}

}  // namespace dhow::logging
