// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "metadata/database.h"
#include "snapshot/snapshotter.h"

namespace dhow::snapshot {

// A row of the table.
struct Record {
  std::int64_t id = 0;
  std::int64_t parent = 0;  // 0: none
  Info info;                // a draft is kActive here
  bool is_draft = false;
  bool is_lost = false;  // its content is gone; others stand on it
  std::string boot;      // "": synced
  std::optional<Usage> usage;
};

// The rows of one snapshotter, in one transaction. Borrows both.
class Rows {
 public:
  Rows(metadata::Transaction& transaction, std::string_view snapshotter)
      : transaction_(transaction), snapshotter_(snapshotter) {}

  // Lost ones too.
  Result<std::optional<Record>> find(std::string_view name) const;
  // kNotFound when there is none, or it was lost.
  Result<Record> get(std::string_view name) const;
  // The committed one of that name, or kNotFound.
  Result<Record> get_parent(std::string_view name) const;
  // What the record stands on, the topmost first. kDataLoss when one of them was lost.
  Result<std::vector<Record>> chain(const Record& record) const;
  // Parents come first.
  Result<std::vector<Record>> list() const;
  Result<bool> has_children(std::int64_t id) const;
  // Lost ones don't count.
  Result<bool> contains(std::int64_t id) const;

  // `kind` is as in the table. kAlreadyExists when the name is taken. Gives the id.
  Result<std::int64_t> insert(const NewSnapshot& wanted, std::string_view kind,
                              std::int64_t parent) const;
  // Makes a layer of a record: kAlreadyExists when there is one of that name. One that was lost
  // gives its place up.
  Status commit(const Record& record, const Commit& wanted, std::int64_t parent,
                const Usage& usage) const;
  Status set_labels(std::int64_t id, const metadata::Labels& labels) const;
  Status set_synced(std::int64_t id) const;
  Status set_lost(std::int64_t id) const;
  Status remove(std::int64_t id) const;
  // For a lease of that name; "": none.
  Status hold(const std::string& lease, const std::string& name) const;

 private:
  Result<std::vector<Record>> select(std::string_view condition,
                                     std::vector<metadata::Parameter> parameters) const;
  Result<bool> any(std::string_view query, std::vector<metadata::Parameter> parameters) const;

  metadata::Transaction& transaction_;
  std::string snapshotter_;
};

// kNotFound, in the words that all snapshotters use.
std::unexpected<Error> no_snapshot(std::string_view name);

}  // namespace dhow::snapshot
