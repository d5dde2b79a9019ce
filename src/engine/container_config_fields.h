// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <type_traits>

#include "engine/container_config.h"

// The members of each type of container_config.h with their names in JSON, once for reading and for
// writing: `describe` calls the visitor with each. Private to container_config_json.cc.
namespace dhow::engine {

// Whether a member that is not set is written: kAlways writes it as docker does, null for a list.
enum class Show { kAlways, kIfSet };

template <typename Type, typename Wanted>
concept Is = std::same_as<std::remove_const_t<Type>, Wanted>;

template <typename Visitor, Is<HealthConfig> Type>
void describe(Visitor& visit, Type& value) {
  visit("Test", value.test, Show::kIfSet);
  visit("Interval", value.interval, Show::kIfSet);
  visit("Timeout", value.timeout, Show::kIfSet);
  visit("StartPeriod", value.start_period, Show::kIfSet);
  visit("StartInterval", value.start_interval, Show::kIfSet);
  visit("Retries", value.retries, Show::kIfSet);
}

template <typename Visitor, Is<ContainerConfig> Type>
void describe(Visitor& visit, Type& value) {
  visit("Hostname", value.hostname, Show::kAlways);
  visit("Domainname", value.domainname, Show::kAlways);
  visit("User", value.user, Show::kAlways);
  visit("AttachStdin", value.attach_stdin, Show::kAlways);
  visit("AttachStdout", value.attach_stdout, Show::kAlways);
  visit("AttachStderr", value.attach_stderr, Show::kAlways);
  visit.keys("ExposedPorts", value.exposed_ports, Show::kIfSet);
  visit("Tty", value.tty, Show::kAlways);
  visit("OpenStdin", value.open_stdin, Show::kAlways);
  visit("StdinOnce", value.stdin_once, Show::kAlways);
  visit("Env", value.env, Show::kAlways);
  visit.words("Cmd", value.cmd, Show::kAlways);
  visit("Healthcheck", value.healthcheck, Show::kIfSet);
  visit("ArgsEscaped", value.args_escaped, Show::kIfSet);
  visit("Image", value.image, Show::kAlways);
  visit.keys("Volumes", value.volumes, Show::kAlways);
  visit("WorkingDir", value.working_dir, Show::kAlways);
  visit.words("Entrypoint", value.entrypoint, Show::kAlways);
  visit("NetworkDisabled", value.network_disabled, Show::kIfSet);
  visit("MacAddress", value.mac_address, Show::kIfSet);
  visit("OnBuild", value.on_build, Show::kIfSet);
  visit("Labels", value.labels, Show::kAlways);
  visit("StopSignal", value.stop_signal, Show::kIfSet);
  visit("StopTimeout", value.stop_timeout, Show::kIfSet);
  visit("Shell", value.shell, Show::kIfSet);
}

template <typename Visitor, Is<LogConfig> Type>
void describe(Visitor& visit, Type& value) {
  visit("Type", value.type, Show::kAlways);
  visit("Config", value.config, Show::kAlways);
}

template <typename Visitor, Is<PortBinding> Type>
void describe(Visitor& visit, Type& value) {
  visit("HostIp", value.host_ip, Show::kAlways);
  visit("HostPort", value.host_port, Show::kAlways);
}

template <typename Visitor, Is<RestartPolicy> Type>
void describe(Visitor& visit, Type& value) {
  visit("Name", value.name, Show::kAlways);
  visit("MaximumRetryCount", value.maximum_retry_count, Show::kAlways);
}

template <typename Visitor, Is<DeviceMapping> Type>
void describe(Visitor& visit, Type& value) {
  visit("PathOnHost", value.path_on_host, Show::kAlways);
  visit("PathInContainer", value.path_in_container, Show::kAlways);
  visit("CgroupPermissions", value.cgroup_permissions, Show::kAlways);
}

template <typename Visitor, Is<DeviceRequest> Type>
void describe(Visitor& visit, Type& value) {
  visit("Driver", value.driver, Show::kAlways);
  visit("Count", value.count, Show::kAlways);
  visit("DeviceIDs", value.device_ids, Show::kAlways);
  visit("Capabilities", value.capabilities, Show::kAlways);
  visit("Options", value.options, Show::kAlways);
}

template <typename Visitor, Is<WeightDeviceConfig> Type>
void describe(Visitor& visit, Type& value) {
  visit("Path", value.path, Show::kAlways);
  visit("Weight", value.weight, Show::kAlways);
}

template <typename Visitor, Is<ThrottleDeviceConfig> Type>
void describe(Visitor& visit, Type& value) {
  visit("Path", value.path, Show::kAlways);
  visit("Rate", value.rate, Show::kAlways);
}

template <typename Visitor, Is<Ulimit> Type>
void describe(Visitor& visit, Type& value) {
  visit("Name", value.name, Show::kAlways);
  visit("Hard", value.hard, Show::kAlways);
  visit("Soft", value.soft, Show::kAlways);
}

template <typename Visitor, Is<ResourceConfig> Type>
void describe(Visitor& visit, Type& value) {
  visit("CpuShares", value.cpu_shares, Show::kAlways);
  visit("Memory", value.memory, Show::kAlways);
  visit("NanoCpus", value.nano_cpus, Show::kAlways);
  visit("CgroupParent", value.cgroup_parent, Show::kAlways);
  visit("BlkioWeight", value.blkio_weight, Show::kAlways);
  visit("BlkioWeightDevice", value.blkio_weight_device, Show::kAlways);
  visit("BlkioDeviceReadBps", value.blkio_device_read_bps, Show::kAlways);
  visit("BlkioDeviceWriteBps", value.blkio_device_write_bps, Show::kAlways);
  visit("BlkioDeviceReadIOps", value.blkio_device_read_iops, Show::kAlways);
  visit("BlkioDeviceWriteIOps", value.blkio_device_write_iops, Show::kAlways);
  visit("CpuPeriod", value.cpu_period, Show::kAlways);
  visit("CpuQuota", value.cpu_quota, Show::kAlways);
  visit("CpuRealtimePeriod", value.cpu_realtime_period, Show::kAlways);
  visit("CpuRealtimeRuntime", value.cpu_realtime_runtime, Show::kAlways);
  visit("CpusetCpus", value.cpuset_cpus, Show::kAlways);
  visit("CpusetMems", value.cpuset_mems, Show::kAlways);
  visit("Devices", value.devices, Show::kAlways);
  visit("DeviceCgroupRules", value.device_cgroup_rules, Show::kAlways);
  visit("DeviceRequests", value.device_requests, Show::kAlways);
  visit("KernelMemory", value.kernel_memory, Show::kIfSet);
  visit("KernelMemoryTCP", value.kernel_memory_tcp, Show::kIfSet);
  visit("MemoryReservation", value.memory_reservation, Show::kAlways);
  visit("MemorySwap", value.memory_swap, Show::kAlways);
  visit("MemorySwappiness", value.memory_swappiness, Show::kAlways);
  visit("OomKillDisable", value.oom_kill_disable, Show::kAlways);
  visit("PidsLimit", value.pids_limit, Show::kAlways);
  visit("Ulimits", value.ulimits, Show::kAlways);
  visit("CpuCount", value.cpu_count, Show::kAlways);
  visit("CpuPercent", value.cpu_percent, Show::kAlways);
  visit("IOMaximumIOps", value.io_maximum_iops, Show::kAlways);
  visit("IOMaximumBandwidth", value.io_maximum_bandwidth, Show::kAlways);
}

template <typename Visitor, Is<BindOptions> Type>
void describe(Visitor& visit, Type& value) {
  visit("Propagation", value.propagation, Show::kIfSet);
  visit("NonRecursive", value.non_recursive, Show::kIfSet);
  visit("CreateMountpoint", value.create_mountpoint, Show::kIfSet);
  visit("ReadOnlyNonRecursive", value.read_only_non_recursive, Show::kIfSet);
  visit("ReadOnlyForceRecursive", value.read_only_force_recursive, Show::kIfSet);
  visit("IDMap", value.id_map, Show::kIfSet);
}

template <typename Visitor, Is<VolumeDriverConfig> Type>
void describe(Visitor& visit, Type& value) {
  visit("Name", value.name, Show::kIfSet);
  visit("Options", value.options, Show::kIfSet);
}

template <typename Visitor, Is<VolumeOptions> Type>
void describe(Visitor& visit, Type& value) {
  visit("NoCopy", value.no_copy, Show::kIfSet);
  visit("Labels", value.labels, Show::kIfSet);
  visit("Subpath", value.subpath, Show::kIfSet);
  visit("IDMap", value.id_map, Show::kIfSet);
  visit("DriverConfig", value.driver_config, Show::kIfSet);
}

template <typename Visitor, Is<TmpfsOptions> Type>
void describe(Visitor& visit, Type& value) {
  visit("SizeBytes", value.size_bytes, Show::kIfSet);
  visit("Mode", value.mode, Show::kIfSet);
  visit("Options", value.options, Show::kIfSet);
}

template <typename Visitor, Is<MountConfig> Type>
void describe(Visitor& visit, Type& value) {
  visit("Type", value.type, Show::kIfSet);
  visit("Source", value.source, Show::kIfSet);
  visit("Target", value.target, Show::kIfSet);
  visit("ReadOnly", value.read_only, Show::kIfSet);
  visit("Consistency", value.consistency, Show::kIfSet);
  visit("BindOptions", value.bind_options, Show::kIfSet);
  visit("VolumeOptions", value.volume_options, Show::kIfSet);
  visit.only("ImageOptions", "Subpath", value.image_subpath);
  visit("TmpfsOptions", value.tmpfs_options, Show::kIfSet);
}

template <typename Visitor, Is<HostConfig> Type>
void describe(Visitor& visit, Type& value) {
  visit("Binds", value.binds, Show::kAlways);
  visit("ContainerIDFile", value.container_id_file, Show::kAlways);
  visit("LogConfig", value.log_config, Show::kAlways);
  visit("NetworkMode", value.network_mode, Show::kAlways);
  visit("PortBindings", value.port_bindings, Show::kAlways);
  visit("RestartPolicy", value.restart_policy, Show::kAlways);
  visit("AutoRemove", value.auto_remove, Show::kAlways);
  visit("VolumeDriver", value.volume_driver, Show::kAlways);
  visit("VolumesFrom", value.volumes_from, Show::kAlways);
  visit("ConsoleSize", value.console_size, Show::kAlways);
  visit("Annotations", value.annotations, Show::kIfSet);
  visit("CapAdd", value.cap_add, Show::kAlways);
  visit("CapDrop", value.cap_drop, Show::kAlways);
  visit("CgroupnsMode", value.cgroupns_mode, Show::kAlways);
  visit("Dns", value.dns, Show::kAlways);
  visit("DnsOptions", value.dns_options, Show::kAlways);
  visit("DnsSearch", value.dns_search, Show::kAlways);
  visit("ExtraHosts", value.extra_hosts, Show::kAlways);
  visit("GroupAdd", value.group_add, Show::kAlways);
  visit("IpcMode", value.ipc_mode, Show::kAlways);
  visit("Cgroup", value.cgroup, Show::kAlways);
  visit("Links", value.links, Show::kAlways);
  visit("OomScoreAdj", value.oom_score_adj, Show::kAlways);
  visit("PidMode", value.pid_mode, Show::kAlways);
  visit("Privileged", value.privileged, Show::kAlways);
  visit("PublishAllPorts", value.publish_all_ports, Show::kAlways);
  visit("ReadonlyRootfs", value.readonly_rootfs, Show::kAlways);
  visit("SecurityOpt", value.security_opt, Show::kAlways);
  visit("StorageOpt", value.storage_opt, Show::kIfSet);
  visit("Tmpfs", value.tmpfs, Show::kIfSet);
  visit("UTSMode", value.uts_mode, Show::kAlways);
  visit("UsernsMode", value.userns_mode, Show::kAlways);
  visit("ShmSize", value.shm_size, Show::kAlways);
  visit("Sysctls", value.sysctls, Show::kIfSet);
  visit("Runtime", value.runtime, Show::kIfSet);
  visit("Isolation", value.isolation, Show::kAlways);
  describe(visit, value.resources);
  visit("Mounts", value.mounts, Show::kIfSet);
  visit("MaskedPaths", value.masked_paths, Show::kAlways);
  visit("ReadonlyPaths", value.readonly_paths, Show::kAlways);
  visit("Init", value.init, Show::kIfSet);
}

template <typename Visitor, Is<EndpointIpamConfig> Type>
void describe(Visitor& visit, Type& value) {
  visit("IPv4Address", value.ipv4_address, Show::kIfSet);
  visit("IPv6Address", value.ipv6_address, Show::kIfSet);
  visit("LinkLocalIPs", value.link_local_ips, Show::kIfSet);
}

template <typename Visitor, Is<EndpointConfig> Type>
void describe(Visitor& visit, Type& value) {
  visit("IPAMConfig", value.ipam_config, Show::kAlways);
  visit("Links", value.links, Show::kAlways);
  visit("MacAddress", value.mac_address, Show::kAlways);
  visit("Aliases", value.aliases, Show::kAlways);
  visit("DriverOpts", value.driver_opts, Show::kAlways);
  visit("GwPriority", value.gw_priority, Show::kAlways);
  visit("NetworkID", value.network_id, Show::kAlways);
}

template <typename Visitor, Is<NetworkingConfig> Type>
void describe(Visitor& visit, Type& value) {
  visit("EndpointsConfig", value.endpoints, Show::kIfSet);
}

template <typename Visitor, Is<ConnectConfig> Type>
void describe(Visitor& visit, Type& value) {
  visit("Container", value.container, Show::kAlways);
  visit("EndpointConfig", value.endpoint, Show::kAlways);
  visit("Force", value.force, Show::kIfSet);
}

template <typename Visitor, Is<CreateConfig> Type>
void describe(Visitor& visit, Type& value) {
  describe(visit, value.config);
  visit("HostConfig", value.host, Show::kAlways);
  visit("NetworkingConfig", value.networking, Show::kAlways);
}

template <typename Visitor, Is<ExecConfig> Type>
void describe(Visitor& visit, Type& value) {
  visit("User", value.user, Show::kAlways);
  visit("Privileged", value.privileged, Show::kAlways);
  visit("Tty", value.tty, Show::kAlways);
  visit("ConsoleSize", value.console_size, Show::kIfSet);
  visit("AttachStdin", value.attach_stdin, Show::kAlways);
  visit("AttachStderr", value.attach_stderr, Show::kAlways);
  visit("AttachStdout", value.attach_stdout, Show::kAlways);
  visit("DetachKeys", value.detach_keys, Show::kAlways);
  visit("Env", value.env, Show::kAlways);
  visit("WorkingDir", value.working_dir, Show::kAlways);
  visit("Cmd", value.cmd, Show::kAlways);
}

}  // namespace dhow::engine
