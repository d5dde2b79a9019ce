// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "logging/entry.h"
#include "sys/fd.h"

namespace dhow::logging {

enum class Format { kJsonFile, kCri };

struct ReadOptions {
  Format format = Format::kJsonFile;
  std::optional<std::int64_t> since_ns = {};  // lines of that time or later
  std::optional<std::int64_t> until_ns = {};  // lines of that time or earlier
  // Only that many lines of the end; what follow brings is not counted.
  std::optional<std::uint64_t> tail = {};
  bool follow = false;
  // For follow, borrowed: once `ended` is readable nothing more is written, and next() ends with
  // the last line there is; once `cancelled` is, next() ends at once. -1: never.
  int ended = -1;
  int cancelled = -1;
};

// A line, or a piece of one that was too long. Owns its text.
struct Line {
  Stream stream = Stream::kStdout;
  std::int64_t time_ns = 0;
  std::string text;   // with the newline, unless it is a piece that ends no line
  std::string attrs;  // json-file: the object as it stands there; else empty
};

// Reads the log of a container, its older files (PATH.1 is the youngest of them, PATH.1.gz when it
// has been packed) included, while a driver may be writing and rotating it. Files are found and
// kept by descriptor, so that a rotation neither loses a line nor gives one twice. A line that is
// cut short (its writer has died, or is just writing it) is waited for with follow, and left out
// without; one that makes no sense is left out. For one thread; the descriptors of the options may
// be used from others.
class Reader {
 public:
  // A log that isn't there (yet) is an empty one.
  static Result<std::unique_ptr<Reader>> open(const std::string& path, const ReadOptions& options);
  virtual ~Reader() = default;

  // The next line; nullopt at the end. With follow it blocks until there is one, by inotify(7).
  virtual Result<std::optional<Line>> next() = 0;
};

}  // namespace dhow::logging
