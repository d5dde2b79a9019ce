// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

// What a container is to be: docker's Config, HostConfig and NetworkingConfig (Engine API 1.52,
// POST /containers/create), with its names in snake_case. Plain values: JSON in and out is in
// container_config_json.h. An empty text, an empty list and 0 mean what docker says of an absent
// field; where it tells the two apart, the field is optional.
namespace dhow::engine {

using TextMap = std::map<std::string, std::string>;

// Durations in nanoseconds; 0: inherit, or the default. `test` is ["NONE"], ["CMD", …],
// ["CMD-SHELL", one] or empty: inherit.
struct HealthConfig {
  std::vector<std::string> test;
  std::int64_t interval = 0;
  std::int64_t timeout = 0;
  std::int64_t start_period = 0;
  std::int64_t start_interval = 0;
  std::int64_t retries = 0;
  bool operator==(const HealthConfig&) const = default;
};

// Docker's Config: what of a container would be the same on every machine.
struct ContainerConfig {
  std::string hostname;
  std::string domainname;
  std::string user;
  bool attach_stdin = false;
  bool attach_stdout = false;
  bool attach_stderr = false;
  std::set<std::string> exposed_ports;  // "80/tcp"
  bool tty = false;
  bool open_stdin = false;
  bool stdin_once = false;
  std::vector<std::string> env;
  // Not given: the image's. An empty list: none.
  std::optional<std::vector<std::string>> cmd;
  std::optional<HealthConfig> healthcheck;
  bool args_escaped = false;
  std::string image;              // as it was asked for
  std::set<std::string> volumes;  // paths inside
  std::string working_dir;
  std::optional<std::vector<std::string>> entrypoint;
  bool network_disabled = false;
  std::string mac_address;  // until 1.44
  std::vector<std::string> on_build;
  TextMap labels;
  std::string stop_signal;
  std::optional<std::int64_t> stop_timeout;  // seconds
  std::vector<std::string> shell;
  bool operator==(const ContainerConfig&) const = default;
};

struct LogConfig {
  std::string type;  // "": the default
  TextMap config;
  bool operator==(const LogConfig&) const = default;
};

struct PortBinding {
  std::string host_ip;
  std::string host_port;
  bool operator==(const PortBinding&) const = default;
};

struct RestartPolicy {
  std::string name;  // "", "no", "always", "unless-stopped" or "on-failure"
  std::int64_t maximum_retry_count = 0;
  bool operator==(const RestartPolicy&) const = default;
};

struct DeviceMapping {
  std::string path_on_host;
  std::string path_in_container;
  std::string cgroup_permissions;
  bool operator==(const DeviceMapping&) const = default;
};

struct DeviceRequest {
  std::string driver;
  std::int64_t count = 0;  // -1: all
  std::vector<std::string> device_ids;
  std::vector<std::vector<std::string>> capabilities;
  TextMap options;
  bool operator==(const DeviceRequest&) const = default;
};

struct WeightDeviceConfig {
  std::string path;
  std::uint16_t weight = 0;
  bool operator==(const WeightDeviceConfig&) const = default;
};

struct ThrottleDeviceConfig {
  std::string path;
  std::uint64_t rate = 0;  // bytes or operations a second
  bool operator==(const ThrottleDeviceConfig&) const = default;
};

struct Ulimit {
  std::string name;  // "nofile"
  std::int64_t soft = 0;
  std::int64_t hard = 0;  // -1: no limit
  bool operator==(const Ulimit&) const = default;
};

// Sizes in bytes, times in microseconds but for nano_cpus.
struct ResourceConfig {
  std::int64_t cpu_shares = 0;
  std::int64_t memory = 0;
  std::int64_t nano_cpus = 0;
  std::string cgroup_parent;
  std::uint16_t blkio_weight = 0;
  std::vector<WeightDeviceConfig> blkio_weight_device;
  std::vector<ThrottleDeviceConfig> blkio_device_read_bps;
  std::vector<ThrottleDeviceConfig> blkio_device_write_bps;
  std::vector<ThrottleDeviceConfig> blkio_device_read_iops;
  std::vector<ThrottleDeviceConfig> blkio_device_write_iops;
  std::int64_t cpu_period = 0;
  std::int64_t cpu_quota = 0;
  std::int64_t cpu_realtime_period = 0;
  std::int64_t cpu_realtime_runtime = 0;
  std::string cpuset_cpus;
  std::string cpuset_mems;
  std::vector<DeviceMapping> devices;
  std::vector<std::string> device_cgroup_rules;
  std::vector<DeviceRequest> device_requests;
  std::int64_t kernel_memory = 0;
  std::int64_t kernel_memory_tcp = 0;
  std::int64_t memory_reservation = 0;
  std::int64_t memory_swap = 0;                   // memory and swap; -1: no limit
  std::optional<std::int64_t> memory_swappiness;  // -1: as the machine
  std::optional<bool> oom_kill_disable;
  std::optional<std::int64_t> pids_limit;  // 0 and -1: no limit
  std::vector<Ulimit> ulimits;
  std::int64_t cpu_count = 0;  // the rest: of Windows, kept and not used
  std::int64_t cpu_percent = 0;
  std::int64_t io_maximum_iops = 0;
  std::int64_t io_maximum_bandwidth = 0;
  bool operator==(const ResourceConfig&) const = default;
};

struct BindOptions {
  std::string propagation;
  bool non_recursive = false;
  bool create_mountpoint = false;
  bool read_only_non_recursive = false;
  bool read_only_force_recursive = false;
  std::string id_map;  // dhow's own: "uids=0-1000-10;gids=0-1000-10", as crun has them
  bool operator==(const BindOptions&) const = default;
};

struct VolumeDriverConfig {
  std::string name;
  TextMap options;
  bool operator==(const VolumeDriverConfig&) const = default;
};

struct VolumeOptions {
  bool no_copy = false;
  TextMap labels;
  std::optional<VolumeDriverConfig> driver_config;
  std::string subpath;
  std::string id_map;  // as BindOptions::id_map
  bool operator==(const VolumeOptions&) const = default;
};

struct TmpfsOptions {
  std::int64_t size_bytes = 0;
  std::uint32_t mode = 0;
  std::vector<std::vector<std::string>> options;  // a key, or a key and its value
  bool operator==(const TmpfsOptions&) const = default;
};

struct MountConfig {
  std::string type;  // "bind", "volume", "tmpfs", "image"
  std::string source;
  std::string target;
  bool read_only = false;
  std::string consistency;
  std::optional<BindOptions> bind_options;
  std::optional<VolumeOptions> volume_options;
  std::optional<std::string> image_subpath;  // ImageOptions.Subpath
  std::optional<TmpfsOptions> tmpfs_options;
  bool operator==(const MountConfig&) const = default;
};

// Docker's HostConfig: what of a container is this machine's.
struct HostConfig {
  ResourceConfig resources;
  std::vector<std::string> binds;
  std::string container_id_file;
  LogConfig log_config;
  std::string network_mode;
  std::map<std::string, std::vector<PortBinding>> port_bindings;  // by "80/tcp"
  RestartPolicy restart_policy;
  bool auto_remove = false;
  std::string volume_driver;
  std::vector<std::string> volumes_from;
  std::optional<std::vector<std::int64_t>> console_size;  // height, width
  TextMap annotations;
  std::vector<std::string> cap_add;
  std::vector<std::string> cap_drop;
  std::string cgroupns_mode;
  std::vector<std::string> dns;
  std::vector<std::string> dns_options;
  std::vector<std::string> dns_search;
  std::vector<std::string> extra_hosts;
  std::vector<std::string> group_add;
  std::string ipc_mode;
  std::string cgroup;
  std::vector<std::string> links;
  std::int64_t oom_score_adj = 0;
  std::string pid_mode;
  bool privileged = false;
  bool publish_all_ports = false;
  bool readonly_rootfs = false;
  std::vector<std::string> security_opt;
  TextMap storage_opt;
  TextMap tmpfs;  // path inside -> options
  std::string uts_mode;
  std::string userns_mode;
  std::int64_t shm_size = 0;  // bytes; 0: the default
  TextMap sysctls;
  std::string runtime;  // "": the default
  std::string isolation;
  std::vector<MountConfig> mounts;
  // Not given: docker's. An empty list: none.
  std::optional<std::vector<std::string>> masked_paths;
  std::optional<std::vector<std::string>> readonly_paths;
  std::optional<bool> init;
  bool operator==(const HostConfig&) const = default;
};

struct EndpointIpamConfig {
  std::string ipv4_address;
  std::string ipv6_address;
  std::vector<std::string> link_local_ips;
  bool operator==(const EndpointIpamConfig&) const = default;
};

// What a container asks of a network that it is to join.
struct EndpointConfig {
  std::optional<EndpointIpamConfig> ipam_config;
  std::vector<std::string> links;
  std::string mac_address;
  std::vector<std::string> aliases;
  TextMap driver_opts;
  std::int64_t gw_priority = 0;
  std::string network_id;
  bool operator==(const EndpointConfig&) const = default;
};

struct NetworkingConfig {
  std::map<std::string, EndpointConfig> endpoints;  // EndpointsConfig, by the network's name
  bool operator==(const NetworkingConfig&) const = default;
};

// The bodies of POST /networks/{id}/connect and …/disconnect.
struct ConnectConfig {
  std::string container;
  EndpointConfig endpoint;
  bool force = false;
  bool operator==(const ConnectConfig&) const = default;
};

// All that is asked of a container.
struct CreateConfig {
  ContainerConfig config;
  HostConfig host;
  NetworkingConfig networking;
  bool operator==(const CreateConfig&) const = default;
};

// What an exec is to be: the body of POST /containers/{id}/exec.
struct ExecConfig {
  std::string user;
  bool privileged = false;
  bool tty = false;
  std::optional<std::vector<std::int64_t>> console_size;  // height, width
  bool attach_stdin = false;
  bool attach_stderr = false;
  bool attach_stdout = false;
  std::string detach_keys;
  std::vector<std::string> env;
  std::string working_dir;
  std::vector<std::string> cmd;
  bool operator==(const ExecConfig&) const = default;
};

}  // namespace dhow::engine
