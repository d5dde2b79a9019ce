// SPDX-License-Identifier: Apache-2.0
#include "logging/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <tuple>

#include "base/log.h"
#include "base/strings.h"
#include "logging/compress.h"

namespace dhow::logging {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

// Where the last whole line of a file of `size` bytes ends.
Result<std::int64_t> end_of_lines(const Fd& fd, std::int64_t size) {
  char block[4096];
  for (std::int64_t end = size; end > 0;) {
    std::int64_t begin = std::max<std::int64_t>(0, end - static_cast<std::int64_t>(sizeof block));
    auto wanted = static_cast<std::size_t>(end - begin);
    ssize_t got = ::pread(fd.get(), block, wanted, begin);
    if (got < 0) return fail_errno(errno, "read the end of a log");
    std::size_t newline = std::string_view(block, static_cast<std::size_t>(got)).rfind('\n');
    if (newline != std::string_view::npos) return begin + static_cast<std::int64_t>(newline) + 1;
    end = begin;
  }
  return 0;
}

}  // namespace

Result<LogFile> LogFile::open(const LogFileOptions& options) {
  LogFile file(options);
  TRY(file.open_current());
  return file;
}

std::string LogFile::older(int index) const { return cat(options_.path, ".", index); }

Status LogFile::open_current() {
  // For reading too, to find a line that was not finished.
  TRY_ASSIGN(Fd fd, open_at(kCwd, options_.path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0640));
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(errno, cat("stat ", quoted(options_.path)));
  if (!S_ISREG(info.st_mode)) {
    return fail(Code::kInvalidArgument, cat("log path ", quoted(options_.path), ": not a file"));
  }
  TRY_ASSIGN(size_, end_of_lines(fd, info.st_size));
  if (size_ != info.st_size && ::ftruncate(fd.get(), size_) != 0) {
    return fail_errno(errno, cat("cut off an unfinished line of ", quoted(options_.path)));
  }
  begun_ns_ = 0;
  if (size_ > 0) begun_ns_ = info.st_ctim.tv_sec * kNsPerSecond + info.st_ctim.tv_nsec;
  fd_ = std::move(fd);
  return {};
}

Status LogFile::reopen() { return open_current(); }

// Whether the child is still at it; reaps it once it isn't, where nobody else has.
bool LogFile::is_packing() {
  if (!packer_) return false;
  // Twice the size, and the container has to wait for the child.
  bool waits = options_.max_size > 0 && size_ / 2 >= options_.max_size;
  auto ended = packer_.wait_exit(waits ? -1 : 0);
  if (ended && !*ended) return true;
  siginfo_t information{};
  std::ignore =
      ::waitid(P_PIDFD, static_cast<id_t>(packer_.fd().get()), &information, WEXITED | WNOHANG);
  packer_ = PidFd();
  return false;
}

// Where both are there, a child has died before it removed what it had packed.
Status LogFile::move_older(int index) {
  std::string from = index == 1 ? options_.path : older(index - 1);
  std::string to = older(index);
  std::string packed = cat(from, kPacked);
  if (::rename(from.c_str(), to.c_str()) == 0) {
    if (index > 1) std::ignore = ::unlink(packed.c_str());
    return {};
  }
  if (errno != ENOENT) return fail_errno(errno, cat("rotate ", quoted(from)));
  if (index > 1 && ::rename(packed.c_str(), cat(to, kPacked).c_str()) != 0 && errno != ENOENT) {
    return fail_errno(errno, cat("rotate ", quoted(packed)));
  }
  return {};
}

// A crash between two of the renames leaves a gap in the numbers, or no current file; both are
// found again as they are.
Status LogFile::rotate() {
  if (options_.max_files <= 1) {
    // Nothing older is kept. A new file, not the same one cut: those who read it go on with theirs.
    if (::unlink(options_.path.c_str()) != 0 && errno != ENOENT) {
      return fail_errno(errno, cat("remove ", quoted(options_.path)));
    }
    return open_current();
  }
  std::ignore = ::unlink(cat(older(options_.max_files - 1), kPacked).c_str());
  for (int index = options_.max_files - 1; index >= 1; --index) TRY(move_older(index));
  TRY(open_current());
  if (options_.compress) {
    TRY_ASSIGN(packer_, start_packing(older(1)));
  }
  return {};
}

void LogFile::remove_old(std::int64_t now_ns) const {
  if (options_.max_age_s <= 0) return;
  for (int index = 1; index < options_.max_files; ++index) {
    for (std::string_view suffix : {std::string_view(), kPacked}) {
      struct stat info{};
      std::string path = cat(older(index), suffix);
      if (::lstat(path.c_str(), &info) != 0) continue;
      if (info.st_mtim.tv_sec < now_ns / kNsPerSecond - options_.max_age_s) {
        std::ignore = ::unlink(path.c_str());  // tried again at the next rotation
      }
    }
  }
}

bool LogFile::append(std::string_view lines, std::int64_t now_ns, std::size_t& written) {
  written = 0;
  bool is_full = options_.max_size > 0 && size_ >= options_.max_size;
  // A part of the greatest age for each file, so that whole files can go.
  bool is_old =
      options_.max_age_s > 0 && begun_ns_ > 0 &&
      (now_ns - begun_ns_) / kNsPerSecond > options_.max_age_s / std::max(1, options_.max_files);
  if ((is_full || is_old) && !is_packing()) {
    auto rotated = rotate();
    // The file that is open still takes lines, wherever it is by now.
    if (!rotated) log::warning(cat("log: ", rotated.error().message()));
    remove_old(now_ns);
  }
  if (begun_ns_ == 0) begun_ns_ = now_ns;
  std::size_t done = 0;
  while (done < lines.size()) {
    ssize_t count = ::write(fd_.get(), lines.data() + done, lines.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  std::size_t whole = done;
  if (done < lines.size()) {
    std::size_t newline = done == 0 ? std::string_view::npos : lines.rfind('\n', done - 1);
    whole = newline == std::string_view::npos ? 0 : newline + 1;
    if (whole != done) {
      // Where that fails too, a reader leaves the part of a line out.
      std::ignore = ::ftruncate(fd_.get(), size_ + static_cast<std::int64_t>(whole));
    }
  }
  size_ += static_cast<std::int64_t>(whole);
  written = whole;
  return done == lines.size();
}

}  // namespace dhow::logging
