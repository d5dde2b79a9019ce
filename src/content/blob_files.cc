// SPDX-License-Identifier: Apache-2.0
#include "content/blob_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::content {
namespace {

constexpr std::size_t kBuffer = std::size_t{256} << 10;

Status rename_file(FdRef from_dir, const std::string& from, FdRef to_dir, const std::string& to) {
  if (::renameat(from_dir.get(), from.c_str(), to_dir.get(), to.c_str()) == 0) return {};
  return fail_errno(errno, cat("rename ", quoted(from), " to ", quoted(to)));
}

Status sync_fd(FdRef fd, std::string_view what) {
  if (::fsync(fd.get()) == 0) return {};
  return fail_errno(errno, cat("sync ", what));
}

}  // namespace

Result<BlobFiles> BlobFiles::open(const std::string& folder) {
  TRY(make_dirs(folder, 0700));
  BlobFiles files;
  TRY_ASSIGN(files.root_, open_at(kCwd, folder, O_RDONLY | O_DIRECTORY));
  auto lock = ProcessLock::take(files.root_, "lock");
  if (!lock)
    return fail(std::move(lock).error().add_context(cat("content store ", quoted(folder))));
  files.lock_ = std::move(*lock);
  TRY_ASSIGN(Fd blobs, make_folder(files.root_, "blobs", 0700));
  TRY_ASSIGN(files.sha256_, make_folder(blobs, "sha256", 0700));
  TRY_ASSIGN(files.sha512_, make_folder(blobs, "sha512", 0700));
  TRY_ASSIGN(files.ingests_, make_folder(files.root_, "ingest", 0700));
  TRY_ASSIGN(files.trash_, make_folder(files.root_, "trash", 0700));
  return files;
}

const Fd& BlobFiles::folder_of(const Digest& digest) const {
  return digest.algorithm() == "sha512" ? sha512_ : sha256_;
}

Result<Fd> BlobFiles::open(const Digest& digest) const {
  return open_at(folder_of(digest), digest.hex(), O_RDONLY | O_NOFOLLOW);
}

Status BlobFiles::adopt(FdRef ingest, const Digest& digest) const {
  return rename_file(ingest, "data", folder_of(digest), std::string(digest.hex()));
}

Status BlobFiles::discard(const Digest& digest) const {
  auto status =
      rename_file(folder_of(digest), std::string(digest.hex()), trash_, std::string(digest.hex()));
  if (!status && status.error().sys_errno() == ENOENT) return {};
  return status;
}

bool BlobFiles::restore(const Digest& digest) const {
  std::string name(digest.hex());
  return ::renameat2(trash_.get(), name.c_str(), folder_of(digest).get(), name.c_str(),
                     RENAME_NOREPLACE) == 0;
}

Status BlobFiles::sync(const Digest& digest) const {
  TRY_ASSIGN(Fd file, open(digest));
  return sync_fd(file, digest.text());
}

Status BlobFiles::sync_folders() const {
  TRY(sync_fd(sha256_, "the folder of the blobs"));
  return sync_fd(sha512_, "the folder of the blobs");
}

Result<std::vector<Digest>> BlobFiles::list() const {
  std::vector<Digest> digests;
  for (std::string_view algorithm : {"sha256", "sha512"}) {
    TRY_ASSIGN(std::vector<std::string> names, list_dir(algorithm == "sha256" ? sha256_ : sha512_));
    for (const std::string& name : names) {
      // What is no blob is not ours to judge.
      if (auto digest = Digest::parse(cat(algorithm, ":", name))) digests.push_back(*digest);
    }
  }
  return digests;
}

Status BlobFiles::empty_trash() const {
  TRY_ASSIGN(std::vector<std::string> names, list_dir(trash_));
  for (const std::string& name : names) TRY(remove_tree(trash_, name));
  return {};
}

Status hash_file(FdRef file, Hasher& hasher) {
  std::string buffer(kBuffer, '\0');
  std::int64_t offset = 0;
  while (true) {
    TRY_ASSIGN(std::size_t count, read_at(file, offset, buffer));
    if (count == 0) return {};
    hasher.update(std::string_view(buffer).substr(0, count));
    offset += static_cast<std::int64_t>(count);
  }
}

}  // namespace dhow::content
