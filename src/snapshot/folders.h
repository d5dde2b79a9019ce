// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"
#include "sys/process_lock.h"

namespace dhow::snapshot {

// The folders of a snapshotter. It knows nothing of the database: what a folder means is for the
// store.
//   snapshots/ID/   content
//   new/            not in the database yet
//   trash/ID/       taken away by a transaction, which may not have come to its end
//   trash/gone-*    forgotten for good, to be reclaimed
// Thread safe.
class Folders {
 public:
  // Makes what is missing (mode 0711, as processes of other users live in what is below). Holds a
  // lock on the folder for as long as it lives: kUnavailable when another process has it. The path
  // becomes a part of mount options: kInvalidArgument when it is relative or has a comma, a colon
  // or a backslash.
  static Result<std::unique_ptr<Folders>> open(const std::string& path);

  // An empty folder below new/, which goes with the object unless it was kept.
  class Fresh {
   public:
    Fresh(Fresh&& other) noexcept
        : folders_(std::exchange(other.folders_, nullptr)),
          name_(std::move(other.name_)),
          fd_(std::move(other.fd_)),
          id_(other.id_) {}
    Fresh& operator=(Fresh&&) = delete;
    ~Fresh();
    const Fd& fd() const { return fd_; }
    // Renames it to its place. Inside the transaction that makes the row.
    Status place(std::int64_t id);
    // The transaction came to its end.
    void keep() { folders_ = nullptr; }

   private:
    friend class Folders;
    Fresh(const Folders* folders, std::string name, Fd fd)
        : folders_(folders), name_(std::move(name)), fd_(std::move(fd)) {}
    const Folders* folders_;
    std::string name_;
    Fd fd_;
    std::optional<std::int64_t> id_;
  };
  Result<Fresh> make() const;

  FdRef fd() const { return root_; }
  std::string path(std::int64_t id) const;
  Result<Fd> open(std::int64_t id) const;
  bool exists(std::int64_t id) const;
  // Renames the folder into the trash, from where restore brings it back; none is success.
  Status discard(std::int64_t id) const;
  // False when there is nothing to bring back.
  bool restore(std::int64_t id) const;
  // Renames what new/, or `name` in snapshots/ or in the trash, is into something that is
  // reclaimed.
  Status forget_fresh() const;
  Status forget(std::int64_t id) const;
  Status forget_discarded(std::int64_t id) const;
  // The numbers that are in snapshots/, and in the trash.
  Result<std::vector<std::int64_t>> list() const;
  Result<std::vector<std::int64_t>> list_discarded() const;
  // Removes what was forgotten; goes on after a failure, and returns the first. One at a time.
  Status reclaim() const;
  // syncfs(2).
  Status sync() const;

 private:
  Folders() = default;
  Status bury(FdRef folder, const std::string& name) const;

  std::string path_;
  Fd root_;
  ProcessLock lock_;
  Fd snapshots_;
  Fd new_;
  Fd trash_;
  mutable std::atomic<std::uint64_t> next_ = 0;
  mutable std::mutex reclaim_mutex_;
};

}  // namespace dhow::snapshot
