// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sys/fd.h"
#include "sys/process.h"

namespace dhow::logging {

struct LogFileOptions {
  std::string path;            // absolute
  std::int64_t max_size = -1;  // bytes; -1: no limit
  int max_files = 1;           // the one being written included
  std::int64_t max_age_s = 0;  // seconds; 0: no limit
  bool compress = false;       // older files become PATH.N.gz
};

// A log file that is rotated by rename: PATH becomes PATH.1, that PATH.2, and so on. Whole lines
// only: one that doesn't fit on the disk any more leaves no part, and one that the writer before
// left unfinished when it died is taken away. No fsync: a log outlives its writer, not a power
// loss. With `compress` a child packs each file once it is PATH.1; until it is done, the next
// rotation waits, and once the file has twice its size, the writer does.
class LogFile {
 public:
  static Result<LogFile> open(const LogFileOptions& options);

  // One write(2) as a rule. `lines` are whole lines, with their newlines; a rotation comes between
  // two calls. False: the disk is full, or gone, and how much of it was written is in `written`, a
  // number of whole lines.
  bool append(std::string_view lines, std::int64_t now_ns, std::size_t& written);
  // For a file that somebody else has renamed.
  Status reopen();
  const std::string& path() const { return options_.path; }

 private:
  explicit LogFile(LogFileOptions options) : options_(std::move(options)) {}
  Status open_current();
  bool is_packing();
  Status rotate();
  Status move_older(int index);
  void remove_old(std::int64_t now_ns) const;
  std::string older(int index) const;

  LogFileOptions options_;
  Fd fd_;
  PidFd packer_;  // the child that packs PATH.1
  std::int64_t size_ = 0;
  std::int64_t begun_ns_ = 0;  // when its first line was written, as far as known
};

}  // namespace dhow::logging
