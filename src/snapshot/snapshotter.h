// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "metadata/collector.h"
#include "metadata/lease_store.h"
#include "snapshot/mount_plan.h"
#include "sys/fd.h"
#include "sys/mount_fd.h"

namespace dhow::snapshot {

enum class Kind {
  kActive,     // can be written
  kView,       // can be read
  kCommitted,  // a layer: never changes, others stand on it
};

struct Info {
  std::string name;    // the key of an active one or a view, the chain id of a layer
  std::string parent;  // "": none
  Kind kind = Kind::kActive;
  std::int64_t created = 0;  // nanoseconds since 1970
  std::int64_t updated = 0;
  metadata::Labels labels;
};

// What a snapshot takes beside those that it stands on.
struct Usage {
  std::int64_t bytes = 0;  // allocated
  std::int64_t inodes = 0;
  bool operator==(const Usage&) const = default;
};

// How a layer that is written apart shows what it removes. The names are those of
// unpack::Whiteouts, which this folder doesn't see.
enum class Whiteouts {
  kOverlay,      // a device 0:0, and trusted.overlay.opaque on a folder
  kUserOverlay,  // as kOverlay, with user.overlay.opaque
  kRemove,       // the whole tree is there: remove what goes
};

struct NewSnapshot {
  std::string key;
  std::string parent;  // a committed one; "": none
  metadata::Labels labels;
  std::string lease;  // holds the snapshot from its first moment; "": none
};

// A layer to be filled.
struct Draft {
  MountFd mount;  // of a whole tree: detached, goes with this object
  Fd folder;      // its root, open for reading
  Whiteouts whiteouts = Whiteouts::kOverlay;
};

struct Commit {
  std::string key;
  std::string name;
  metadata::Labels labels;
  std::string lease;
  // Of a draft made by begin_layer: what it stands on. One made by begin_whole knows; "" or the
  // same.
  std::string parent;
  std::optional<Usage> usage;  // measured when not given
};

// Root file systems in layers. Names are unique in one snapshotter, whatever their kind. Thread
// safe; calls block on the disk. Without a snapshot of that name: kNotFound.
class Snapshotter {
 public:
  virtual ~Snapshotter() = default;
  // As containerd calls it: "overlayfs", "native", "erofs".
  virtual std::string_view name() const = 0;

  // A snapshot that can be written, and one that can't. kAlreadyExists: the key is taken;
  // kNotFound: there is no such parent, or it is not committed.
  virtual Result<MountPlan> prepare(const NewSnapshot& wanted) = 0;
  virtual Result<MountPlan> view(const NewSnapshot& wanted) = 0;
  // How to mount an active one or a view. kDataLoss: a layer below was lost, and is to be unpacked
  // again. kFailedPrecondition for a committed one.
  virtual Result<MountPlan> mounts(std::string_view key) const = 0;
  // Makes a layer of an active snapshot. Nobody may write to it any more.
  virtual Status commit(const Commit& wanted) = 0;

  // Whether begin_layer can be used. Then all layers of an image can be written at the same time,
  // and are committed from the lowest up.
  virtual bool layers_apart() const = 0;
  // A layer to be written without those below. Drafts go when the store is opened the next time,
  // and by remove().
  virtual Result<Draft> begin_layer(const std::string& key) = 0;
  // A layer to be written into the whole tree: for those that need what is below.
  virtual Result<Draft> begin_whole(const std::string& key, const std::string& parent) = 0;
  // Makes a layer of a draft, whose folder and mount must be closed. kAlreadyExists: that layer is
  // there; the draft is removed.
  virtual Status commit_layer(const Commit& wanted) = 0;

  virtual Result<Info> stat(std::string_view name) const = 0;
  // All of them, parents before those that stand on them.
  virtual Result<std::vector<Info>> list() const = 0;
  // Looks at each file of an active one; of a committed one it is known.
  virtual Result<Usage> usage(std::string_view name) const = 0;
  virtual Status set_labels(std::string_view name, const metadata::Labels& labels) = 0;
  // Forgets a snapshot, in no more than a few system calls; empty_trash reclaims.
  // kFailedPrecondition when others stand on it.
  virtual Status remove(std::string_view name) = 0;
  // Returns when those layers are on the disk to stay. Naming an image comes after it.
  virtual Status sync(const std::vector<std::string>& names) = 0;
  // Whether set_quota can work at all; faults as of it.
  virtual Status check_quota() const = 0;
  // Limits the bytes that an active snapshot takes, from now on; 0: no limit. kUnimplemented, with
  // the name of the file system, where it has no project quota, and for snapshots that are whole
  // trees; kPermissionDenied in a user namespace; kFailedPrecondition when files were written
  // before the first limit.
  virtual Status set_quota(std::string_view key, std::int64_t bytes) = 0;

  // For the collector: takes the folder of a snapshot of this snapshotter away.
  virtual metadata::Collector::Remover remover() = 0;
  // Reclaims what was forgotten. May take long; safe beside everything else.
  virtual Status empty_trash() = 0;
};

}  // namespace dhow::snapshot
