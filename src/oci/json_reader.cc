// SPDX-License-Identifier: Apache-2.0
#include "oci/json_reader.h"

#include <cstdio>

namespace dhow::oci {
namespace {

// A name that JSONPath takes behind a dot.
bool is_plain(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (char c : name) {
    bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!word && c != '_') return false;
  }
  return true;
}

// Found texts are cut here, lest a message carries a whole document.
constexpr std::size_t kShownLength = 40;

std::string kind_name(JsonKind kind) {
  switch (kind) {
    case JsonKind::kNull:
      return "null";
    case JsonKind::kBoolean:
      return "a boolean";
    case JsonKind::kNumber:
      return "a number";
    case JsonKind::kString:
      return "a string";
    case JsonKind::kArray:
      return "an array";
    case JsonKind::kObject:
      return "an object";
  }
  std::unreachable();
}

std::string described(JsonValue value) {
  switch (value.kind()) {
    case JsonKind::kBoolean:
      return *value.as_boolean() ? "true" : "false";
    case JsonKind::kNumber: {
      if (auto number = value.as_int64()) return cat("number ", *number);
      if (auto number = value.as_uint64()) return cat("number ", *number);
      char digits[32];
      std::snprintf(digits, sizeof digits, "%g", *value.as_double());
      // What was no integer in the text must not look like one here.
      bool plain = std::string_view(digits).find_first_not_of("-0123456789") == std::string::npos;
      return cat("number ", digits, plain ? ".0" : "");
    }
    case JsonKind::kString: {
      std::string_view text = *value.as_string();
      if (text.size() <= kShownLength) return cat("string ", quoted(text));
      return cat("string ", quoted(text.substr(0, kShownLength)), "...");
    }
    default:
      return kind_name(value.kind());
  }
}

}  // namespace

void JsonReader::append_path(std::string& path) const {
  if (parent_ == nullptr) {
    path += '$';
    return;
  }
  parent_->append_path(path);
  if (parent_->value_.kind() == JsonKind::kArray) {
    path += cat("[", index_, "]");
  } else if (is_plain(name_)) {
    path += '.';
    path += name_;
  } else {
    path += cat("[", quoted(name_), "]");
  }
}

std::string JsonReader::path() const {
  std::string path;
  append_path(path);
  return path;
}

void JsonReader::fail(std::string_view why) const {
  if (!*fault_) fault_->emplace(Code::kInvalidArgument, cat(path(), ": ", why));
}

void JsonReader::fail_expected(std::string_view what) const {
  if (!*fault_) fail(cat("expected ", what, ", found ", described(value_)));
}

bool JsonReader::expect(JsonKind kind) const {
  if (value_.kind() == kind) return true;
  fail_expected(kind_name(kind));
  return false;
}

void decode(const JsonReader& in, bool& out) {
  if (in.expect(JsonKind::kBoolean)) out = *in.value().as_boolean();
}

void decode(const JsonReader& in, std::string& out) {
  if (!in.expect(JsonKind::kString)) return;
  std::string_view text = *in.value().as_string();
  if (text.find('\0') != std::string_view::npos) return in.fail("the string holds a NUL");
  out = text;
}

}  // namespace dhow::oci
