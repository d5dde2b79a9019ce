// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dhow::oci {

// Builds a JSON text in order, with no tree behind it: state, features, events, log lines.
// `indent` is put once a level ("": compact, on one line). Calls must nest rightly; keys are only
// given inside objects. Not thread safe.
class JsonWriter {
 public:
  explicit JsonWriter(std::string indent = "") : indent_(std::move(indent)) {}

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view value);
  JsonWriter& number(std::int64_t value);
  JsonWriter& number_unsigned(std::uint64_t value);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  // A ready-made JSON text as a value.
  JsonWriter& raw(std::string_view json);

  // key + value in one call.
  JsonWriter& member(std::string_view name, std::string_view value) {
    return key(name).string(value);
  }
  JsonWriter& member(std::string_view name, const char* value) { return key(name).string(value); }
  JsonWriter& member_number(std::string_view name, std::int64_t value) {
    return key(name).number(value);
  }
  JsonWriter& member_boolean(std::string_view name, bool value) { return key(name).boolean(value); }

  const std::string& text() const { return text_; }
  // The text so far, of which the writer keeps nothing: for answers that are sent in pieces.
  std::string take_text() { return std::exchange(text_, {}); }

 private:
  void before_value();
  void new_line();

  std::string indent_;
  std::string text_;
  std::vector<bool> has_items_;  // one a level: whether a comma is due
  bool after_key_ = false;
};

// The text in quotes, escaped by RFC 8259; bytes that are no UTF-8 become U+FFFD.
std::string json_quoted(std::string_view text);

}  // namespace dhow::oci
