// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/container_types.h"
#include "engine/spec/mounts.h"
#include "metadata/database.h"

namespace dhow::engine {

// What is settled when a container is made.
struct ContainerFacts {
  std::string path;
  std::vector<std::string> args;
  std::string image_id;                // digest of what the name stood for; "": from no image
  oci::Descriptor manifest;            // of the platform
  std::string parent;                  // the snapshot of the image's topmost layer; "": none
  std::vector<std::string> anonymous;  // paths of the image's and the request's own volumes
  // What is mounted, with the names of volumes. None: of a row from before volumes had names.
  std::optional<std::vector<WantedMount>> mounts;
};

// Where a container stands, beside what everybody sees of it.
struct ContainerProgress {
  ContainerState state;
  std::int64_t restart_count = 0;
  // Somebody stopped it: unless-stopped and always leave it alone.
  bool stopped_by_hand = false;
  // A start has begun; a task may be there. Cleared with the exit's cleaning up.
  bool has_task = false;
};

// A container as the database has it.
struct ContainerRecord {
  std::string id;
  std::string name;
  std::int64_t created = 0;
  CreateConfig config;
  ContainerFacts facts;
  ContainerProgress progress;

  std::string snapshot() const { return "container/" + id; }
  const std::vector<WantedMount>& mounts() const {
    static const std::vector<WantedMount> kNone;
    return facts.mounts ? *facts.mounts : kNone;
  }
};

// What can be said of a row whose texts can't be read.
struct UnreadableRow {
  std::string id;
  std::string name;
  Error reason;
};

// The rows of one namespace, within a transaction.
class ContainerRows {
 public:
  ContainerRows(metadata::Transaction& transaction, std::string_view name_space)
      : transaction_(transaction), name_space_(name_space) {}

  // With the lease that holds the image. kAlreadyExists when the name is taken.
  Status insert(const ContainerRecord& record) const;
  Status set_progress(const ContainerRecord& record) const;
  Status set_config(const ContainerRecord& record) const;
  Status set_name(const ContainerRecord& record) const;
  Status set_facts(const ContainerRecord& record) const;
  // The id that has the name; "": none.
  Result<std::string> find_name(std::string_view name) const;
  // With its lease. None is success.
  Status remove(std::string_view id) const;
  // A row that can't be read is handed to `unreadable`, and left out.
  Result<std::vector<ContainerRecord>> list(
      const std::function<void(UnreadableRow)>& unreadable) const;

 private:
  metadata::Transaction& transaction_;
  std::string_view name_space_;
};

}  // namespace dhow::engine
