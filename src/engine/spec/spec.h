// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "engine/container_record.h"
#include "engine/engine.h"
#include "engine/id_remap.h"
#include "engine/spec/mounts.h"
#include "engine/spec/seccomp_filters.h"
#include "engine/spec/user.h"
#include "oci/config.h"

namespace dhow::engine {

// What a bundle's config.json is made from. All is borrowed for the call.
struct SpecInput {
  const ContainerRecord& container;
  const EngineOptions& engine;
  const SeccompFilters& seccomp;  // of the engine's default profile
  const ContainerUser& user;
  std::string folder;  // with its files hostname, hosts and resolv.conf
  std::vector<WantedMount> mounts;
  std::vector<VolumeSource> volumes;  // of each of them; nothing where it is none
  // Namespaces of others to join: "network" -> "/proc/7/ns/net".
  TextMap joined;
  std::string shm;  // of ipc mode shareable or container:X: the folder that is /dev/shm
  const IdRemap* remap = nullptr;  // null: no user namespace
  bool unified = false;            // cgroup v2 alone
  std::string init;                // the program of --init; "": none
  std::vector<std::string> link_variables;
  bool takes_ready_filter = false;  // the runtime, by its annotation
};

// The configuration that docker would give to the runtime, in effect. kInvalidArgument for what it
// refuses at a start.
Result<oci::Config> make_spec(const SpecInput& input);

// The process of an exec in a container.
Result<oci::Process> exec_process(const ContainerRecord& container, const EngineOptions& engine,
                                  const ContainerUser& user, const ExecConfig& exec,
                                  const std::vector<std::string>& link_variables = {});

// docker's refusals that need nothing but the configuration and this machine, and what it fills in.
Status check_config(CreateConfig& config, const EngineOptions& engine,
                    std::vector<std::string>& warnings);

// The mode, and the name of the network, of a container that has none.
inline constexpr const char* kNoNetwork = "none";

// "bridge" of "default" and "".
std::string network_mode(const HostConfig& host);
// The id or name after "container:"; "": it is another mode.
std::string joined_container(const std::string& mode);

// What of /proc and /sys is hidden, and what is read-only, in a container that is not privileged:
// what was asked for, or docker's.
std::vector<std::string> masked_paths(const HostConfig& host);
std::vector<std::string> readonly_paths(const HostConfig& host);

}  // namespace dhow::engine
