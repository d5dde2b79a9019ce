// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include "oci/config_decode.h"

namespace dhow::oci {

void decode(const JsonReader& in, Namespace& out);
void decode(const JsonReader& in, TimeOffset& out);
void decode(const JsonReader& in, Device& out);
void decode(const JsonReader& in, IntelRdt& out);
void decode(const JsonReader& in, MemoryPolicy& out);
void decode(const JsonReader& in, Personality& out);

namespace {

constexpr EnumName<NamespaceType> kNamespaceTypes[] = {
    {"pid", NamespaceType::kPid},       {"network", NamespaceType::kNetwork},
    {"mount", NamespaceType::kMount},   {"ipc", NamespaceType::kIpc},
    {"uts", NamespaceType::kUts},       {"user", NamespaceType::kUser},
    {"cgroup", NamespaceType::kCgroup}, {"time", NamespaceType::kTime},
};

constexpr EnumName<char> kDeviceTypes[] = {{"c", 'c'}, {"b", 'b'}, {"u", 'u'}, {"p", 'p'}};

struct PropagationMode {
  std::optional<Propagation> mode;
  bool recursive;
};

constexpr EnumName<PropagationMode> kPropagations[] = {
    {"private", {Propagation::kPrivate, false}},
    {"rprivate", {Propagation::kPrivate, true}},
    {"shared", {Propagation::kShared, false}},
    {"rshared", {Propagation::kShared, true}},
    {"slave", {Propagation::kSlave, false}},
    {"rslave", {Propagation::kSlave, true}},
    {"unbindable", {Propagation::kUnbindable, false}},
    {"runbindable", {Propagation::kUnbindable, true}},
    {"", {std::nullopt, false}},
};

// Some engines pass st_mode as a whole; only the permission bits are of use.
void decode_file_mode(const JsonReader& in, std::optional<std::uint32_t>& out) {
  std::uint32_t mode = 0;
  decode(in, mode);
  if ((mode & ~std::uint32_t{S_IFMT | ALLPERMS}) != 0) return in.fail_expected("a file mode");
  out = mode & ALLPERMS;
}

// Each device is an object whose only member is its new name.
void decode_net_devices(const JsonReader& in, StringMap& out) {
  if (!in.expect(JsonKind::kObject)) return;
  for (std::size_t i = 0; i < in.value().size(); ++i) {
    JsonReader device = in.member(i);
    if (device.name().find('\0') != std::string_view::npos) device.fail("the name holds a NUL");
    if (!device.expect(JsonKind::kObject)) return;
    optional_member(device, "name", out[std::string(device.name())]);
  }
}

}  // namespace

void decode(const JsonReader& in, Namespace& out) {
  if (!in.expect(JsonKind::kObject)) return;
  JsonReader type = in.member("type");
  if (!type.present()) return type.fail("required");
  decode_enum(type, kNamespaceTypes, "namespace type", out.type);
  optional_member(in, "path", out.path);
}

void decode(const JsonReader& in, TimeOffset& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "secs", out.secs);
  optional_member(in, "nanosecs", out.nanosecs);
}

void decode(const JsonReader& in, Device& out) {
  if (!in.expect(JsonKind::kObject)) return;
  required_member(in, "path", out.path);
  JsonReader type = in.member("type");
  if (!type.present()) return type.fail("required");
  decode_enum(type, kDeviceTypes, "device type", out.type);
  optional_member(in, "major", out.major);
  optional_member(in, "minor", out.minor);
  if (JsonReader mode = in.member("fileMode"); mode.present()) {
    decode_file_mode(mode, out.file_mode);
  }
  optional_member(in, "uid", out.uid);
  optional_member(in, "gid", out.gid);
}

void decode(const JsonReader& in, IntelRdt& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "closID", out.clos_id);
  optional_member(in, "schemata", out.schemata);
  optional_member(in, "l3CacheSchema", out.l3_cache_schema);
  optional_member(in, "memBwSchema", out.mem_bw_schema);
  optional_member(in, "enableMonitoring", out.enable_monitoring);
}

void decode(const JsonReader& in, MemoryPolicy& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "mode", out.mode);
  optional_member(in, "nodes", out.nodes);
  optional_member(in, "flags", out.flags);
}

void decode(const JsonReader& in, Personality& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "domain", out.domain);
  optional_member(in, "flags", out.flags);
}

void decode(const JsonReader& in, Linux& out) {
  if (!in.expect(JsonKind::kObject)) return;
  optional_member(in, "namespaces", out.namespaces);
  optional_member(in, "uidMappings", out.uid_mappings);
  optional_member(in, "gidMappings", out.gid_mappings);
  optional_member(in, "timeOffsets", out.time_offsets);
  optional_member(in, "devices", out.devices);
  if (JsonReader devices = in.member("netDevices"); devices.present()) {
    decode_net_devices(devices, out.net_devices);
  }
  optional_member(in, "cgroupsPath", out.cgroups_path);
  optional_member(in, "resources", out.resources);
  optional_member(in, "sysctl", out.sysctl);
  optional_member(in, "seccomp", out.seccomp);
  if (JsonReader mode = in.member("rootfsPropagation"); mode.present()) {
    PropagationMode propagation{};
    decode_enum(mode, kPropagations, "propagation mode", propagation);
    out.rootfs_propagation = propagation.mode;
    out.rootfs_propagation_recursive = propagation.recursive;
  }
  optional_member(in, "maskedPaths", out.masked_paths);
  optional_member(in, "readonlyPaths", out.readonly_paths);
  optional_member(in, "mountLabel", out.mount_label);
  optional_member(in, "intelRdt", out.intel_rdt);
  optional_member(in, "memoryPolicy", out.memory_policy);
  optional_member(in, "personality", out.personality);
}

}  // namespace dhow::oci
