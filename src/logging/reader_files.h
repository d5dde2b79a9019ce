// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::logging {

// A file of a log by what it is, not by its name, which a rotation changes.
struct LogPart {
  Fd fd;
  dev_t device = 0;
  ino_t inode = 0;
  std::int64_t offset = 0;  // where to read on
  // Of a packed file: the inode that it was made of, and what it is by unpack_part().
  bool is_packed = false;
  std::uint64_t origin = 0;
  Fd content;

  bool is_same(const LogPart& other) const {
    return device == other.device && inode == other.inode;
  }
  const Fd& readable() const { return is_packed ? content : fd; }
};

// Makes the content of a packed file readable at `content`; nothing to do for others.
Status unpack_part(const std::string& path, LogPart& part);

// The file of that name; nullopt when there is none.
Result<std::optional<LogPart>> open_part(const std::string& path);

// All files of a log that there are now, oldest first: PATH.N … PATH.1, PATH. Those but the last
// may be packed, PATH.N.gz.
Result<std::vector<LogPart>> open_parts(const std::string& path);

// The file that follows `part` in a log, nullopt when that is the last one. When `part` has been
// removed meanwhile, the oldest there is.
Result<std::optional<LogPart>> open_part_after(const std::string& path, const LogPart& part);

// Sets the offsets so that the last `lines` whole lines are what is left to read, and drops the
// files before.
Status seek_tail(const std::string& path, std::vector<LogPart>& parts, std::uint64_t lines);

}  // namespace dhow::logging
