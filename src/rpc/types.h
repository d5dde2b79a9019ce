// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <time.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "rpc/codec.h"

// google.protobuf, google.rpc and containerd.types: what the other messages are made of.
namespace dhow::rpc {

// google.protobuf.Empty.
struct Empty {
  void fields(Codec&) {}
};

// google.protobuf.Any: a message and the name of its type. containerd writes that name bare
// ("containerd.events.TaskExit"), and reads what is after the last slash; types of the OCI are JSON
// under a name of their own (kOciProcessUrl).
struct Any {
  std::string type_url = {};
  std::string value = {};
  void fields(Codec& codec) { codec(1, type_url)(2, value); }
};

// The type of an Any: its last part, without "type.googleapis.com/".
std::string_view type_name(const Any& any);

// JSON documents of the OCI as containerd names them, for Exec and Update.
inline constexpr std::string_view kOciSpecUrl =
    "types.containerd.io/opencontainers/runtime-spec/1/Spec";
inline constexpr std::string_view kOciProcessUrl =
    "types.containerd.io/opencontainers/runtime-spec/1/Process";
inline constexpr std::string_view kOciResourcesUrl =
    "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";

// For messages that have a kName.
template <MessageType M>
Any pack(const M& message) {
  return Any{std::string(M::kName), encode(message)};
}
// Whether the Any is a message of that type.
template <MessageType M>
bool is_packed(const Any& any) {
  return type_name(any) == M::kName;
}
// The message in it: kInvalidArgument when it is of another type, kDataLoss when it is damaged.
template <MessageType M>
Result<M> unpack(const Any& any) {
  if (is_packed<M>(any)) return decode<M>(any.value);
  return fail(Code::kInvalidArgument, "message of type " + any.type_url + " where " +
                                          std::string(M::kName) + " is expected");
}

// google.protobuf.Timestamp: seconds since 1970, UTC.
struct Timestamp {
  std::int64_t seconds = 0;
  std::int32_t nanos = 0;  // 0 to 999 999 999
  bool operator==(const Timestamp&) const = default;
  void fields(Codec& codec) { codec(1, seconds)(2, nanos); }
};
Timestamp timestamp_now();
inline Timestamp to_timestamp(const struct timespec& time) {
  return {time.tv_sec, static_cast<std::int32_t>(time.tv_nsec)};
}
// Nanoseconds since 1970.
inline std::int64_t nanoseconds(const Timestamp& time) {
  return time.seconds * 1'000'000'000 + time.nanos;
}

// google.rpc.Status.
struct CallStatus {
  std::int32_t code = 0;  // 0: no failure
  std::string message = {};
  std::vector<Any> details = {};
  void fields(Codec& codec) { codec(1, code)(2, message)(3, details); }
};
// gRPC's number of a code (https://grpc.io/docs/guides/status-codes/).
std::int32_t status_number(Code code);
// kUnknown for numbers that are none.
Code code_from_status_number(std::int32_t number);
CallStatus to_call_status(const Error& error);
// Of a status that is a failure.
Error to_error(const CallStatus& status);

// containerd.types.Mount: options as in fstab(5).
struct Mount {
  std::string type = {};
  std::string source = {};
  std::string target = {};
  std::vector<std::string> options = {};
  void fields(Codec& codec) { codec(1, type)(2, source)(3, target)(4, options); }
};

// containerd.types.Metric.
struct Metric {
  std::optional<Timestamp> timestamp = {};
  std::string id = {};
  std::optional<Any> data = {};
  void fields(Codec& codec) { codec(1, timestamp)(2, id)(3, data); }
};

// containerd.types.Platform.
struct Platform {
  std::string os = {};
  std::string architecture = {};
  std::string variant = {};
  std::string os_version = {};
  std::vector<std::string> os_features = {};
  void fields(Codec& codec) {
    codec(1, os)(2, architecture)(3, variant)(4, os_version)(5, os_features);
  }
};

// containerd.v1.types.ProcessInfo.
struct ProcessInfo {
  std::uint32_t pid = 0;
  std::optional<Any> info = {};  // ProcessDetails
  void fields(Codec& codec) { codec(1, pid)(2, info); }
};

// containerd.types.RuntimeVersion and RuntimeInfo: what a shim prints for -info.
struct RuntimeVersion {
  std::string version = {};
  std::string revision = {};
  void fields(Codec& codec) { codec(1, version)(2, revision); }
};
struct RuntimeInfo {
  std::string name = {};
  std::optional<RuntimeVersion> version = {};
  std::optional<Any> options = {};
  std::optional<Any> features = {};  // JSON, opencontainers/runtime-spec/1/features/Features
  std::map<std::string, std::string> annotations = {};
  void fields(Codec& codec) { codec(1, name)(2, version)(3, options)(4, features)(5, annotations); }
};

}  // namespace dhow::rpc
