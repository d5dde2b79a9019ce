// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/container_types.h"
#include "engine/events.h"
#include "engine/workers.h"
#include "volume/plugin.h"
#include "volume/volume_store.h"

namespace dhow::engine {

struct ContainerRecord;

struct VolumeInfo {
  volume::Record record;
  std::string mountpoint;
  std::vector<std::string> users;    // ids of containers
  std::optional<std::int64_t> size;  // bytes; only when asked for; -1: not known
};

// The use cases of volumes, on their store, with events. Errors have docker's words. Thread safe;
// calls block on the disk. What is borrowed outlives it.
class Volumes {
 public:
  // `plugins`: folders with sockets of drivers.
  Volumes(volume::Store& store, Events& events,
          std::vector<std::string> plugins = {volume::kPluginFolder})
      : store_(store), events_(events), plugins_(std::move(plugins)), workers_(1) {}

  // As Store::create; other drivers than the local one are plugins, which are asked first.
  Result<VolumeInfo> create(volume::Record wanted);
  Result<VolumeInfo> inspect(std::string_view name) const;
  // Filters: dangling, driver, label, name. `size` measures what each takes.
  Result<std::vector<VolumeInfo>> list(const Filters& filters, bool size) const;
  // With `force` one that is not there is success.
  Status remove(std::string_view name, bool force);
  // Those that no container has: without the filter all=1 only those that nobody named. Filters:
  // all, label, label!.
  Result<PruneAnswer> prune(const Filters& filters);

  // What containers need of it.
  volume::Store& store() { return store_; }
  static bool is_local(const std::string& driver) {
    return driver.empty() || driver == volume::kLocalDriver;
  }
  // Of a plugin's volume: where it is for that container, until it is unmounted for it.
  Result<std::string> mount(const std::string& name, const std::string& driver,
                            const std::string& container) const;
  Result<std::string> path(const std::string& name, const std::string& driver) const;
  // A failure is logged: nobody could do anything about it.
  void unmount(const std::string& name, const std::string& driver,
               const std::string& container) const;
  // In the transaction that makes a container's row, after it.
  static Status use(metadata::Transaction& transaction, const ContainerRecord& record);
  // In the one that removes it, after it.
  static Status release(metadata::Transaction& transaction, std::string_view container, bool keep);
  // Removes what is left of a container that is gone; of all such with "", when none is on its way.
  void drop_forsaken(std::string_view container);
  // Files are reclaimed beside what comes next.
  void reclaim_later();

 private:
  VolumeInfo info_of(volume::Record record) const;
  Result<VolumeInfo> create_by_plugin(volume::Record wanted);
  Result<VolumeInfo> add(volume::Record wanted, bool has_driver);
  Status remove_by_plugin(const volume::Record& record);

  volume::Store& store_;
  Events& events_;
  const std::vector<std::string> plugins_;
  Workers workers_;
};

// One of a volume: "create", "mount", …
Event volume_event(std::string_view name, std::string_view driver, std::string action);

}  // namespace dhow::engine
