// SPDX-License-Identifier: Apache-2.0
#include "api/docker/stats_json.h"

#include "api/docker/container_json.h"
#include "base/strings.h"
#include "oci/json.h"

namespace dhow::api::docker {
namespace {

using engine::StatsSample;
using oci::JsonWriter;

void write_cpu(JsonWriter& json, std::string_view name, const StatsSample& sample) {
  json.key(name).begin_object().key("cpu_usage").begin_object();
  json.key("total_usage").number_unsigned(sample.cpu_total);
  if (!sample.cpu_each.empty()) {
    json.key("percpu_usage").begin_array();
    for (std::uint64_t each : sample.cpu_each) json.number_unsigned(each);
    json.end_array();
  }
  json.key("usage_in_kernelmode").number_unsigned(sample.cpu_kernel);
  json.key("usage_in_usermode").number_unsigned(sample.cpu_user).end_object();
  if (sample.system_cpu != 0) json.key("system_cpu_usage").number_unsigned(sample.system_cpu);
  if (sample.online_cpus != 0) json.key("online_cpus").number_unsigned(sample.online_cpus);
  json.key("throttling_data").begin_object();
  json.key("periods").number_unsigned(sample.throttling_periods);
  json.key("throttled_periods").number_unsigned(sample.throttled_periods);
  json.key("throttled_time").number_unsigned(sample.throttled_time).end_object().end_object();
}

void write_memory(JsonWriter& json, const StatsSample& sample) {
  json.key("memory_stats").begin_object();
  if (sample.running) {
    json.key("usage").number_unsigned(sample.memory_usage);
    if (!sample.unified) {
      json.key("max_usage").number_unsigned(sample.memory_max_usage);
      json.key("failcnt").number_unsigned(sample.memory_failcnt);
    }
    json.key("stats").begin_object();
    for (const auto& [key, value] : sample.memory_stats) json.key(key).number_unsigned(value);
    json.end_object();
    json.key("limit").number_unsigned(sample.memory_limit);
  }
  json.end_object();
}

void write_io(JsonWriter& json, std::string_view name, const StatsSample& sample,
              const std::vector<StatsSample::BlockIo>& entries) {
  json.key(name);
  if (entries.empty() && (sample.unified || !sample.running)) {
    json.null();
    return;
  }
  json.begin_array();
  for (const StatsSample::BlockIo& entry : entries) {
    json.begin_object().key("major").number_unsigned(entry.major);
    json.key("minor").number_unsigned(entry.minor).member("op", entry.op);
    json.key("value").number_unsigned(entry.value).end_object();
  }
  json.end_array();
}

void write_block_io(JsonWriter& json, const StatsSample& sample) {
  json.key("blkio_stats").begin_object();
  write_io(json, "io_service_bytes_recursive", sample, sample.io_bytes);
  write_io(json, "io_serviced_recursive", sample, sample.io_operations);
  for (const char* name :
       {"io_queue_recursive", "io_service_time_recursive", "io_wait_time_recursive",
        "io_merged_recursive", "io_time_recursive", "sectors_recursive"}) {
    write_io(json, name, sample, {});
  }
  json.end_object();
}

void write_direction(JsonWriter& json, std::string_view name,
                     const engine::InterfaceUse::Direction& use) {
  json.key(cat(name, "_bytes")).number_unsigned(use.bytes);
  json.key(cat(name, "_packets")).number_unsigned(use.packets);
  json.key(cat(name, "_errors")).number_unsigned(use.errors);
  json.key(cat(name, "_dropped")).number_unsigned(use.dropped);
}

void write_networks(JsonWriter& json, const StatsSample& sample) {
  if (sample.interfaces.empty()) return;
  json.key("networks").begin_object();
  for (const engine::InterfaceUse& use : sample.interfaces) {
    json.key(use.name).begin_object();
    write_direction(json, "rx", use.received);
    write_direction(json, "tx", use.sent);
    json.end_object();
  }
  json.end_object();
}

}  // namespace

std::string stats_json(const StatsSample& sample, const StatsSample& before, ApiVersion version) {
  JsonWriter json;
  json.begin_object().member("name", cat("/", sample.name)).member("id", sample.id);
  if (version >= ApiVersion{52}) json.member("os_type", "linux");
  json.member("read", time_text(sample.read)).member("preread", time_text(before.read));
  json.key("pids_stats").begin_object();
  if (sample.running) {
    json.key("current").number_unsigned(sample.pids_current);
    // No limit is the largest number there is.
    json.key("limit").number_unsigned(sample.pids_limit.value_or(UINT64_MAX));
  }
  json.end_object();
  write_block_io(json, sample);
  json.member_number("num_procs", 0).key("storage_stats").begin_object().end_object();
  write_cpu(json, "cpu_stats", sample);
  write_cpu(json, "precpu_stats", before);
  write_memory(json, sample);
  write_networks(json, sample);
  json.end_object();
  return json.text() + "\n";
}

}  // namespace dhow::api::docker
