// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"
#include "volume/volume_store.h"

namespace dhow::volume {

// The folders of volumes, apart from what the database says of them.
//   NAME/_data        content
//   NAME/_draft.*     what is to become it, in tree/, and scratch/ for whoever makes that
//   .trash/NAME       taken away by a transaction, which may not have come to its end
//   .trash/.gone-*    forgotten for good, to be reclaimed
//   .adopt/NAME       a folder from before there were rows, on its way
//   .layout           all folders have the shape above
// No volume's name begins with a dot. Thread safe.
class Folders {
 public:
  static Result<std::unique_ptr<Folders>> open(const std::string& path, RemoveTree remove_tree);

  std::string path(std::string_view name) const;  // NAME
  // Whether contents can be limited in size; faults as of check_project_quota.
  Status check_limits() const;
  // Makes NAME/_data, which may take `limit` bytes (0: no limit); what is there stays. A failure
  // leaves nothing new.
  Status make(std::string_view name, std::int64_t limit) const;
  bool exists(std::string_view name) const;
  // Renames it into the trash, from where restore brings it back; none is success.
  Status discard(std::string_view name) const;
  void restore(std::string_view name) const;
  // What is in the trash under that name is to be reclaimed.
  Status forget(std::string_view name) const;
  // Removes a folder that holds nothing; false: it holds something.
  bool drop_empty(std::string_view name) const;
  // What is in its tree/ counts apart from what is in NAME/_data, and has a limit of its own.
  Result<Store::Draft> make_draft(std::string_view name, std::int64_t limit) const;
  // Renames its tree/ over NAME/_data; with `replace` what is there goes to the trash.
  Status publish_draft(std::string_view name, const std::string& draft, bool replace) const;
  void drop_draft(std::string_view name, const std::string& draft) const;
  void drop_drafts(std::string_view name) const;

  Result<std::vector<std::string>> list() const;
  Result<std::vector<std::string>> list_discarded() const;
  Result<std::vector<std::string>> list_adopted() const;
  bool has_layout() const;
  Status set_layout() const;
  // The folder `from` becomes .adopt/NAME/_data; then that becomes NAME.
  Status begin_adoption(std::string_view name, const std::string& from) const;
  Status finish_adoption(std::string_view name) const;

  Status reclaim() const;

 private:
  Folders() = default;
  Status bury(FdRef folder, const std::string& name) const;

  std::string path_;
  RemoveTree remove_tree_;
  Fd root_;
  Fd trash_;
  Fd adopt_;
  mutable std::mutex reclaim_mutex_;
};

}  // namespace dhow::volume
