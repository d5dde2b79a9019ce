// SPDX-License-Identifier: Apache-2.0
#include "content/local_content_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>

#include "base/hasher.h"
#include "base/log.h"
#include "base/strings.h"
#include "content/blob_files.h"
#include "content/local_ingest.h"
#include "metadata/boot.h"
#include "sys/file_io.h"

namespace dhow::content {
namespace {

using metadata::Row;
using metadata::Transaction;

constexpr std::int64_t kAbandonedAfter = std::int64_t{24} * 3600 * 1'000'000'000;

// A blob whose content was lost has no place but in what names it.
constexpr std::string_view kSelect =
    "SELECT digest, size, created, labels FROM blob WHERE boot IS NOT 'lost'";

std::unexpected<Error> no_blob(const Digest& digest) {
  return fail(Code::kNotFound, cat("blob ", digest.text(), " not found"));
}

Result<BlobInfo> read_info(const Row& row) {
  BlobInfo info;
  TRY_ASSIGN(info.digest, Digest::parse(row.text(0)));
  info.size = row.integer(1);
  info.created = row.integer(2);
  TRY_ASSIGN(info.labels, metadata::parse_labels(row.text(3)));
  return info;
}

class Store final : public LocalContentStore {
 public:
  Store(BlobFiles files, metadata::Database& database)
      : files_(std::move(files)), database_(database) {}

  Status recover();

  Result<BlobInfo> stat(const Digest& digest) const override;
  Result<Fd> open(const Digest& digest) const override;
  Result<std::string> read(const Digest& digest, std::size_t limit) override;
  Result<std::vector<BlobInfo>> list() const override;
  Result<std::unique_ptr<Ingest>> ingest(std::string_view name) override {
    return open_ingest(files_, database_, open_, name);
  }
  Status abort(std::string_view name) override { return abort_ingest(files_, open_, name); }
  Status wait_for_ingest(std::string_view name, std::stop_token stop) override {
    if (content::wait_for_ingest(open_, name, std::move(stop))) return {};
    return fail(Code::kCancelled, cat("wait for the ingest ", quoted(name), ": cancelled"));
  }
  Status hold(const Digest& digest, const std::string& lease) override;
  Status verify(const Digest& digest) override;
  Status refer(const Digest& digest, const std::vector<metadata::Resource>& needed) override {
    return database_.write(
        [&](Transaction& transaction) { return add_references(transaction, digest, needed); });
  }
  Status discard(const Digest& digest) override;
  Status sync(const std::vector<Digest>& digests) override;
  metadata::Collector::Remover remover() override;
  Status empty_trash() override;

 private:
  struct Known {
    Digest digest;
    std::int64_t size = 0;
    std::string boot;
  };
  Result<std::vector<Known>> known() const;
  // Whether the blob's file is what its row says; `thorough`: by its digest.
  Result<bool> is_whole(const Known& blob, bool thorough) const;
  Status recover_blob(const Known& blob);
  // Files without a row: their transaction never was.
  Status drop_strangers();

