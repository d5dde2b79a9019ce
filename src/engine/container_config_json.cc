// SPDX-License-Identifier: Apache-2.0
#include "engine/container_config_json.h"

#include <concepts>
#include <type_traits>

#include "engine/container_config_fields.h"
#include "oci/json.h"
#include "oci/json_reader.h"

namespace dhow::engine {
namespace {

using oci::JsonKind;
using oci::JsonReader;
using oci::JsonWriter;

struct AnyVisitor {
  template <typename... Arguments>
  void operator()(Arguments&&...) {}
  template <typename... Arguments>
  void keys(Arguments&&...) {}
  template <typename... Arguments>
  void words(Arguments&&...) {}
  template <typename... Arguments>
  void only(Arguments&&...) {}
};

template <typename Type>
concept Described = requires(AnyVisitor visit, Type value) { describe(visit, value); };

// Reading. A null is an absent field, in lists and maps too, as Go's reader has it.

void read_value(const JsonReader& in, TextMap& out) {
  if (!in.expect(JsonKind::kObject)) return;
  out.clear();
  for (std::size_t i = 0; i < in.value().size(); ++i) {
    JsonReader member = in.member(i);
    std::string& value = out[std::string(member.name())];
    if (member.present()) oci::decode(member, value);
  }
}

template <typename Scalar>
  requires(std::integral<Scalar> || std::same_as<Scalar, std::string>)
void read_value(const JsonReader& in, Scalar& out) {
  oci::decode(in, out);
}

template <Described Type>
void read_value(const JsonReader& in, Type& out);
template <typename Value>
void read_value(const JsonReader& in, std::optional<Value>& out);
template <typename Value>
  requires(!std::same_as<Value, std::string>)
void read_value(const JsonReader& in, std::map<std::string, Value>& out);

template <typename Value>
void read_value(const JsonReader& in, std::vector<Value>& out) {
  if (!in.expect(JsonKind::kArray)) return;
  out.clear();
  out.resize(in.value().size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (JsonReader item = in.item(i); item.present()) read_value(item, out[i]);
  }
}

template <typename Value>
void read_value(const JsonReader& in, std::optional<Value>& out) {
  read_value(in, out.emplace());
}

template <typename Value>
  requires(!std::same_as<Value, std::string>)
void read_value(const JsonReader& in, std::map<std::string, Value>& out) {
  if (!in.expect(JsonKind::kObject)) return;
  out.clear();
  for (std::size_t i = 0; i < in.value().size(); ++i) {
    JsonReader member = in.member(i);
    Value& value = out[std::string(member.name())];
    if (member.present()) read_value(member, value);
  }
}

class ReadVisitor {
 public:
  explicit ReadVisitor(const JsonReader& in) : in_(in) {}

  template <typename Value>
  void operator()(std::string_view name, Value& value, Show /*show*/) {
    if (JsonReader member = in_.member(name); member.present()) read_value(member, value);
  }
  // {"a":{},"b":{}}
  void keys(std::string_view name, std::set<std::string>& value, Show /*show*/) {
    JsonReader member = in_.member(name);
    if (!member.present() || !member.expect(JsonKind::kObject)) return;
    for (std::size_t i = 0; i < member.value().size(); ++i) {
      value.emplace(member.member(i).name());
    }
  }
  // A list, or one text.
  void words(std::string_view name, std::optional<std::vector<std::string>>& value, Show show) {
    JsonReader member = in_.member(name);
    if (member.value().kind() != JsonKind::kString) return (*this)(name, value, show);
    oci::decode(member, value.emplace().emplace_back());
  }
  // An object of which one member counts.
  void only(std::string_view name, std::string_view part, std::optional<std::string>& value) {
    JsonReader member = in_.member(name);
    if (!member.present() || !member.expect(JsonKind::kObject)) return;
    value.emplace();
    oci::optional_member(member, part, *value);
  }

