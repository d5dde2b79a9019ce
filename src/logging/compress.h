// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sys/fd.h"
#include "sys/process.h"

namespace dhow::logging {

constexpr std::string_view kPacked = ".gz";

// Makes PATH.gz of PATH and removes that, in a child of this process, which must have one thread:
// so that neither the time nor zlib's memory is taken from it. PATH.gz is there as a whole or not
// at all; a child that dies, or a full disk, leaves PATH as it was. The pidfd says when it has
// ended; the child has to be waited for.
Result<PidFd> start_packing(const std::string& path);

// The inode that a packed file was made of, by which a reader of that one finds on: start_packing
// puts it into the header. 0 where there is none.
std::uint64_t packed_inode(FdRef packed);

// The content of a packed file (RFC 1952) as a file without a name in FOLDER, or in memory where
// the file system has no such files. kDataLoss for what is no such file, or is cut short.
Result<Fd> unpack_log(FdRef packed, const std::string& folder);

}  // namespace dhow::logging
