// SPDX-License-Identifier: Apache-2.0
#include "oci/json_value.h"

#include <algorithm>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parser.hpp>
#include <boost/json/value.hpp>
#include <exception>
#include <utility>

#include "base/strings.h"

namespace dhow::oci {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 128;

const json::value& tree_value(const void* value) { return *static_cast<const json::value*>(value); }

std::string_view text_of(json::string_view text) { return {text.data(), text.size()}; }

// Where a fault is, for people: lines and columns from 1, a column being a byte.
std::string place(std::string_view text, std::size_t offset) {
  std::string_view before = text.substr(0, std::min(offset, text.size()));
  auto line = std::count(before.begin(), before.end(), '\n') + 1;
  std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return cat("line ", line, ", column ", before.size() - line_start + 1);
}

}  // namespace

struct JsonDocument::Tree {
  explicit Tree(std::size_t size) : memory(size), root(json::storage_ptr(&memory)) {}

  json::monotonic_resource memory;
  json::value root;
};

JsonDocument::JsonDocument(std::unique_ptr<Tree> tree) : tree_(std::move(tree)) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

Result<JsonDocument> JsonDocument::parse(std::string_view text) {
  try {
    // The tree of an indented config.json is about as big as its text, of a dense one twice that.
    auto tree = std::make_unique<Tree>(std::clamp<std::size_t>(text.size() * 2, 1024, 1 << 20));
    json::parse_options options;
    options.max_depth = kMaxDepth;
    unsigned char scratch[4096];
    json::parser parser(json::storage_ptr(), options, scratch);
    parser.reset(json::storage_ptr(&tree->memory));
    boost::system::error_code error;
    std::size_t used = parser.write(text.data(), text.size(), error);
    if (error) {
      return fail(Code::kInvalidArgument,
                  cat("invalid JSON at ", place(text, used), ": ", error.message()));
    }
    tree->root = parser.release();
    return JsonDocument(std::move(tree));
  } catch (const std::exception& exception) {
    return fail(Code::kResourceExhausted, cat("parse JSON: ", exception.what()));
  }
}

JsonValue JsonDocument::root() const { return JsonValue(&tree_->root); }

JsonKind JsonValue::kind() const {
  if (value_ == nullptr) return JsonKind::kNull;
  switch (tree_value(value_).kind()) {
    case json::kind::null:
      return JsonKind::kNull;
    case json::kind::bool_:
      return JsonKind::kBoolean;
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_:
      return JsonKind::kNumber;
    case json::kind::string:
      return JsonKind::kString;
    case json::kind::array:
      return JsonKind::kArray;
    case json::kind::object:
      return JsonKind::kObject;
  }
  std::unreachable();
}

std::optional<bool> JsonValue::as_boolean() const {
  if (value_ == nullptr) return std::nullopt;
  const bool* value = tree_value(value_).if_bool();
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::optional<std::string_view> JsonValue::as_string() const {
  if (value_ == nullptr) return std::nullopt;
  const json::string* value = tree_value(value_).if_string();
  return value != nullptr ? std::optional(text_of(*value)) : std::nullopt;
}

std::optional<std::int64_t> JsonValue::as_int64() const {
  if (value_ == nullptr) return std::nullopt;
  // Boost holds what fits as int64 and as uint64 only what is greater.
  const std::int64_t* value = tree_value(value_).if_int64();
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::optional<std::uint64_t> JsonValue::as_uint64() const {
  if (value_ == nullptr) return std::nullopt;
  const json::value& value = tree_value(value_);
  if (const std::uint64_t* number = value.if_uint64()) return *number;
  const std::int64_t* number = value.if_int64();
  if (number == nullptr || *number < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

std::optional<double> JsonValue::as_double() const {
  if (value_ == nullptr) return std::nullopt;
  const json::value& value = tree_value(value_);
  if (const double* number = value.if_double()) return *number;
  if (const std::int64_t* number = value.if_int64()) return static_cast<double>(*number);
  if (const std::uint64_t* number = value.if_uint64()) return static_cast<double>(*number);
  return std::nullopt;
}

std::size_t JsonValue::size() const {
  if (value_ == nullptr) return 0;
  const json::value& value = tree_value(value_);
  if (const json::array* array = value.if_array()) return array->size();
  if (const json::object* object = value.if_object()) return object->size();
  return 0;
}

JsonValue JsonValue::item(std::size_t index) const {
  const json::array* array = value_ != nullptr ? tree_value(value_).if_array() : nullptr;
  if (array == nullptr || index >= array->size()) return {};
  return JsonValue(array->data() + index);
}

JsonMember JsonValue::member(std::size_t index) const {
  const json::object* object = value_ != nullptr ? tree_value(value_).if_object() : nullptr;
  if (object == nullptr || index >= object->size()) return {};
  const json::key_value_pair& pair = object->begin()[static_cast<std::ptrdiff_t>(index)];
  return {text_of(pair.key()), JsonValue(&pair.value())};
}

JsonValue JsonValue::find(std::string_view name) const {
  const json::object* object = value_ != nullptr ? tree_value(value_).if_object() : nullptr;
  if (object == nullptr) return {};
  const json::value* value = object->if_contains({name.data(), name.size()});
  return value != nullptr ? JsonValue(value) : JsonValue();
}

}  // namespace dhow::oci
