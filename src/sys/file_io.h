// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow {

// The whole content of an open file, up to `limit` bytes (more is kOutOfRange). Blocks as read(2).
Result<std::string> read_all(FdRef fd, std::size_t limit = std::size_t{64} << 20);

// As read_all, of the file `path` below `dir`.
Result<std::string> read_file(FdRef dir, std::string_view path,
                              std::size_t limit = std::size_t{64} << 20);
Result<std::string> read_file(std::string_view path, std::size_t limit = std::size_t{64} << 20);

// What one read(2) gives, EINTR retried: 0 at the end.
Result<std::size_t> read_some(FdRef fd, std::span<char> buffer);
// Fills the buffer from that place of the file on (pread(2)); fewer bytes only at its end.
Result<std::size_t> read_at(FdRef fd, std::int64_t offset, std::span<char> buffer);
// Writes every byte to that place of the file (pwrite(2)).
Status write_at(FdRef fd, std::int64_t offset, std::string_view data);

// Has the kernel begin to write down what of a file is in memory alone (sync_file_range(2)), so
// that there is less left to wait for when it is synced. Makes nothing durable, waits for the disk
// only when its queue is full, and fails for no reason that the sync would not tell.
void begin_writeback(FdRef fd, std::int64_t offset, std::int64_t size);

// Writes every byte; retries short writes and EINTR. Nothing to write is no system call.
Status write_all(FdRef fd, std::string_view data);

// Opens an existing file for writing and writes `data` with one write(2): what the files of procfs,
// sysfs and cgroupfs want. Never creates, never truncates.
Status write_existing(FdRef dir, std::string_view path, std::string_view data);
Status write_existing(std::string_view path, std::string_view data);

// Replaces `name` in the folder with `data`: a reader sees the old content or the new, never a
// part, and a crash leaves no second file that counts (".<name>" is written, then renamed). One
// writer at a time. The umask applies to `mode`. No fsync: a container's state is meant to be
// consistent, not to outlive a power loss.
Status replace_file(FdRef dir, std::string_view name, std::string_view data, unsigned mode);

// Opens the folder `name` of `parent` for reading, made when it is missing. A link is not followed.
Result<Fd> make_folder(FdRef parent, std::string_view name, unsigned mode);

// Names in an open folder, without "." and "..", in the kernel's order.
Result<std::vector<std::string>> list_dir(FdRef dir);

// Only the folders among them, on file systems that tell (cgroupfs, procfs and sysfs do).
Result<std::vector<std::string>> list_subdirs(FdRef dir);

// Removes the file or folder `name` below `dir` with all that is in it, never following a symbolic
// link and never entering what is mounted in it (kFailedPrecondition). One descriptor and one stack
// frame a level: for trees of our own, not for those that a container made. A missing name is
// success.
Status remove_tree(FdRef dir, std::string_view name);

// mkdir -p on a path that the caller trusts (the state folder, never inside a container's root).
Status make_dirs(std::string_view path, unsigned mode);

}  // namespace dhow
