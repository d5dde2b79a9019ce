// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "unpack/byte_sink.h"
#include "unpack/tar_reader.h"

namespace dhow::unpack {

// Writes a tar stream (POSIX.1-2017, pax): a ustar header for each member, and before it a pax one
// for what does not fit into it: long names, large numbers, fractions of seconds, attributes. The
// same members are the same bytes. `sink` is borrowed. A caller puts the members in their order,
// and after the header of a file exactly its bytes.
class TarWriter {
 public:
  explicit TarWriter(ByteSink& sink) : sink_(sink) {}

  // A member; of a file `entry.size` bytes are to follow. A name with a NUL is kInvalidArgument.
  Status begin(const Entry& entry);
  // More of the file's content. More than was announced is kInternal.
  Status write(std::string_view piece);
  // A whole file of root's that all may read.
  Status file(std::string path, std::string_view content);
  // The end of the archive; nothing comes after it. kInternal when a file is not complete.
  Status finish();

 private:
  Status pad();

  ByteSink& sink_;
  std::int64_t missing_ = 0;  // bytes of the file that have not come yet
  std::int64_t padding_ = 0;  // bytes to the end of its last block
};

}  // namespace dhow::unpack
