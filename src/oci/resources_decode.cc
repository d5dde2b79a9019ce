// SPDX-License-Identifier: Apache-2.0
#include "oci/config_decode.h"

namespace dhow::oci {

void decode(const JsonReader& in, DeviceRule& out);
void decode(const JsonReader& in, MemoryLimits& out);
void decode(const JsonReader& in, CpuLimits& out);
void decode(const JsonReader& in, WeightDevice& out);
void decode(const JsonReader& in, ThrottleDevice& out);
void decode(const JsonReader& in, BlockIoLimits& out);
void decode(const JsonReader& in, HugepageLimit& out);
void decode(const JsonReader& in, InterfacePriority& out);
void decode(const JsonReader& in, NetworkLimits& out);
void decode(const JsonReader& in, RdmaLimit& out);

namespace {

constexpr EnumName<char> kDeviceRuleTypes[] = {{"a", 'a'}, {"b", 'b'}, {"c", 'c'}, {"", 'a'}};

}  // namespace

void decode(const JsonReader& in, DeviceRule& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "allow", out.allow);
  if (JsonReader type = in.member("type"); type.present()) {
    decode_enum(type, kDeviceRuleTypes, "device type", out.type);
  }
  optional_member(in, "major", out.major);
  optional_member(in, "minor", out.minor);
  optional_member(in, "access", out.access);
}

void decode(const JsonReader& in, MemoryLimits& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "limit", out.limit);
  optional_member(in, "reservation", out.reservation);
  optional_member(in, "swap", out.swap);
  optional_member(in, "kernel", out.kernel);
  optional_member(in, "kernelTCP", out.kernel_tcp);
  optional_member(in, "swappiness", out.swappiness);
  optional_member(in, "disableOOMKiller", out.disable_oom_killer);
  optional_member(in, "useHierarchy", out.use_hierarchy);
  optional_member(in, "checkBeforeUpdate", out.check_before_update);
}

void decode(const JsonReader& in, CpuLimits& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "shares", out.shares);
  optional_member(in, "quota", out.quota);
  optional_member(in, "burst", out.burst);
  optional_member(in, "period", out.period);
  optional_member(in, "realtimeRuntime", out.realtime_runtime);
  optional_member(in, "realtimePeriod", out.realtime_period);
  optional_member(in, "cpus", out.cpus);
  optional_member(in, "mems", out.mems);
  optional_member(in, "idle", out.idle);
}

void decode(const JsonReader& in, WeightDevice& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "major", out.major);
  required_member(in, "minor", out.minor);
  optional_member(in, "weight", out.weight);
  optional_member(in, "leafWeight", out.leaf_weight);
}

void decode(const JsonReader& in, ThrottleDevice& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "major", out.major);
  required_member(in, "minor", out.minor);
  optional_member(in, "rate", out.rate);
}

void decode(const JsonReader& in, BlockIoLimits& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "weight", out.weight);
  optional_member(in, "leafWeight", out.leaf_weight);
  optional_member(in, "weightDevice", out.weight_device);
  optional_member(in, "throttleReadBpsDevice", out.throttle_read_bps_device);
  optional_member(in, "throttleWriteBpsDevice", out.throttle_write_bps_device);
  optional_member(in, "throttleReadIOPSDevice", out.throttle_read_iops_device);
  optional_member(in, "throttleWriteIOPSDevice", out.throttle_write_iops_device);
}

void decode(const JsonReader& in, HugepageLimit& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "pageSize", out.page_size);
  required_member(in, "limit", out.limit);
}

void decode(const JsonReader& in, InterfacePriority& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "name", out.name);
  required_member(in, "priority", out.priority);
}

void decode(const JsonReader& in, NetworkLimits& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "classID", out.class_id);
  optional_member(in, "priorities", out.priorities);
}

void decode(const JsonReader& in, RdmaLimit& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "hcaHandles", out.hca_handles);
  optional_member(in, "hcaObjects", out.hca_objects);
}

void decode(const JsonReader& in, Resources& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "devices", out.devices);
  optional_member(in, "memory", out.memory);
  optional_member(in, "cpu", out.cpu);
  if (JsonReader pids = in.member("pids"); pids.present() && pids.expect(JsonKind::kObject)) {
    // The schema requires it, but the Go types leave it out when there is no limit to set.
    optional_member(pids, "limit", out.pids_limit);
  }
  optional_member(in, "blockIO", out.block_io);
  optional_member(in, "hugepageLimits", out.hugepage_limits);
  optional_member(in, "network", out.network);
  optional_member(in, "rdma", out.rdma);
  optional_member(in, "unified", out.unified);
}

}  // namespace dhow::oci
