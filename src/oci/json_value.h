// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace dhow::oci {

enum class JsonKind { kNull, kBoolean, kNumber, kString, kArray, kObject };

struct JsonMember;

// A value inside a JsonDocument: a view of one word that is cheap to copy and must not outlive the
// document. A default-made view, a member that is not there and JSON's null are all the same:
// kNull, with no items, so that look-ups chain: `root.find("a").find("b").as_string()`. An accessor
// of the wrong type gives nullopt. Safe to read from several threads.
class JsonValue {
 public:
  JsonValue() = default;

  JsonKind kind() const;
  bool is_null() const { return kind() == JsonKind::kNull; }

  std::optional<bool> as_boolean() const;
  std::optional<std::string_view> as_string() const;
  // Whole numbers that fit. As in Go, 1.0 and 1e3 are no integers.
  std::optional<std::int64_t> as_int64() const;
  std::optional<std::uint64_t> as_uint64() const;
  // Every number, rounded where a double cannot hold it.
  std::optional<double> as_double() const;

  // How many items of an array or members of an object there are; 0 for anything else.
  std::size_t size() const;
  // The item of an array; null when there is none of that index.
  JsonValue item(std::size_t index) const;
  // The member of an object in the order of the text; an empty one when there is none.
  JsonMember member(std::size_t index) const;
  // The member of that exact name. A name given twice has the last value.
  JsonValue find(std::string_view name) const;

 private:
  friend class JsonDocument;
  explicit JsonValue(const void* value) : value_(value) {}

  const void* value_ = nullptr;
};

struct JsonMember {
  std::string_view name;
  JsonValue value;
};

// A JSON text as a tree, read only. It owns all of its values, in one block of memory as a rule,
// and keeps nothing of the text. Moving it leaves views valid.
class JsonDocument {
 public:
  // Strict RFC 8259 in UTF-8, at most 128 levels deep. A fault is kInvalidArgument with its place:
  // `invalid JSON at line 3, column 7: syntax error`.
  static Result<JsonDocument> parse(std::string_view text);

  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;
  ~JsonDocument();

  JsonValue root() const;

 private:
  struct Tree;
  explicit JsonDocument(std::unique_ptr<Tree> tree);

  std::unique_ptr<Tree> tree_;
};

}  // namespace dhow::oci
