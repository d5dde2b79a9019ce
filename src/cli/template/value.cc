// SPDX-License-Identifier: Apache-2.0
#include "cli/template/value.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "oci/json.h"

namespace dhow::cli {
namespace {

// Sorted. From the schemas of the Engine API: members whose type is a map.
constexpr std::string_view kMapNames[] = {
    "Annotations",
    "Attributes",
    "AuxiliaryAddresses",
    "Config.Labels",
    "Containers",
    "Data",
    "DriverOpts",
    "DriverStatus",
    "ExposedPorts",
    "GlobalOptions",
    "GraphDriver.Data",
    "IndexConfigs",
    "Labels",
    "Networks",
    "Options",
    "PortBindings",
    "Ports",
    "Runtimes",
    "Status",
    "StorageOpt",
    "Sysctls",
    "Tmpfs",
    "Volumes",
};

// Members whose type is a list, and that engines may give as null.
constexpr std::string_view kListNames[] = {
    "Binds",   "CapAdd",        "CapDrop",     "Cmd",       "DeviceCgroupRules", "DeviceRequests",
    "Devices", "Dns",           "DnsOptions",  "DnsSearch", "Entrypoint",        "Env",
    "ExecIDs", "ExtraHosts",    "GroupAdd",    "Links",     "MaskedPaths",       "Mounts",
    "OnBuild", "ReadonlyPaths", "RepoDigests", "RepoTags",  "SecurityOpt",       "Shell",
    "Ulimits", "VolumesFrom",   "Aliases",
};

// Sorted. Members that are left out when they are empty.
constexpr std::string_view kOptionalNames[] = {
    "Annotations",
    "ArgsEscaped",
    "Comment",
    "ConsoleSize",
    "ContainerIDFile",
    "ExposedPorts",
    "GroupAdd",
    "GwPriority",
    "Health",
    "Healthcheck",
    "ImageManifestDescriptor",
    "Init",
    "Labels",
    "MacAddress",
    "MaskedPaths",
    "Mounts",
    "Network",
    "NetworkDisabled",
    "OnBuild",
    "Options",
    "Parent",
    "Platform",
    "RW",
    "ReadonlyPaths",
    "RootFS",
    "Runtime",
    "Shell",
    "SizeRootFs",
    "SizeRw",
    "Status",
    "StopSignal",
    "StopTimeout",
    "StorageOpt",
    "Sysctls",
    "Tmpfs",
    "UsageData",
    "User",
    "Variant",
    "Volumes",
    "WorkingDir",
};

template <std::size_t kSize>
bool contains(const std::string_view (&names)[kSize], std::string_view name) {
  return std::ranges::find(names, name) != std::end(names);
}

void append_text(const Value& value, std::string& text);

void append_members(const ValueObject& object, std::string& text) {
  text += object.null_text;
  if (!object.null_text.empty()) return;
  text += object.is_map ? "map[" : "{";
  bool first = true;
  for (const auto& [name, value] : object.members) {
    if (!first) text += ' ';
    first = false;
    if (object.is_map) text += cat(name, ":");
    append_text(value, text);
  }
  text += object.is_map ? ']' : '}';
}

void append_text(const Value& value, std::string& text) {
  if (const bool* boolean = value.boolean()) {
    text += *boolean ? "true" : "false";
  } else if (const std::int64_t* integer = value.integer()) {
    text += cat(*integer);
  } else if (const double* real = value.real()) {
    text += go_float_text(*real);
  } else if (const std::string* string = value.string()) {
    text += *string;
  } else if (const ValueList* list = value.list()) {
    text += '[';
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (i != 0) text += ' ';
      append_text((*list)[i], text);
    }
    text += ']';
  } else if (const ValueObject* object = value.object()) {
    append_members(*object, text);
  } else if (const Record* record = value.record()) {
    append_members({record->members(), false, {}}, text);
  } else {
    text += "<nil>";
  }
}

void write_json(const Value& value, oci::JsonWriter& json);

void write_json_members(const ValueMembers& members, oci::JsonWriter& json) {
  json.begin_object();
  for (const auto& [name, value] : members) {
    json.key(name);
    write_json(value, json);
  }
  json.end_object();
}

// As Go's json.Marshal has it, which escapes what HTML would take for its own.
std::string record_json(const Record& record) {
  oci::JsonWriter plain;
  write_json_members(record.members(), plain);
  std::string text;
  for (char c : plain.text()) {
    if (c == '<' || c == '>' || c == '&') {
      text += c == '<' ? "\\u003c" : c == '>' ? "\\u003e" : "\\u0026";
    } else {
      text += c;
    }
  }
  return text;
}

void write_json(const Value& value, oci::JsonWriter& json) {
  if (const bool* boolean = value.boolean()) {
    json.boolean(*boolean);
  } else if (const std::int64_t* integer = value.integer()) {
    json.number(*integer);
  } else if (const double* real = value.real()) {
    json.raw(std::isfinite(*real) ? go_float_text(*real) : "null");
  } else if (const std::string* string = value.string()) {
    json.string(*string);
  } else if (const ValueList* list = value.list()) {
    json.begin_array();
    for (const Value& item : *list) write_json(item, json);
    json.end_array();
  } else if (const ValueObject* object = value.object()) {
    if (!object->null_text.empty()) {
      json.null();
    } else {
      write_json_members(object->members, json);
    }
  } else if (const Record* record = value.record()) {
    json.raw(record_json(*record));
  } else {
    json.null();
  }
}

}  // namespace

