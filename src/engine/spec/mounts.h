// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/container_config.h"
#include "engine/container_types.h"
#include "oci/config.h"

namespace dhow::engine {

// A mount that a container asks for, by whichever flag.
struct WantedMount {
  std::string type;  // "bind", "tmpfs", "volume" (an anonymous one)
  std::string source;
  std::string destination;  // clean, absolute
  bool read_only = false;
  bool read_only_top_only = false;  // submounts may be written
  bool recursive = true;
  bool make_source = false;          // a missing source becomes a folder
  std::string propagation;           // "": rprivate
  std::vector<std::string> options;  // of tmpfs
  std::string mode;                  // as it was written, for inspect
  bool copy_up = true;               // of a volume: begins with what the image has there
};

// Those of HostConfig.Binds, Mounts and Tmpfs, and of Config.Volumes, by destination. Named
// volumes, volume drivers, VolumesFrom and image mounts are kUnimplemented with the field's name;
// faults kInvalidArgument in docker's words. Looks for the sources of Mounts.
Result<std::vector<WantedMount>> wanted_mounts(const CreateConfig& config);

// As inspect shows it; `volume` is the folder of an anonymous volume.
MountPoint mount_point(const WantedMount& mount, const std::string& volume);

// For the runtime; `volume` as above.
oci::Mount spec_mount(const WantedMount& mount, const std::string& volume);

// "/a//b/../c/" is "/a/c".
std::string clean_path(std::string_view path);

}  // namespace dhow::engine
