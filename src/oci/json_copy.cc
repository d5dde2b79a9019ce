// SPDX-License-Identifier: Apache-2.0
#include "oci/json_copy.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace dhow::oci {
namespace {

void copy_number(JsonWriter& out, JsonValue value) {
  if (auto number = value.as_int64()) {
    out.number(*number);
  } else if (auto big = value.as_uint64()) {
    out.number_unsigned(*big);
  } else {
    // JSON has no word for what is larger than a double can be.
    constexpr double kLargest = std::numeric_limits<double>::max();
    double fraction = std::clamp(value.as_double().value_or(0), -kLargest, kLargest);
    char digits[32];
    auto [end, error] = std::to_chars(digits, digits + sizeof digits, fraction);
    static_cast<void>(error);  // 24 characters hold every double
    out.raw(std::string_view(digits, static_cast<std::size_t>(end - digits)));
  }
}

}  // namespace

// Values are at most 128 levels deep (JsonDocument).
void copy_value(JsonWriter& out, JsonValue value) {
  switch (value.kind()) {
    case JsonKind::kNull:
      out.null();
      return;
    case JsonKind::kBoolean:
      out.boolean(value.as_boolean().value_or(false));
      return;
    case JsonKind::kNumber:
      return copy_number(out, value);
    case JsonKind::kString:
      out.string(value.as_string().value_or(""));
      return;
    case JsonKind::kArray:
      out.begin_array();
      for (std::size_t i = 0; i < value.size(); ++i) copy_value(out, value.item(i));
      out.end_array();
      return;
    case JsonKind::kObject:
      out.begin_object();
      for (std::size_t i = 0; i < value.size(); ++i) {
        JsonMember member = value.member(i);
        out.key(member.name);
        copy_value(out, member.value);
      }
      out.end_object();
      return;
  }
}

std::string value_json(JsonValue value) {
  JsonWriter out;
  copy_value(out, value);
  return out.text();
}

}  // namespace dhow::oci
