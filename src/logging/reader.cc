// SPDX-License-Identifier: Apache-2.0
#include "logging/reader.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <iterator>
#include <utility>

#include "base/strings.h"
#include "logging/parse_line.h"
#include "logging/reader_files.h"
#include "sys/file_io.h"

namespace dhow::logging {
namespace {

constexpr std::size_t kReadSize = std::size_t{64} << 10;
// Longer than any line that a driver writes: a piece of 16 KiB with each byte escaped, and its
// attrs.
constexpr std::size_t kMaxLine = std::size_t{4} << 20;

class FileReader final : public Reader {
 public:
  FileReader(std::string path, const ReadOptions& options)
      : path_(std::move(path)), options_(options) {}

  Status start() {
    // Before the files are opened, so that no change falls between.
    if (options_.follow) TRY(watch());
    TRY_ASSIGN(auto parts, open_parts(path_));
    if (options_.tail) TRY(seek_tail(path_, parts, *options_.tail));
    for (LogPart& part : parts) waiting_.push_back(std::move(part));
    return {};
  }

  Result<std::optional<Line>> next() override {
    while (!done_) {
      while (auto line = take_line()) {
        if (options_.since_ns && line->time_ns < *options_.since_ns) continue;
        if (options_.until_ns && line->time_ns > *options_.until_ns) {
          done_ = true;
          return std::nullopt;
        }
        return line;
      }
      TRY_ASSIGN(bool more, read_more());
      if (more) continue;
      TRY_ASSIGN(bool moved, go_on());
      if (moved) continue;
      if (!options_.follow || last_pass_) break;
      TRY(wait());
    }
    done_ = true;
    return std::nullopt;
  }

 private:
  // The next line that makes sense of what has been read.
  std::optional<Line> take_line() {
    while (true) {
      std::string_view rest = std::string_view(buffer_).substr(taken_);
      std::size_t end = rest.find('\n');
      if (end == std::string_view::npos) break;
      taken_ += end + 1;
      if (std::exchange(skipping_, false)) continue;
      std::string_view text = rest.substr(0, end);
      auto line = options_.format == Format::kCri ? parse_cri_line(text) : parse_json_line(text);
      if (line) return line;
    }
    buffer_.erase(0, taken_);
    taken_ = 0;
    if (buffer_.size() > kMaxLine) {
      buffer_.clear();
      skipping_ = true;
    }
    return std::nullopt;
  }

  // False at the end of the current file.
  Result<bool> read_more() {
    if (!current_) {
      if (waiting_.empty()) return false;
      current_ = std::move(waiting_.front());
      waiting_.pop_front();
    }
    TRY(unpack_part(path_, *current_));
    std::size_t old_size = buffer_.size();
    buffer_.resize(old_size + kReadSize);
    auto got =
        read_at(current_->readable(), current_->offset, {buffer_.data() + old_size, kReadSize});
    buffer_.resize(old_size + (got ? *got : 0));
    if (!got) return fail(std::move(got).error().add_context(cat("log ", quoted(path_))));
    current_->offset += static_cast<std::int64_t>(*got);
    return *got > 0;
  }

  // At the end of the current file: to the next one. False when there is none.
  Result<bool> go_on() {
    std::optional<LogPart> next;
    if (!waiting_.empty()) {
      next = std::move(waiting_.front());
      waiting_.pop_front();
    } else if (current_) {
      TRY_ASSIGN(next, open_part_after(path_, *current_));
    } else {
      // There was no log yet, and by now it may have been rotated.
      TRY_ASSIGN(auto parts, open_parts(path_));
      if (parts.empty()) return false;
      next = std::move(parts.front());
      std::move(parts.begin() + 1, parts.end(), std::back_inserter(waiting_));
    }
    if (!next) return false;
    if (current_) {
      // Written to between our last read and its rotation: it isn't any more.
      TRY_ASSIGN(bool more, read_more());
      if (more) {
        waiting_.push_front(std::move(*next));
        return true;
      }
    }
    current_ = std::move(next);
    buffer_.clear();  // of a line that was never finished
    skipping_ = false;
    return true;
  }

  Status watch() {
    inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify_) return fail_errno(errno, "make inotify");
    std::size_t slash = path_.rfind('/');
    std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
    constexpr std::uint32_t kEvents = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR;
    if (::inotify_add_watch(inotify_.get(), folder.c_str(), kEvents) < 0) {
      return fail_errno(errno, cat("watch log folder ", quoted(folder)));
    }
    return {};
  }

  Status wait() {
    struct pollfd entries[3] = {
        {inotify_.get(), POLLIN, 0}, {options_.ended, POLLIN, 0}, {options_.cancelled, POLLIN, 0}};
    if (::poll(entries, 3, -1) < 0 && errno != EINTR) return fail_errno(errno, "wait for a log");
    if (entries[2].revents != 0) done_ = true;
    // What was written before the end is read once more.
    if (entries[1].revents != 0) last_pass_ = true;
    if (entries[0].revents != 0) {
      alignas(struct inotify_event) char events[4096];
      while (::read(inotify_.get(), events, sizeof events) > 0) continue;
    }
    return {};
  }

  std::string path_;
  ReadOptions options_;
  std::optional<LogPart> current_;
  std::deque<LogPart> waiting_;  // files that follow, as they were found at the beginning
  std::string buffer_;
  std::size_t taken_ = 0;  // of the buffer
  Fd inotify_;
  bool skipping_ = false;  // a line that is too long
  bool last_pass_ = false;
  bool done_ = false;
};

}  // namespace

Result<std::unique_ptr<Reader>> Reader::open(const std::string& path, const ReadOptions& options) {
  auto reader = std::make_unique<FileReader>(path, options);
  TRY(reader->start());
  return reader;
}

}  // namespace dhow::logging
