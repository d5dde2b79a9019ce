// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/strings.h"
#include "oci/json_value.h"

namespace dhow::oci {

// A value together with its place in the document, for turning a tree into typed structures: a
// `decode` overload for each type, found by its arguments. The first fault is kept and later ones
// are dropped, so a decoder just goes on; parse_as() looks at it in the end. A reader points to the
// reader of its parent, which must outlive it, and the text of a path is only built for a fault.
class JsonReader {
 public:
  // `fault` is borrowed, as is the document behind `root`.
  JsonReader(JsonValue root, std::optional<Error>* fault) : value_(root), fault_(fault) {}

  JsonValue value() const { return value_; }
  bool present() const { return !value_.is_null(); }

  JsonReader member(std::string_view name) const { return {*this, value_.find(name), name, 0}; }
  // The member number `index`, in the order of the text.
  JsonReader member(std::size_t index) const {
    JsonMember member = value_.member(index);
    return {*this, member.value, member.name, 0};
  }
  JsonReader item(std::size_t index) const { return {*this, value_.item(index), {}, index}; }
  std::string_view name() const { return name_; }

  // True for a value of this kind; else a fault.
  bool expect(JsonKind kind) const;

  // "$.process.user.uid": as JSONPath writes it (RFC 9535).
  std::string path() const;

  // The fault "<path>: <why>".
  void fail(std::string_view why) const;
  // The fault "<path>: expected <what>, found <the value>".
  void fail_expected(std::string_view what) const;

 private:
  JsonReader(const JsonReader& parent, JsonValue value, std::string_view name, std::size_t index)
      : value_(value), fault_(parent.fault_), parent_(&parent), name_(name), index_(index) {}

  void append_path(std::string& path) const;

  JsonValue value_;
  std::optional<Error>* fault_;
  const JsonReader* parent_ = nullptr;
  std::string_view name_;
  std::size_t index_ = 0;
};

void decode(const JsonReader& in, bool& out);
// Strings end up as C strings in system calls, so one that holds a NUL is a fault.
void decode(const JsonReader& in, std::string& out);

template <std::integral Number>
  requires(!std::same_as<Number, bool> && !std::same_as<Number, char>)
void decode(const JsonReader& in, Number& out) {
  if constexpr (std::is_signed_v<Number>) {
    auto number = in.value().as_int64();
    if (number && std::in_range<Number>(*number)) {
      out = static_cast<Number>(*number);
      return;
    }
  } else {
    auto number = in.value().as_uint64();
    if (number && std::in_range<Number>(*number)) {
      out = static_cast<Number>(*number);
      return;
    }
  }
  in.fail_expected(
      cat(std::is_signed_v<Number> ? "a " : "an unsigned ", sizeof(Number) * 8, "-bit integer"));
}

template <typename Value>
void decode(const JsonReader& in, std::optional<Value>& out) {
  decode(in, out.emplace());
}

template <typename Value>
void decode(const JsonReader& in, std::vector<Value>& out) {
  if (!in.expect(JsonKind::kArray)) return;
  out.resize(in.value().size());
  for (std::size_t i = 0; i < out.size(); ++i) decode(in.item(i), out[i]);
}

template <typename Value>
void decode(const JsonReader& in, std::map<std::string, Value>& out) {
  if (!in.expect(JsonKind::kObject)) return;
  for (std::size_t i = 0; i < in.value().size(); ++i) {
    JsonReader member = in.member(i);
    if (member.name().find('\0') != std::string_view::npos) member.fail("the name holds a NUL");
    decode(member, out[std::string(member.name())]);
  }
}

// Reads a member that may be absent or null, which leaves `out` as it is.
template <typename Value>
void optional_member(const JsonReader& in, std::string_view name, Value& out) {
  if (JsonReader member = in.member(name); member.present()) decode(member, out);
}

// Reads a member whose absence is a fault.
template <typename Value>
void required_member(const JsonReader& in, std::string_view name, Value& out) {
  JsonReader member = in.member(name);
  if (!member.present()) return member.fail("required");
  decode(member, out);
}

// The names of an enumeration in a JSON text.
template <typename Enum>
struct EnumName {
  std::string_view name;
  Enum value;
};

template <typename Enum, std::size_t kSize>
void decode_enum(const JsonReader& in, const EnumName<Enum> (&names)[kSize], std::string_view what,
                 Enum& out) {
  if (!in.expect(JsonKind::kString)) return;
  std::string_view text = *in.value().as_string();
  for (const EnumName<Enum>& entry : names) {
    if (entry.name == text) {
      out = entry.value;
      return;
    }
  }
  in.fail(cat("unknown ", what, " ", quoted(text)));
}

// Parses a whole text into a value: syntax faults and the first of `decode` are kInvalidArgument.
template <typename Value>
Result<Value> parse_as(std::string_view text) {
  try {
    TRY_ASSIGN(JsonDocument document, JsonDocument::parse(text));
    std::optional<Error> fault;
    Value value;
    decode(JsonReader(document.root(), &fault), value);
    if (fault) return std::unexpected(std::move(*fault));
    return value;
  } catch (const std::exception& exception) {
    return fail(Code::kResourceExhausted, cat("parse JSON: ", exception.what()));
  }
}

}  // namespace dhow::oci
