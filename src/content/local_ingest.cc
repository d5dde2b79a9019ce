// SPDX-License-Identifier: Apache-2.0
#include "content/local_ingest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "base/strings.h"
#include "content/extents.h"
#include "metadata/boot.h"
#include "sys/file_io.h"

namespace dhow::content {
namespace {

using metadata::Transaction;

constexpr std::size_t kMaxName = 4096;
constexpr std::size_t kHashPiece = std::size_t{256} << 10;
// So many bytes at a time are given to the disk while the next are on their way.
constexpr std::int64_t kWriteback = std::int64_t{8} << 20;
// So many are less than a page, which a process that is killed writes whole or not at all.
constexpr std::size_t kMaxExtents = 100;

std::string folder_name(std::string_view name) { return std::string(digest_of(name).hex()); }

std::unexpected<Error> in_use(std::string_view name) {
  return fail(Code::kUnavailable, cat("the ingest ", quoted(name), " is being written"));
}

class LocalIngest final : public Ingest {
 public:
  LocalIngest(const BlobFiles& files, metadata::Database& database,
              std::unique_ptr<OpenIngests::Claim> claim, std::string folder, Fd dir)
      : claim_(std::move(claim)),
        files_(files),
        database_(database),
        folder_(std::move(folder)),
        dir_(std::move(dir)) {}

  Status begin(std::string_view name);

  std::int64_t offset() const override {
    std::lock_guard lock(mutex_);
    return extents_.prefix();
  }
  std::int64_t resumed() const override { return resumed_; }
  std::vector<Extent> extents() const override {
    std::lock_guard lock(mutex_);
    return extents_.all();
  }
  Status write(std::string_view data) override;
  Status write_at(std::int64_t offset, std::string_view data) override;
  Status hash_ahead() override;
  Result<std::size_t> read_at(std::int64_t offset, std::span<char> buffer) const override {
    return dhow::read_at(data_, offset, buffer);
  }
  Status restart() override;
  Status commit(const CommitRequest& request) override;

 private:
  // Writes down which bytes are there, in the file "extents". Without it they are those of the
  // file.
  Status save_extents();
  Status record(std::int64_t offset, std::size_t size);
  Result<Digest> hash(std::string_view algorithm);
  Status check(const CommitRequest& request);
  Status adopt(Transaction& transaction, const CommitRequest& request);
  void forget();

