// SPDX-License-Identifier: Apache-2.0
#include "oci/config_encode.h"

namespace dhow::oci {

void put(JsonWriter& out, const DeviceRule& value) {
  out.begin_object();
  member(out, "allow", value.allow);
  if (value.type != 'a') member(out, "type", std::string(1, value.type));
  given(out, "major", value.major);
  given(out, "minor", value.minor);
  given(out, "access", value.access);
  out.end_object();
}

void put(JsonWriter& out, const MemoryLimits& value) {
  out.begin_object();
  given(out, "limit", value.limit);
  given(out, "reservation", value.reservation);
  given(out, "swap", value.swap);
  given(out, "kernel", value.kernel);
  given(out, "kernelTCP", value.kernel_tcp);
  given(out, "swappiness", value.swappiness);
  given(out, "disableOOMKiller", value.disable_oom_killer);
  given(out, "useHierarchy", value.use_hierarchy);
  given(out, "checkBeforeUpdate", value.check_before_update);
  out.end_object();
}

void put(JsonWriter& out, const CpuLimits& value) {
  out.begin_object();
  given(out, "shares", value.shares);
  given(out, "quota", value.quota);
  given(out, "burst", value.burst);
  given(out, "period", value.period);
  given(out, "realtimeRuntime", value.realtime_runtime);
  given(out, "realtimePeriod", value.realtime_period);
  given(out, "cpus", value.cpus);
  given(out, "mems", value.mems);
  given(out, "idle", value.idle);
  out.end_object();
}

void put(JsonWriter& out, const WeightDevice& value) {
  out.begin_object();
  member(out, "major", value.major);
  member(out, "minor", value.minor);
  given(out, "weight", value.weight);
  given(out, "leafWeight", value.leaf_weight);
  out.end_object();
}

void put(JsonWriter& out, const ThrottleDevice& value) {
  out.begin_object();
  member(out, "major", value.major);
  member(out, "minor", value.minor);
  member(out, "rate", value.rate);
  out.end_object();
}

void put(JsonWriter& out, const BlockIoLimits& value) {
  out.begin_object();
  given(out, "weight", value.weight);
  given(out, "leafWeight", value.leaf_weight);
  given(out, "weightDevice", value.weight_device);
  given(out, "throttleReadBpsDevice", value.throttle_read_bps_device);
  given(out, "throttleWriteBpsDevice", value.throttle_write_bps_device);
  given(out, "throttleReadIOPSDevice", value.throttle_read_iops_device);
  given(out, "throttleWriteIOPSDevice", value.throttle_write_iops_device);
  out.end_object();
}

void put(JsonWriter& out, const HugepageLimit& value) {
  out.begin_object();
  member(out, "pageSize", value.page_size);
  member(out, "limit", value.limit);
  out.end_object();
}

void put(JsonWriter& out, const InterfacePriority& value) {
  out.begin_object();
  member(out, "name", value.name);
  member(out, "priority", value.priority);
  out.end_object();
}

void put(JsonWriter& out, const NetworkLimits& value) {
  out.begin_object();
  given(out, "classID", value.class_id);
  given(out, "priorities", value.priorities);
  out.end_object();
}

void put(JsonWriter& out, const RdmaLimit& value) {
  out.begin_object();
  given(out, "hcaHandles", value.hca_handles);
  given(out, "hcaObjects", value.hca_objects);
  out.end_object();
}

void put(JsonWriter& out, const Resources& value) {
  out.begin_object();
  given(out, "devices", value.devices);
  given(out, "memory", value.memory);
  given(out, "cpu", value.cpu);
  if (value.pids_limit) {
    out.key("pids").begin_object().member_number("limit", *value.pids_limit).end_object();
  }
  given(out, "blockIO", value.block_io);
  given(out, "hugepageLimits", value.hugepage_limits);
  given(out, "network", value.network);
  given(out, "rdma", value.rdma);
  given(out, "unified", value.unified);
  out.end_object();
}

}  // namespace dhow::oci
