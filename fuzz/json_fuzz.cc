// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "oci/json.h"
#include "oci/json_value.h"

// What is read, written and read again is the same; a text of any bytes can be put into JSON.
namespace {

using dhow::oci::JsonDocument;
using dhow::oci::JsonKind;
using dhow::oci::JsonValue;
using dhow::oci::JsonWriter;

void require(bool condition) {
  if (!condition) std::abort();
}

void write(JsonWriter& json, JsonValue value) {
  switch (value.kind()) {
    case JsonKind::kNull:
      json.null();
      return;
    case JsonKind::kBoolean:
      json.boolean(*value.as_boolean());
      return;
    case JsonKind::kNumber:
      // The writer knows no fractions.
      if (auto number = value.as_int64()) {
        json.number(*number);
      } else if (auto big = value.as_uint64()) {
        json.number_unsigned(*big);
      } else {
        json.raw("0.5");
      }
      return;
    case JsonKind::kString:
      json.string(*value.as_string());
      return;
    case JsonKind::kArray:
      json.begin_array();
      for (std::size_t i = 0; i < value.size(); ++i) write(json, value.item(i));
      json.end_array();
      return;
    case JsonKind::kObject:
      json.begin_object();
      for (std::size_t i = 0; i < value.size(); ++i) {
        json.key(value.member(i).name);
        write(json, value.member(i).value);
      }
      json.end_object();
      return;
  }
}

std::string written(JsonValue value, std::string indent) {
  JsonWriter json(std::move(indent));
  write(json, value);
  return json.text();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  require(JsonDocument::parse(dhow::oci::json_quoted(text)).has_value());
  auto document = JsonDocument::parse(text);
  if (!document.has_value()) return 0;
  std::string compact = written(document->root(), "");
  auto again = JsonDocument::parse(compact);
  require(again.has_value() && written(again->root(), "") == compact);
  auto indented = JsonDocument::parse(written(document->root(), "\t"));
  require(indented.has_value() && written(indented->root(), "") == compact);
  return 0;
}