  std::int64_t unwritten_ = 0;  // bytes since the writing to the disk was last begun
  std::unique_ptr<OpenIngests::Claim> claim_;
  const BlobFiles& files_;
  metadata::Database& database_;
  std::string folder_;
  Fd dir_;
  Fd data_;
  std::int64_t resumed_ = 0;
  mutable std::mutex mutex_;  // of the next two
  Extents extents_;
  Fd extents_file_;  // once something has come out of order
  Hasher hasher_;    // sha256 of the first `hashed_` bytes
  std::int64_t hashed_ = 0;
};

Status LocalIngest::begin(std::string_view name) {
  // For people who look into the folder: its own name is a hash.
  TRY(replace_file(dir_, "name", name, 0600));
  TRY_ASSIGN(data_, open_at(dir_, "data", O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  struct stat info{};
  if (::fstat(data_.get(), &info) != 0)
    return fail_errno(errno, cat("stat the ingest ", quoted(name)));
  auto saved = open_at(dir_, "extents", O_RDWR | O_NOFOLLOW);
  if (saved) {
    extents_file_ = std::move(*saved);
    TRY_ASSIGN(std::string text, read_all(extents_file_));
    extents_ = Extents::parse(text, info.st_size).value_or(Extents());
  } else if (saved.error().sys_errno() == ENOENT) {
    extents_ = Extents(info.st_size);
  } else {
    return std::unexpected(std::move(saved).error());
  }
  for (const Extent& extent : extents_.all()) resumed_ += extent.end - extent.begin;
  return {};
}

Status LocalIngest::save_extents() {
  std::string text = extents_.text(kMaxExtents);
  if (extents_file_) return dhow::write_at(extents_file_, 0, text);
  TRY(replace_file(dir_, "extents", text, 0600));
  TRY_ASSIGN(extents_file_, open_at(dir_, "extents", O_RDWR | O_NOFOLLOW));
  return {};
}

Status LocalIngest::record(std::int64_t offset, std::size_t size) {
  std::lock_guard lock(mutex_);
  extents_.add({offset, offset + static_cast<std::int64_t>(size)});
  if ((unwritten_ += static_cast<std::int64_t>(size)) >= kWriteback) {
    // All of the file: what is being written already costs nothing.
    begin_writeback(data_, 0, 0);
    unwritten_ = 0;
  }
  return extents_file_ ? save_extents() : Status();
}

Status LocalIngest::write(std::string_view data) {
  std::int64_t offset = this->offset();
  if (auto status = dhow::write_at(data_, offset, data); !status) {
    Error error = std::move(status).error().add_context("write content");
    if (!extents_file_ && ::ftruncate(data_.get(), offset) != 0) {
      return fail_errno(errno, cat(error.message(), "; cut the ingest back"));
    }
    return std::unexpected(std::move(error));
  }
  // Hashed while it is in the caches; what was resumed is hashed at the end.
  if (hashed_ == offset) {
    hasher_.update(data);
    hashed_ += static_cast<std::int64_t>(data.size());
  }
  return record(offset, data.size());
}

Status LocalIngest::write_at(std::int64_t offset, std::string_view data) {
  {
    // Before the file has a gap: who finds it is not to take its size for what is there.
    std::lock_guard lock(mutex_);
    if (!extents_file_) TRY(save_extents());
  }
  TRY_CONTEXT(dhow::write_at(data_, offset, data), "write content");
  return record(offset, data.size());
}

Status LocalIngest::hash_ahead() {
  std::int64_t end = offset();
  if (hashed_ == end) return {};
  // No more than there is: it is called for each piece that comes.
  std::string buffer(std::min(kHashPiece, static_cast<std::size_t>(end - hashed_)), '\0');
  while (hashed_ < end) {
    auto wanted = std::min(buffer.size(), static_cast<std::size_t>(end - hashed_));
    TRY_ASSIGN(std::size_t count, dhow::read_at(data_, hashed_, std::span(buffer).first(wanted)));
    if (count == 0) return fail(Code::kDataLoss, "an ingest was cut");
    hasher_.update(std::string_view(buffer).substr(0, count));
    hashed_ += static_cast<std::int64_t>(count);
  }
  return {};
}

Status LocalIngest::restart() {
  // The data first: extents behind its end are none.
  if (::ftruncate(data_.get(), 0) != 0) return fail_errno(errno, "empty an ingest");
  std::lock_guard lock(mutex_);
  extents_ = Extents();
  if (extents_file_) TRY(save_extents());
  resumed_ = hashed_ = 0;
  hasher_ = Hasher();
  return {};
}

Result<Digest> LocalIngest::hash(std::string_view algorithm) {
  if (algorithm == "sha256") {
    TRY(hash_ahead());
    hashed_ = 0;  // the hasher begins anew
    return hasher_.finish();
  }
  Hasher hasher(algorithm);
  TRY(hash_file(data_, hasher));
  return hasher.finish();
}

Status LocalIngest::check(const CommitRequest& request) {
  std::int64_t size = offset();
  if (request.size && *request.size != size) {
    return fail(Code::kDataLoss, cat("blob ", request.digest.text(), ": ", size, " bytes came, ",
                                     *request.size, " were announced"));
  }
  std::vector<Extent> there = extents();
  if (there.size() > 1 || (size == 0 && !there.empty())) {
    return fail(Code::kDataLoss,
                cat("blob ", request.digest.text(), ": bytes are missing from ", size, " on"));
  }
  // What came just before a death was not recorded.
  if (extents_file_ && ::ftruncate(data_.get(), size) != 0) {
    return fail_errno(errno, "cut an ingest");
  }
  TRY_ASSIGN(Digest found, hash(request.digest.algorithm()));
  if (found == request.digest) return {};
  return fail(Code::kDataLoss,
              cat("blob ", request.digest.text(), ": what came has the digest ", found.text()));
}

Status LocalIngest::adopt(Transaction& transaction, const CommitRequest& request) {
  const std::string& digest = request.digest.text();
  TRY_ASSIGN(std::int64_t added,
             transaction.run(
                 "INSERT INTO blob (digest, size, boot, created, labels) VALUES (?, ?, ?, ?, ?)"
                 " ON CONFLICT DO UPDATE SET boot = excluded.boot WHERE boot = 'lost'",
                 {digest, offset(), metadata::boot_id(), metadata::now(),
                  metadata::labels_json(request.labels)}));
  TRY(add_references(transaction, request.digest, request.references));
  if (!request.lease.empty()) {
    TRY(metadata::LeaseStore::add(transaction, request.lease,
                                  {metadata::ResourceKind::kBlob, digest}));
  }
  if (added != 0) TRY(files_.adopt(dir_, request.digest));
  return {};
}

void LocalIngest::forget() {
  // What stays when this fails is found again by name, or abandoned and dropped.
  std::ignore = remove_tree(files_.ingests(), folder_);
}

Status LocalIngest::commit(const CommitRequest& request) {
  if (auto status = check(request); !status) {
    TRY(restart());
    return status;
  }
  if (::fchmod(data_.get(), 0400) != 0) return fail_errno(errno, "make a blob read only");
  TRY(database_.write([&](Transaction& transaction) { return adopt(transaction, request); }));
  forget();
  // Readers may keep this object, the name is free.
  claim_.reset();
  return {};
}

}  // namespace

Result<std::unique_ptr<Ingest>> open_ingest(const BlobFiles& files, metadata::Database& database,
                                            OpenIngests& open, std::string_view name) {
  if (name.empty() || name.size() > kMaxName) {
    return fail(Code::kInvalidArgument, cat("the name of an ingest has 1 to ", kMaxName, " bytes"));
  }
  std::string folder = folder_name(name);
  auto claim = open.claim(folder);
  if (!claim) return in_use(name);
  TRY_ASSIGN(Fd dir, make_folder(files.ingests(), folder, 0700));
  auto ingest =
      std::make_unique<LocalIngest>(files, database, std::move(claim), folder, std::move(dir));
  TRY(ingest->begin(name));
  return std::unique_ptr<Ingest>(std::move(ingest));
}

Status add_references(Transaction& transaction, const Digest& digest,
                      const std::vector<metadata::Resource>& needed) {
  for (const metadata::Resource& resource : needed) {
    auto added = transaction.run(
        "INSERT INTO reference (holder, kind, target) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        {digest.text(), metadata::kind_name(resource.kind), resource.target});
    if (added) continue;
    if (added.error().code() != Code::kFailedPrecondition) return std::unexpected(added.error());
    return fail(Code::kNotFound, cat("blob ", digest.text(), " not found"));
  }
  return {};
}

Status abort_ingest(const BlobFiles& files, OpenIngests& open, std::string_view name) {
  std::string folder = folder_name(name);
  auto claim = open.claim(folder);
  return claim ? remove_tree(files.ingests(), folder) : in_use(name);
}

bool wait_for_ingest(OpenIngests& open, std::string_view name, std::stop_token stop) {
  return open.wait(folder_name(name), std::move(stop));
}

Status drop_old_ingests(const BlobFiles& files, OpenIngests& open, std::int64_t time) {
  TRY_ASSIGN(std::vector<std::string> folders, list_dir(files.ingests()));
  for (const std::string& folder : folders) {
    auto claim = open.claim(folder);
    if (!claim) continue;
    auto dir = open_at(files.ingests(), folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!dir) continue;  // gone meanwhile
    struct stat info{};
    bool found = ::fstatat(dir->get(), "data", &info, AT_SYMLINK_NOFOLLOW) == 0 ||
                 ::fstat(dir->get(), &info) == 0;
    std::int64_t written = std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
    if (found && written < time) TRY(remove_tree(files.ingests(), folder));
  }
  return {};
}

}  // namespace dhow::content
