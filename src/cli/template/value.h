// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "oci/json_value.h"

namespace dhow::cli {

class Value;
using ValueList = std::vector<Value>;
using ValueMembers = std::vector<std::pair<std::string, Value>>;

// A value with named fields that are worked out when they are asked for: a row of `ps`.
class Record {
 public:
  virtual ~Record() = default;
  // The Go type that docker names in errors: "*formatter.ContainerContext".
  virtual std::string type_name() const = 0;
  virtual std::optional<Value> field(std::string_view name) const = 0;
  // What `{{.Name "argument"}}` gives; none when there is no such method.
  virtual std::optional<Value> method(std::string_view name, std::string_view argument) const;
  // All fields for `{{json .}}`, sorted by name.
  virtual ValueMembers members() const = 0;
};

// An object of JSON. Go knows structs from maps, which print differently; JSON does not, so the
// name of the member tells (is_map_name()).
struct ValueObject {
  ValueMembers members;
  bool is_map = false;
  // Set for JSON's null where docker's type is a map or a list: what it prints as, "map[]" or "[]".
  std::string_view null_text = {};
};

// A value of a template. Cheap to copy: lists and objects are shared and never change.
class Value {
 public:
  Value() = default;
  Value(bool value) : value_(value) {}
  Value(std::int64_t value) : value_(value) {}
  Value(double value) : value_(value) {}
  Value(std::string value) : value_(std::move(value)) {}
  Value(std::string_view value) : value_(std::string(value)) {}
  Value(const char* value) : value_(std::string(value)) {}
  Value(ValueList value) : value_(std::make_shared<const ValueList>(std::move(value))) {}
  Value(ValueObject value) : value_(std::make_shared<const ValueObject>(std::move(value))) {}
  Value(std::shared_ptr<const Record> value) : value_(std::move(value)) {}

  bool is_nil() const { return std::holds_alternative<std::monostate>(value_); }
  const bool* boolean() const { return std::get_if<bool>(&value_); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&value_); }
  const double* real() const { return std::get_if<double>(&value_); }
  const std::string* string() const { return std::get_if<std::string>(&value_); }
  const ValueList* list() const { return pointee<ValueList>(); }
  const ValueObject* object() const { return pointee<ValueObject>(); }
  const Record* record() const { return pointee<Record>(); }

  // Go's idea of truth: not empty, not zero, not nil.
  bool truth() const;
  // As fmt.Fprint prints it: "[a b]", "map[k:v]", "{v v}", "<nil>".
  std::string text() const;
  // Compact JSON without escapes for HTML.
  std::string json() const;
  // "string", "int", "map", …: for errors.
  std::string type_name() const;

 private:
  template <typename Kind>
  const Kind* pointee() const {
    const auto* pointer = std::get_if<std::shared_ptr<const Kind>>(&value_);
    return pointer != nullptr ? pointer->get() : nullptr;
  }

  std::variant<std::monostate, bool, std::int64_t, double, std::string,
               std::shared_ptr<const ValueList>, std::shared_ptr<const ValueObject>,
               std::shared_ptr<const Record>>
      value_;
};

// A copy of a JSON value. `name` is that of the member that it is the value of.
Value value_from_json(oci::JsonValue json, std::string_view name = {});

// Whether docker's type of a member of that name is a map: "Labels", "Ports", ….
bool is_map_name(std::string_view name);
// Whether it is a list: "Env", "Binds", ….
bool is_list_name(std::string_view name);
// Whether docker's types leave a member of that name out when it is empty: its absence is a nil,
// while that of another name is an error.
bool is_optional_name(std::string_view name);

// As Go's %v prints a floating-point number.
std::string go_float_text(double value);

}  // namespace dhow::cli