 private:
  const JsonReader& in_;
};

template <Described Type>
void read_value(const JsonReader& in, Type& out) {
  if (!in.expect(JsonKind::kObject)) return;
  ReadVisitor visit(in);
  describe(visit, out);
}

// Finds read_value for parse_as.
template <typename Type>
struct Parsed {
  Type value;
};
template <typename Type>
void decode(const JsonReader& in, Parsed<Type>& out) {
  read_value(in, out.value);
}
template <typename Type>
Result<Type> parse(std::string_view json) {
  TRY_ASSIGN(Parsed<Type> parsed, oci::parse_as<Parsed<Type>>(json));
  return std::move(parsed.value);
}

// Writing.

void write_value(JsonWriter& out, bool value) { out.boolean(value); }
void write_value(JsonWriter& out, const std::string& value) { out.string(value); }
template <typename Number>
  requires(std::integral<Number> && !std::same_as<Number, bool>)
void write_value(JsonWriter& out, Number value) {
  if constexpr (std::is_signed_v<Number>) {
    out.number(value);
  } else {
    out.number_unsigned(value);
  }
}
template <Described Type>
void write_value(JsonWriter& out, const Type& value);
template <typename Value>
void write_value(JsonWriter& out, const std::vector<Value>& values) {
  out.begin_array();
  for (const Value& value : values) write_value(out, value);
  out.end_array();
}
template <typename Value>
void write_value(JsonWriter& out, const std::map<std::string, Value>& values) {
  out.begin_object();
  for (const auto& [key, value] : values) {
    out.key(key);
    write_value(out, value);
  }
  out.end_object();
}

class WriteVisitor {
 public:
  explicit WriteVisitor(JsonWriter& out) : out_(out) {}

  template <typename Value>
  void operator()(std::string_view name, const Value& value, Show show) {
    if (show == Show::kIfSet && value == Value()) return;
    out_.key(name);
    write_value(out_, value);
  }
  template <typename Value>
  void operator()(std::string_view name, const std::vector<Value>& values, Show show) {
    if (show == Show::kIfSet && values.empty()) return;
    out_.key(name);
    if (values.empty()) {
      out_.null();
    } else {
      write_value(out_, values);
    }
  }
  template <typename Value>
  void operator()(std::string_view name, const std::optional<Value>& value, Show show) {
    if (show == Show::kIfSet && !value) return;
    out_.key(name);
    if (value) {
      write_value(out_, *value);
    } else {
      out_.null();
    }
  }
  void keys(std::string_view name, const std::set<std::string>& values, Show show) {
    if (show == Show::kIfSet && values.empty()) return;
    out_.key(name);
    if (values.empty()) {
      out_.null();
      return;
    }
    out_.begin_object();
    for (const std::string& value : values) out_.key(value).begin_object().end_object();
    out_.end_object();
  }
  void words(std::string_view name, const std::optional<std::vector<std::string>>& value,
             Show show) {
    (*this)(name, value, show);
  }
  void only(std::string_view name, std::string_view part, const std::optional<std::string>& value) {
    if (!value) return;
    out_.key(name).begin_object().member(part, *value).end_object();
  }

 private:
  JsonWriter& out_;
};

template <Described Type>
void write_value(JsonWriter& out, const Type& value) {
  out.begin_object();
  WriteVisitor visit(out);
  describe(visit, value);
  out.end_object();
}

}  // namespace

Result<CreateConfig> parse_create_config(std::string_view json) {
  return parse<CreateConfig>(json);
}

Result<ContainerConfig> parse_container_config(std::string_view json) {
  return parse<ContainerConfig>(json);
}

Result<HostConfig> parse_host_config(std::string_view json) { return parse<HostConfig>(json); }

Result<HostConfig> parse_update_config(std::string_view json) {
  TRY_ASSIGN(HostConfig all, parse<HostConfig>(json));
  HostConfig changes;
  changes.resources = std::move(all.resources);
  changes.restart_policy = std::move(all.restart_policy);
  return changes;
}

Result<ConnectConfig> parse_connect_config(std::string_view json) {
  return parse<ConnectConfig>(json);
}

Result<ExecConfig> parse_exec_config(std::string_view json) { return parse<ExecConfig>(json); }

std::string create_config_json(const CreateConfig& config) {
  JsonWriter out;
  write_value(out, config);
  return out.text();
}

void write_json(JsonWriter& out, const ContainerConfig& config) { write_value(out, config); }
void write_json(JsonWriter& out, const HostConfig& config) { write_value(out, config); }
void write_json(JsonWriter& out, const EndpointConfig& config) { write_value(out, config); }
void write_json(JsonWriter& out, const MountConfig& config) { write_value(out, config); }

std::string exec_config_json(const ExecConfig& config) {
  JsonWriter out;
  write_value(out, config);
  return out.text();
}

}  // namespace dhow::engine