std::optional<Value> Record::method(std::string_view, std::string_view) const {
  return std::nullopt;
}

bool is_map_name(std::string_view name) { return contains(kMapNames, name); }
bool is_list_name(std::string_view name) { return contains(kListNames, name); }
bool is_optional_name(std::string_view name) { return contains(kOptionalNames, name); }

std::string go_float_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char digits[400];
  double size = std::abs(value);
  bool scientific = size != 0 && (size < 1e-4 || size >= 1e21);
  auto format = scientific ? std::chars_format::scientific : std::chars_format::fixed;
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, value, format);
  static_cast<void>(error);
  return {digits, end};
}

bool Value::truth() const {
  if (const bool* value = boolean()) return *value;
  if (const std::int64_t* value = integer()) return *value != 0;
  if (const double* value = real()) return *value != 0;
  if (const std::string* value = string()) return !value->empty();
  if (const ValueList* value = list()) return !value->empty();
  if (const ValueObject* value = object()) return !value->is_map || !value->members.empty();
  return record() != nullptr;
}

std::string Value::text() const {
  std::string result;
  append_text(*this, result);
  return result;
}

std::string Value::json() const {
  oci::JsonWriter writer;
  write_json(*this, writer);
  return writer.text();
}

std::string Value::type_name() const {
  if (boolean() != nullptr) return "bool";
  if (integer() != nullptr) return "int";
  if (real() != nullptr) return "float64";
  if (string() != nullptr) return "string";
  if (list() != nullptr) return "[]interface {}";
  if (object() != nullptr) return "map[string]interface {}";
  if (const Record* value = record()) return value->type_name();
  return "nil";
}

Value value_from_json(oci::JsonValue json, std::string_view name) {
  switch (json.kind()) {
    case oci::JsonKind::kNull:
      if (is_map_name(name)) return ValueObject{{}, true, "map[]"};
      if (is_list_name(name)) return ValueObject{{}, true, "[]"};
      return {};
    case oci::JsonKind::kBoolean:
      return *json.as_boolean();
    case oci::JsonKind::kNumber:
      if (auto integer = json.as_int64()) return *integer;
      return json.as_double().value_or(0);
    case oci::JsonKind::kString:
      return *json.as_string();
    case oci::JsonKind::kArray: {
      ValueList list;
      list.reserve(json.size());
      for (std::size_t i = 0; i < json.size(); ++i) list.push_back(value_from_json(json.item(i)));
      return list;
    }
    case oci::JsonKind::kObject: {
      ValueObject object{{}, is_map_name(name), {}};
      for (std::size_t i = 0; i < json.size(); ++i) {
        oci::JsonMember member = json.member(i);
        // The options of a log driver; elsewhere it is a structure.
        bool options = name == "LogConfig" && member.name == "Config";
        object.members.emplace_back(
            member.name, value_from_json(member.value, options ? "Options" : member.name));
      }
      return object;
    }
  }
  return {};
}

}  // namespace dhow::cli
