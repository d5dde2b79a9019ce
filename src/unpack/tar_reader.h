// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <time.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "unpack/byte_source.h"

namespace dhow::unpack {

enum class EntryType { kFile, kFolder, kSymlink, kHardlink, kCharDevice, kBlockDevice, kFifo };

// A member of an archive, as it says of itself: nothing is checked but that it is of a known type.
struct Entry {
  std::string path;
  EntryType type = EntryType::kFile;
  std::string target;  // of a symbolic or hard link
  unsigned mode = 0;   // the permission bits, set-user-id and so on
  std::int64_t uid = 0;
  std::int64_t gid = 0;
  std::int64_t size = 0;  // bytes, holes included
  struct timespec mtime{};
  unsigned major = 0;
  unsigned minor = 0;
  std::map<std::string, std::string> xattrs;
};

// Reads the members of a tar stream, one after another: POSIX ustar and pax, GNU, v7; long names,
// large numbers, sparse files (libarchive). `source` is borrowed. One thread at a time. Damage is
// kDataLoss; a member of no known type is kInvalidArgument.
class TarReader {
 public:
  explicit TarReader(ByteSource& source);
  ~TarReader();
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;

  // The next member; none at the end. What was not read of the one before is skipped.
  Result<std::optional<Entry>> next();
  // The content of the member: `take` gets each piece with its place in the file. What lies between
  // pieces is a hole.
  using Take = std::function<Status(std::int64_t offset, std::string_view piece)>;
  Status read(const Take& take);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dhow::unpack
