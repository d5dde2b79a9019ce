// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "metadata/database.h"
#include "metadata/lease_store.h"
#include "sys/fd.h"

namespace dhow::volume {

class Folders;

inline constexpr std::string_view kLocalDriver = "local";
// What docker marks the volumes with that nobody named.
inline constexpr std::string_view kAnonymousLabel = "com.docker.volume.anonymous";

struct Record {
  std::string name;
  std::string driver = std::string(kLocalDriver);
  metadata::Labels options;  // of the driver
  metadata::Labels labels;
  std::int64_t created = 0;  // nanoseconds since 1970
  // The container that it was made for without a name, and goes with; "": none.
  std::string owner;
  bool is_anonymous() const { return labels.contains(std::string(kAnonymousLabel)); }
};

// More that happens in a transaction: an event.
using Also = std::function<Status(metadata::Transaction&, const Record&)>;
// Removes a tree of any depth below a folder; a missing one is success.
using RemoveTree = std::function<Status(FdRef, std::string_view)>;

// The volumes of one data folder: a row and the folder PATH/NAME/_data each. The row decides: a
// death between the two steps is finished or undone by the next open(). Faults have docker's
// words, because clients tell by them. Thread safe; calls block on the disk.
class Store {
 public:
  // Makes the folder, and recovers what it finds. Folders from before there were volumes with names
  // become volumes. The database is borrowed.
  static Result<std::unique_ptr<Store>> open(const std::string& path, metadata::Database& database,
                                             RemoveTree remove_tree);
  ~Store();

  struct Created {
    Record record;
    bool fresh = false;  // false: it was there already
  };
  // The same name again is success, with what is there; of another driver kAlreadyExists. A name
  // that can't be one, or options that the driver has not, are kInvalidArgument; an unknown driver
  // kNotFound. An empty name becomes 64 hexadecimal digits, and the volume an anonymous one.
  // `has_driver`: the caller has made out that the driver is there.
  Result<Created> create(Record wanted, const Also& also = {}, bool has_driver = false);
  // Takes a folder in as the content of a new volume, by renaming; what is there stays. None at
  // `from` is success: then a death came between.
  Status adopt(Record wanted, const std::string& from);
  // kNotFound: "get NAME: no such volume".
  Result<Record> get(std::string_view name) const;
  // Sorted by their names.
  Result<std::vector<Record>> list() const;
  // Ids of the containers that mount it.
  Result<std::vector<std::string>> users(std::string_view name) const;
  // kFailedPrecondition while a container has it: "remove NAME: volume is in use - [ID, ID]". What
  // was in it is reclaimed by reclaim().
  Status remove(std::string_view name, const Also& also = {});
  // Names of those that nobody uses and whose owner is gone: that container, or, with "", any; then
  // no container may be on its way.
  Result<std::vector<std::string>> forsaken(std::string_view owner) const;

  // The folder of its content, of the local driver.
  std::string path(std::string_view name) const;
  // Two empty folders beside the content, on the same file system: what is to become it, and one
  // for whoever writes that. What a death leaves of it goes with the next open().
  struct Draft {
    std::string name;
    Fd tree;
    Fd scratch;
  };
  Result<Draft> make_draft(std::string_view name) const;
  // Puts the draft in the place of the content, at once. kFailedPrecondition, with the draft
  // removed, when there is content already and `replace` is not set.
  Status publish_draft(std::string_view name, const Draft& draft, bool replace) const;
  void drop_draft(std::string_view name, const Draft& draft) const;
  // Held while a volume is filled, or its content replaced.
  std::mutex& filling(std::string_view name) const;

  // Removes what was taken away. One at a time.
  Status reclaim() const;

  // As parts of transactions on containers. Mounts it: kFailedPrecondition when it is gone.
  static Status use(metadata::Transaction& transaction, std::string_view name,
                    std::string_view container);
  // The container's row has gone: what it owns stays when `keep` is set, or others use it.
  static Status disown(metadata::Transaction& transaction, std::string_view container, bool keep);

 private:
  Store(metadata::Database& database, std::unique_ptr<Folders> folders);
  Status recover();
  Status convert_old() const;

  metadata::Database& database_;
  std::unique_ptr<Folders> folders_;
  static constexpr std::size_t kLocks = 32;
  mutable std::mutex filling_[kLocks];
};

// 64 hexadecimal digits that no other volume has.
Result<std::string> make_volume_name();
// Docker's rule for names of local volumes, in its words.
Status check_name(std::string_view name);
// The same for "" and a driver that is there.
Status check_driver(std::string_view name, std::string_view driver);

}  // namespace dhow::volume
