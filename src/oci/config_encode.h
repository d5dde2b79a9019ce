// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <type_traits>

#include "oci/config.h"
#include "oci/json.h"

// Configurations as JSON, with the members in the order of the specification; what is absent is
// left out. Private to this folder: the door is config_codec.h.
namespace dhow::oci {

inline void put(JsonWriter& out, bool value) { out.boolean(value); }
inline void put(JsonWriter& out, const std::string& value) { out.string(value); }
template <std::integral Number>
  requires(!std::same_as<Number, bool>)
void put(JsonWriter& out, Number value) {
  if constexpr (std::is_signed_v<Number>) {
    out.number(value);
  } else {
    out.number_unsigned(value);
  }
}

void put(JsonWriter& out, const IdMapping& value);
void put(JsonWriter& out, const Mount& value);
void put(JsonWriter& out, const Rlimit& value);
void put(JsonWriter& out, const Hook& value);
void put(JsonWriter& out, const Namespace& value);
void put(JsonWriter& out, const Device& value);
void put(JsonWriter& out, const DeviceRule& value);
void put(JsonWriter& out, const MemoryLimits& value);
void put(JsonWriter& out, const CpuLimits& value);
void put(JsonWriter& out, const WeightDevice& value);
void put(JsonWriter& out, const ThrottleDevice& value);
void put(JsonWriter& out, const BlockIoLimits& value);
void put(JsonWriter& out, const HugepageLimit& value);
void put(JsonWriter& out, const InterfacePriority& value);
void put(JsonWriter& out, const NetworkLimits& value);
void put(JsonWriter& out, const RdmaLimit& value);
void put(JsonWriter& out, const Resources& value);
void put(JsonWriter& out, const SeccompArg& value);
void put(JsonWriter& out, const SeccompSyscall& value);
void put(JsonWriter& out, const Seccomp& value);
void put(JsonWriter& out, const TimeOffset& value);
void put(JsonWriter& out, const User& value);
void put(JsonWriter& out, const ConsoleSize& value);
void put(JsonWriter& out, const Capabilities& value);
void put(JsonWriter& out, const Scheduler& value);
void put(JsonWriter& out, const IoPriority& value);
void put(JsonWriter& out, const CpuAffinity& value);
void put(JsonWriter& out, const Process& value);
void put(JsonWriter& out, const IntelRdt& value);
void put(JsonWriter& out, const MemoryPolicy& value);
void put(JsonWriter& out, const Personality& value);

template <typename Value>
void put(JsonWriter& out, const std::vector<Value>& values) {
  out.begin_array();
  for (const Value& value : values) put(out, value);
  out.end_array();
}

template <typename Value>
void put(JsonWriter& out, const std::map<std::string, Value>& values) {
  out.begin_object();
  for (const auto& [name, value] : values) {
    out.key(name);
    put(out, value);
  }
  out.end_object();
}

// A member, always.
template <typename Value>
void member(JsonWriter& out, std::string_view name, const Value& value) {
  out.key(name);
  put(out, value);
}

// A member, unless it is absent: no value, an empty text or list.
template <typename Value>
void given(JsonWriter& out, std::string_view name, const std::optional<Value>& value) {
  if (value) member(out, name, *value);
}
template <typename Value>
  requires requires(const Value& value) { value.empty(); }
void given(JsonWriter& out, std::string_view name, const Value& value) {
  if (!value.empty()) member(out, name, value);
}
inline void given(JsonWriter& out, std::string_view name, bool value) {
  if (value) member(out, name, value);
}

}  // namespace dhow::oci
