// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "snapshot/snapshotter.h"
#include "sys/fd.h"

namespace dhow::snapshot {

// What a folder is made for.
enum class Purpose {
  kActive,
  kView,
  kApart,  // a layer that is written without those below
};

// A folder of snapshots/.
struct Place {
  std::string path;
};

// How one kind of snapshotter keeps its content: everything but rows and folders' lives. A
// snapshot's tree, or what it adds, is in "fs" in its folder. Thread safe; without state.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;
  // As in Snapshotter.
  virtual bool layers_apart() const = 0;
  virtual Whiteouts whiteouts() const = 0;
  // Fills a new, empty folder; `lower` are the layers below, the topmost first. May take long.
  virtual Status fill(FdRef folder, Purpose purpose, const std::vector<Place>& lower) const = 0;
  virtual MountPlan plan(const Place& own, Kind kind, const std::vector<Place>& lower) const = 0;
  // The folder's content becomes a layer; `lower` is what it is going to stand on. May take long;
  // when what follows fails, or a crash comes between, the folder must still do as an active one.
  virtual Status seal(FdRef folder, const std::vector<Place>& lower) const = 0;
  // After the row says that it is a layer: what only an active one needs may go. Failures don't
  // count.
  virtual void trim(FdRef folder) const = 0;
  virtual Result<Usage> measure(FdRef folder, Kind kind) const = 0;
  // Whether there is all in the folder that there has to be.
  virtual bool is_whole(FdRef folder, Kind kind) const = 0;
};

}  // namespace dhow::snapshot