  BlobFiles files_;
  metadata::Database& database_;
  OpenIngests open_;
};

Result<BlobInfo> Store::stat(const Digest& digest) const {
  std::optional<BlobInfo> found;
  TRY(database_.read([&](Transaction& transaction) {
    return transaction.query(cat(kSelect, " AND digest = ?"), {digest.text()},
                             [&](const Row& row) -> Status {
                               TRY_ASSIGN(found, read_info(row));
                               return {};
                             });
  }));
  if (!found) return no_blob(digest);
  return std::move(*found);
}

Result<Fd> Store::open(const Digest& digest) const {
  auto file = files_.open(digest);
  if (!file && file.error().sys_errno() == ENOENT) return no_blob(digest);
  return file;
}

Result<std::string> Store::read(const Digest& digest, std::size_t limit) {
  TRY_ASSIGN(Fd file, open(digest));
  auto content = read_all(file, limit);
  if (!content) {
    return std::unexpected(std::move(content).error().add_context(cat("blob ", digest.text())));
  }
  Hasher hasher(digest.algorithm());
  hasher.update(*content);
  if (hasher.finish() != digest) {
    TRY(discard(digest));
    return fail(Code::kDataLoss, cat("blob ", digest.text(), ": its content is damaged"));
  }
  return content;
}

Result<std::vector<BlobInfo>> Store::list() const {
  std::vector<BlobInfo> blobs;
  TRY(database_.read([&](Transaction& transaction) {
    return transaction.query(cat(kSelect, " ORDER BY digest"), {}, [&](const Row& row) -> Status {
      TRY_ASSIGN(BlobInfo info, read_info(row));
      blobs.push_back(std::move(info));
      return {};
    });
  }));
  return blobs;
}

Status Store::hold(const Digest& digest, const std::string& lease) {
  return database_.write([&](Transaction& transaction) -> Status {
    // In one transaction: between a look and a hold the collector might come.
    bool found = false;
    TRY(transaction.query(cat(kSelect, " AND digest = ?"), {digest.text()},
                          [&](const Row&) -> Status {
                            found = true;
                            return {};
                          }));
    if (!found) return no_blob(digest);
    return metadata::LeaseStore::add(transaction, lease,
                                     {metadata::ResourceKind::kBlob, digest.text()});
  });
}

Status Store::verify(const Digest& digest) {
  TRY_ASSIGN(Fd file, open(digest));
  Hasher hasher(digest.algorithm());
  TRY_CONTEXT(hash_file(file, hasher), cat("blob ", digest.text()));
  if (hasher.finish() == digest) return {};
  TRY(discard(digest));
  return fail(Code::kDataLoss, cat("blob ", digest.text(), ": its content is damaged"));
}

Status Store::discard(const Digest& digest) {
  // The row stays when an image or a lease names it: the digest is what they need, and what is
  // fetched again is the same blob.
  return database_.write([&](Transaction& transaction) -> Status {
    TRY(transaction.run("UPDATE blob SET boot = 'lost' WHERE digest = ?", {digest.text()}));
    return files_.discard(digest);
  });
}

Status Store::sync(const std::vector<Digest>& digests) {
  std::vector<Digest> unsynced;
  TRY(database_.read([&](Transaction& transaction) -> Status {
    for (const Digest& digest : digests) {
      bool found = false;
      TRY(transaction.query("SELECT boot FROM blob WHERE digest = ?", {digest.text()},
                            [&](const Row& row) -> Status {
                              found = true;
                              if (!row.is_null(0)) unsynced.push_back(digest);
                              return {};
                            }));
      if (!found) return no_blob(digest);
    }
    return {};
  }));
  if (unsynced.empty()) return {};
  for (const Digest& digest : unsynced) TRY(files_.sync(digest));
  TRY(files_.sync_folders());
  TRY(database_.write([&](Transaction& transaction) -> Status {
    for (const Digest& digest : unsynced) {
      TRY(transaction.run("UPDATE blob SET boot = NULL WHERE digest = ?", {digest.text()}));
    }
    return {};
  }));
  return database_.sync();
}

metadata::Collector::Remover Store::remover() {
  return [this](const metadata::Garbage& garbage) -> Status {
    TRY_ASSIGN(Digest digest, Digest::parse(garbage.name));
    return files_.discard(digest);
  };
}

Status Store::empty_trash() {
  TRY(files_.empty_trash());
  return drop_old_ingests(files_, open_, metadata::now() - kAbandonedAfter);
}

Result<std::vector<Store::Known>> Store::known() const {
  std::vector<Known> blobs;
  TRY(database_.read([&](Transaction& transaction) {
    return transaction.query(
        "SELECT digest, size, boot FROM blob", {}, [&](const Row& row) -> Status {
          TRY_ASSIGN(Digest digest, Digest::parse(row.text(0)));
          blobs.push_back({std::move(digest), row.integer(1), row.is_null(2) ? "" : row.text(2)});
          return {};
        });
  }));
  return blobs;
}

Result<bool> Store::is_whole(const Known& blob, bool thorough) const {
  auto file = files_.open(blob.digest);
  if (!file) {
    if (file.error().sys_errno() == ENOENT) return false;
    return std::unexpected(file.error());
  }
  struct stat info{};
  if (::fstat(file->get(), &info) != 0)
    return fail_errno(errno, cat("stat blob ", blob.digest.text()));
  if (info.st_size != blob.size) return false;
  if (!thorough) return true;
  Hasher hasher(blob.digest.algorithm());
  TRY(hash_file(*file, hasher));
  return hasher.finish() == blob.digest;
}

Status Store::recover_blob(const Known& blob) {
  bool unsynced = !blob.boot.empty() && blob.boot != metadata::boot_id();
  TRY_ASSIGN(bool whole, is_whole(blob, unsynced));
  if (!whole && files_.restore(blob.digest)) {
    TRY_ASSIGN(whole, is_whole(blob, true));
  }
  if (whole) {
    if (unsynced) TRY(sync({blob.digest}));
    return {};
  }
  if (blob.boot != "lost") {
    log::warning(cat("blob ", blob.digest.text(), " is damaged: it has to be fetched again"));
  }
  return discard(blob.digest);
}

Status Store::drop_strangers() {
  TRY_ASSIGN(std::vector<Digest> present, files_.list());
  for (const Digest& digest : present) {
    auto info = stat(digest);
    if (info) continue;
    if (info.error().code() != Code::kNotFound) return std::unexpected(info.error());
    TRY(files_.discard(digest));
  }
  return {};
}

Status Store::recover() {
  TRY_ASSIGN(std::vector<Known> blobs, known());
  for (const Known& blob : blobs) TRY(recover_blob(blob));
  return drop_strangers();
}

}  // namespace

Status ContentStore::put(std::string_view content, const CommitRequest& request) {
  TRY_ASSIGN(std::unique_ptr<Ingest> writer, ingest(request.digest.text()));
  TRY(writer->restart());
  TRY(writer->write(content));
  return writer->commit(request);
}

Result<std::unique_ptr<LocalContentStore>> open_local_store(const std::string& folder,
                                                            metadata::Database& database) {
  TRY_ASSIGN(BlobFiles files, BlobFiles::open(folder));
  auto store = std::make_unique<Store>(std::move(files), database);
  TRY_CONTEXT(store->recover(), cat("recover the content store ", quoted(folder)));
  return std::unique_ptr<LocalContentStore>(std::move(store));
}

}  // namespace dhow::content
