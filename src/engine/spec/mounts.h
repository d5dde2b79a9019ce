// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/container_config.h"
#include "engine/container_types.h"
#include "oci/config.h"

namespace dhow::oci {
class JsonReader;
}

namespace dhow::engine {

// A mount that a container asks for, by whichever flag.
struct WantedMount {
  std::string type;         // "bind", "tmpfs", "volume"
  std::string source;       // of a bind; of a volume its name, "" until an anonymous one has one
  std::string destination;  // clean, absolute
  bool read_only = false;
  bool read_only_top_only = false;  // submounts may be written
  bool recursive = true;
  bool make_source = false;          // a missing source becomes a folder
  std::string propagation;           // "": rprivate
  std::vector<std::string> options;  // of tmpfs; of others those that the runtime gets as they are
  std::string mode;                  // as it was written, for inspect
  bool copy_up = true;               // of a volume: begins with what the image has there
  std::string subpath;               // of a volume or image: the part of it that is mounted
  std::string driver;                // of a volume
  bool overlay = false;              // what is written goes with the container
  // The volume is one of Config.Volumes: everything else at that place goes before it.
  bool is_default = false;
  bool operator==(const WantedMount&) const = default;
};

// Those of HostConfig.Binds, Mounts and Tmpfs, and of Config.Volumes, by destination. Faults
// are kInvalidArgument in docker's words. `look`: the
// sources of Mounts have to be there.
Result<std::vector<WantedMount>> wanted_mounts(const CreateConfig& config, bool look = true);

// A value of HostConfig.VolumesFrom: "CONTAINER[:MODE]".
struct VolumesFrom {
  std::string container;
  bool read_only = false;
};
Result<VolumesFrom> parse_volumes_from(std::string_view text);

// What a container has mounted, as its row keeps it.
std::string mounts_json(const std::vector<WantedMount>& mounts);
void decode(const oci::JsonReader& in, WantedMount& out);

// As inspect shows it; `volume` is the folder of a volume.
MountPoint mount_point(const WantedMount& mount, const std::string& volume);

// Where what is mounted is at a start, where that is not the mount's own source.
struct VolumeSource {
  std::string type;  // "": a bind of `path`; else a file system to be mounted
  std::string path;  // or what that file system is on
  std::vector<std::string> options;
};

// For the runtime.
oci::Mount spec_mount(const WantedMount& mount, const VolumeSource& volume);

// "/a//b/../c/" is "/a/c".
std::string clean_path(std::string_view path);

}  // namespace dhow::engine
