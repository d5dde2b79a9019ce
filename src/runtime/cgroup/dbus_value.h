// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace dhow::cgroup {

// A value of the D-Bus type system (D-Bus specification, "Type System"): the types that systemd's
// units are made of. The signature says how the data is meant: 'o', 'g' and 's' are all strings.
struct DbusValue {
  std::string signature;  // one complete type
  // For arrays and structures the members; for variants the one inside.
  std::variant<bool, std::int64_t, std::uint64_t, double, std::string, std::vector<DbusValue>> data;

  static DbusValue boolean(bool value) { return {"b", value}; }
  static DbusValue int32(std::int32_t value) { return {"i", std::int64_t{value}}; }
  static DbusValue uint32(std::uint32_t value) { return {"u", std::uint64_t{value}}; }
  static DbusValue uint64(std::uint64_t value) { return {"t", value}; }
  static DbusValue string(std::string value) { return {"s", std::move(value)}; }
  static DbusValue path(std::string value) { return {"o", std::move(value)}; }
  static DbusValue variant(DbusValue value);
  static DbusValue structure(std::vector<DbusValue> members);
  // `element` is the signature of each item.
  static DbusValue array(std::string_view element, std::vector<DbusValue> items);
  static DbusValue bytes(const std::vector<std::uint8_t>& bytes);

  // nullptr when it is of another kind.
  const std::string* as_string() const { return std::get_if<std::string>(&data); }
  const std::uint64_t* as_unsigned() const { return std::get_if<std::uint64_t>(&data); }
  const std::vector<DbusValue>* members() const {
    return std::get_if<std::vector<DbusValue>>(&data);
  }

  bool operator==(const DbusValue&) const = default;
};

// Length of the first complete type in a signature; 0 when there is none.
std::size_t complete_type_length(std::string_view signature);

// Appends the value in little-endian wire format; alignment counts from the start of `out`.
void marshal(const DbusValue& value, std::string& out);

// Reads a value of the given type at `position` (which moves on) of a text in the byte order
// `big_endian` tells. Nesting and lengths are bounded: the text may come from anybody.
Result<DbusValue> unmarshal(std::string_view signature, std::string_view text,
                            std::size_t& position, bool big_endian = false);

enum class DbusMessageType : std::uint8_t { kCall = 1, kReply = 2, kError = 3, kSignal = 4 };

struct DbusMessage {
  DbusMessageType type = DbusMessageType::kCall;
  std::uint32_t serial = 0;
  std::uint32_t reply_serial = 0;
  bool no_reply = false;
  std::string path, interface, member, error_name, destination, sender;
  std::vector<DbusValue> body;
};

std::string encode_message(const DbusMessage& message);

// Length of the message that begins with these bytes, from its first 16; 0: not that many yet.
Result<std::size_t> message_length(std::string_view text);
Result<DbusMessage> decode_message(std::string_view text);

}  // namespace dhow::cgroup
