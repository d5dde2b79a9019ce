// SPDX-License-Identifier: Apache-2.0
#include "network/cni/json_text.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace dhow::cni {
namespace {

using oci::JsonKind;
using oci::JsonValue;
using oci::JsonWriter;

void write_number(JsonWriter& out, JsonValue value) {
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
void write_value(JsonWriter& out, JsonValue value) {
  switch (value.kind()) {
    case JsonKind::kNull:
      out.null();
      return;
    case JsonKind::kBoolean:
      out.boolean(value.as_boolean().value_or(false));
      return;
    case JsonKind::kNumber:
      return write_number(out, value);
    case JsonKind::kString:
      out.string(value.as_string().value_or(""));
      return;
    case JsonKind::kArray:
      out.begin_array();
      for (std::size_t i = 0; i < value.size(); ++i) write_value(out, value.item(i));
      out.end_array();
      return;
    case JsonKind::kObject:
      out.begin_object();
      for (std::size_t i = 0; i < value.size(); ++i) {
        oci::JsonMember member = value.member(i);
        out.key(member.name);
        write_value(out, member.value);
      }
      out.end_object();
      return;
  }
}

std::string value_text(JsonValue value) {
  JsonWriter out;
  write_value(out, value);
  return out.text();
}

}  // namespace dhow::cni
