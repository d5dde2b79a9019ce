// SPDX-License-Identifier: Apache-2.0
#include "base/protobuf.h"

#include "base/strings.h"

namespace dhow {
namespace {

constexpr unsigned kVarint = 0;
constexpr unsigned kFixed64 = 1;
constexpr unsigned kSized = 2;
constexpr unsigned kFixed32 = 5;
constexpr std::uint64_t kMaxFieldNumber = (1U << 29) - 1;

std::unexpected<Error> malformed(std::string_view what) {
  return fail(Code::kDataLoss, cat("protobuf message: ", what));
}

}  // namespace

void ProtoWriter::varint(std::uint64_t value) { varint_at(bytes_.size(), value); }

void ProtoWriter::varint_at(std::size_t place, std::uint64_t value) {
  char digits[10];
  std::size_t size = 0;
  while (value >= 0x80) {
    digits[size++] = static_cast<char>((value & 0x7f) | 0x80);
    value >>= 7;
  }
  digits[size++] = static_cast<char>(value);
  bytes_.insert(place, digits, size);
}

void ProtoWriter::key(std::uint32_t field, unsigned wire_type) {
  varint(std::uint64_t{field} << 3 | wire_type);
}

ProtoWriter& ProtoWriter::number(std::uint32_t field, std::uint64_t value) {
  key(field, kVarint);
  varint(value);
  return *this;
}

ProtoWriter& ProtoWriter::signed_number(std::uint32_t field, std::int32_t value) {
  return number(field, static_cast<std::uint64_t>(std::int64_t{value}));
}

ProtoWriter& ProtoWriter::boolean(std::uint32_t field, bool value) {
  return number(field, value ? 1 : 0);
}

ProtoWriter& ProtoWriter::text(std::uint32_t field, std::string_view value) {
  key(field, kSized);
  varint(value.size());
  bytes_.append(value);
  return *this;
}

ProtoWriter& ProtoWriter::message(std::uint32_t field, const ProtoWriter& value) {
  return text(field, value.bytes());
}

std::size_t ProtoWriter::open_message(std::uint32_t field) {
  key(field, kSized);
  return bytes_.size();
}

void ProtoWriter::close_message(std::size_t opened) { varint_at(opened, bytes_.size() - opened); }

Result<std::uint64_t> ProtoReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) return malformed("a number is cut off");
    auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    if (shift == 63 && byte > 1) break;
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return value;
  }
  return malformed("a number has more than 64 bits");
}

Result<std::uint64_t> ProtoReader::fixed(std::size_t size) {
  if (rest_.size() < size) return malformed("a number is cut off");
  std::uint64_t value = 0;
  for (std::size_t i = size; i > 0; --i) {
    value = value << 8 | static_cast<unsigned char>(rest_[i - 1]);
  }
  rest_.remove_prefix(size);
  return value;
}

Result<std::string_view> ProtoReader::sized() {
  TRY_ASSIGN(std::uint64_t size, varint());
  if (size > rest_.size()) return malformed("a field is cut off");
  std::string_view bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return bytes;
}

Result<std::optional<ProtoField>> ProtoReader::next() {
  if (rest_.empty()) return std::optional<ProtoField>();
  TRY_ASSIGN(std::uint64_t key, varint());
  std::uint64_t number = key >> 3;
  if (number == 0 || number > kMaxFieldNumber) return malformed("a field has no valid number");
  ProtoField field;
  field.number = static_cast<std::uint32_t>(number);
  switch (key & 7) {
    case kVarint: {
      TRY_ASSIGN(field.value, varint());
      break;
    }
    case kFixed64: {
      field.kind = ProtoField::Kind::kFixed64;
      TRY_ASSIGN(field.value, fixed(8));
      break;
    }
    case kSized: {
      field.kind = ProtoField::Kind::kBytes;
      TRY_ASSIGN(field.bytes, sized());
      break;
    }
    case kFixed32: {
      field.kind = ProtoField::Kind::kFixed32;
      TRY_ASSIGN(field.value, fixed(4));
      break;
    }
    default:
      return malformed(cat("a field is of kind ", key & 7));
  }
  return std::optional(field);
}

}  // namespace dhow
