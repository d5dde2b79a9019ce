// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "content/local_content_store.h"
#include "engine/containers.h"
#include "engine/events.h"
#include "engine/image_pull.h"
#include "engine/networks.h"
#include "engine/volumes.h"
#include "image/image_store.h"
#include "metadata/database.h"
#include "metadata/lease_store.h"
#include "snapshot/snapshotter.h"

namespace dhow::engine {

// How a runtime is reached: by our shim, with the runtime library in it or an OCI program, or by
// another shim.
struct RuntimeChoice {
  std::string shim;                  // "": ours; "io.containerd.runc.v2", or a path
  std::string binary;                // the OCI program of our shim or of runc's; "": in process
  std::vector<std::string> options;  // of the program
};

struct EngineOptions {
  std::string root;   // DATA of docs/engine.md, absolute
  std::string state;  // STATE
  std::string name_space = "moby";
  std::string builtin_images;  // the folder share/dhow/images; "": beside the programs
  std::string shim;            // our shim's file; "": beside the program, then in $PATH
  std::string init;            // the init of --init; as `shim`: "dhow-init"
  // Beside "dhow", "runc" and "crun", which are there.
  std::map<std::string, RuntimeChoice> runtimes;
  std::string default_runtime = "dhow";
  std::string cgroup_parent = "/docker";  // "": none, and so no limits; for ordinary users
  bool systemd_cgroup = false;
  std::string userns_remap;  // as resolve_remap() takes it; "": none
  // A file; "" and "builtin": the built-in one, "unconfined": none.
  std::string seccomp_profile;
  bool no_new_privileges = false;
  std::int64_t shm_size = std::int64_t{64} << 20;
  std::string log_driver = "json-file";
  TextMap log_options;
  std::string storage_driver;  // as open_snapshots() takes it
  std::int64_t root_size = 0;  // bytes that a container's root may take; 0: no limit
  std::vector<Ulimit> default_ulimits;
  bool init_by_default = false;
  std::string ipc_mode = "private";
  std::string cgroupns_mode;  // "": private on cgroup v2, else host
  std::vector<std::string> cdi_folders = {"/etc/cdi", "/var/run/cdi"};
  std::vector<std::string> dns, dns_options, dns_search;
  // The process is in a user namespace of its own, and its networks are in a network namespace of
  // theirs. What connects that with the outside: "pasta", "slirp4netns"; "": the first that works.
  bool is_rootless = false;
  std::string network_keeper;  // as `shim`: "dhow-net"
  std::string rootless_uplink;
  // Of networks. The names are the host's, so engines beside one another need their own: those of
  // an engine with another state folder than the default one come from that folder's path.
  std::string bridge;          // interface of the default network; "": "dhow0"
  std::string bridge_address;  // "172.17.0.1/16"; "": one that is free
  bool ipv6 = false;           // the default network has it
  std::string bridge_subnet6;  // "fd00:17::/64"; "": one that is free
  std::string firewall_table;  // of nf_tables; "": "dhow"
  // Firewalls of others let containers through.
  bool opens_host_firewall = false;
  struct AddressPool {
    std::string base;  // "10.0.0.0/8"
    std::int64_t size = 24;
  };
  // Without one of a family: docker's, in subnets of 254 addresses; a /48 that is the host's own.
  std::vector<AddressPool> address_pools;
  // Programs and configurations of CNI, for networks of the driver "cni".
  std::vector<std::string> cni_plugins = {"/opt/cni/bin", "/usr/lib/cni"};
  std::string cni_networks = "/etc/cni/net.d";
};

// The stores of one data folder and the use cases on them. What it opens, it recovers: containers
// that run are taken over, those that ended meanwhile get their exit code, and what a death of the
// process left half done is finished or undone.
class Engine {
 public:
  // kUnavailable when another process has the folders. Blocks until containers can be used.
  static Result<std::unique_ptr<Engine>> open(EngineOptions options);
  // Leaves the containers running.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const EngineOptions& options() const;
  metadata::Database& database();
  metadata::LeaseStore& leases();
  content::LocalContentStore& content();
  snapshot::Snapshotter& snapshots();
  image::Store& images();
  // The four above.
  ImageStores stores();
  Events& events();
  Containers& containers();
  Volumes& volumes();
  Networks& networks();
  // Names of runtimes, the default's first.
  std::vector<std::string> runtimes() const;

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace dhow::engine
