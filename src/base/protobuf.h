// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

// The wire format of protocol buffers (https://protobuf.dev/programming-guides/encoding/), as far
// as the RPCs of criu and of shims need it. No schema, no reflection: who reads knows the numbers
// of the fields.
namespace dhow {

// Builds one message, field by field. Repeated fields are written once for each value.
class ProtoWriter {
 public:
  // uint32, uint64, enum.
  ProtoWriter& number(std::uint32_t field, std::uint64_t value);
  // int32: negative ones take ten bytes, as the format wants it.
  ProtoWriter& signed_number(std::uint32_t field, std::int32_t value);
  ProtoWriter& boolean(std::uint32_t field, bool value);
  ProtoWriter& text(std::uint32_t field, std::string_view value);
  ProtoWriter& message(std::uint32_t field, const ProtoWriter& value);

  // A message in place: what is written between open_message and close_message is its content.
  // Returns what close_message takes; messages close in the reverse order.
  std::size_t open_message(std::uint32_t field);
  void close_message(std::size_t opened);
  // A number without a key: packed fields are such numbers between open_message and close_message.
  void packed(std::uint64_t value) { varint(value); }

  const std::string& bytes() const { return bytes_; }
  std::string take() && { return std::move(bytes_); }

 private:
  void varint(std::uint64_t value);
  void varint_at(std::size_t place, std::uint64_t value);
  void key(std::uint32_t field, unsigned wire_type);

  std::string bytes_;
};

// One field as it lies on the wire.
struct ProtoField {
  enum class Kind { kNumber, kFixed64, kBytes, kFixed32 };

  std::uint32_t number = 0;
  Kind kind = Kind::kNumber;
  std::uint64_t value = 0;  // of all but kBytes
  std::string_view bytes;   // of kBytes: a view into the message

  bool boolean() const { return value != 0; }
  // As readers of int32 do: the lower half.
  std::int32_t int32() const { return static_cast<std::int32_t>(value & 0xffffffff); }
  std::int64_t int64() const { return static_cast<std::int64_t>(value); }
  std::uint32_t uint32() const { return static_cast<std::uint32_t>(value & 0xffffffff); }
};

// Walks over the fields of a message in their order. The bytes are borrowed.
class ProtoReader {
 public:
  explicit ProtoReader(std::string_view bytes) : rest_(bytes) {}

  // The next field, whether anybody knows its number or not; nullopt at the end. kDataLoss for
  // bytes that are no message: cut off, a number that is too long, a kind that proto2 has given up
  // (groups) or never had.
  Result<std::optional<ProtoField>> next();
  // One number without a key, as packed fields have them; only while there are bytes.
  Result<std::uint64_t> packed() { return varint(); }
  bool at_end() const { return rest_.empty(); }

 private:
  Result<std::uint64_t> varint();
  Result<std::uint64_t> fixed(std::size_t size);
  Result<std::string_view> sized();

  std::string_view rest_;
};

}  // namespace dhow
