// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/dbus_value.h"

#include <bit>
#include <utility>

#include "base/strings.h"

namespace dhow::cgroup {
namespace {

constexpr std::size_t kMaxDepth = 32;  // of arrays and of structures each
constexpr std::size_t kMaxArray = std::size_t{64} << 20;

std::size_t alignment_of(char type) {
  switch (type) {
    case 'n':
    case 'q':
      return 2;
    case 'b':
    case 'i':
    case 'u':
    case 's':
    case 'o':
    case 'a':
    case 'h':
      return 4;
    case 'x':
    case 't':
    case 'd':
    case '(':
    case '{':
      return 8;
    default:
      return 1;  // y, g, v
  }
}

void pad_to(std::string& out, std::size_t alignment) {
  while (out.size() % alignment != 0) out.push_back('\0');
}

void put_number(std::string& out, std::uint64_t value, std::size_t size) {
  pad_to(out, size);
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

std::uint64_t bits_of(const DbusValue& value) {
  if (auto number = std::get_if<std::int64_t>(&value.data)) {
    return static_cast<std::uint64_t>(*number);
  }
  if (auto number = std::get_if<std::uint64_t>(&value.data)) return *number;
  if (auto number = std::get_if<double>(&value.data)) return std::bit_cast<std::uint64_t>(*number);
  if (auto truth = std::get_if<bool>(&value.data)) return *truth ? 1 : 0;
  return 0;
}

void put_text(std::string& out, const DbusValue& value) {
  static const std::string kEmpty;
  const std::string* text = value.as_string();
  if (text == nullptr) text = &kEmpty;
  put_number(out, text->size(), value.signature == "g" ? 1 : 4);
  out += *text;
  out.push_back('\0');
}

void put_array(std::string& out, const DbusValue& value) {
  put_number(out, 0, 4);
  std::size_t length_at = out.size() - 4;
  pad_to(out, alignment_of(value.signature[1]));
  std::size_t start = out.size();
  for (const DbusValue& item : *value.members()) marshal(item, out);
  std::size_t length = out.size() - start;
  for (std::size_t i = 0; i < 4; ++i) {
    out[length_at + i] = static_cast<char>(length >> (8 * i));
  }
}

}  // namespace

DbusValue DbusValue::variant(DbusValue value) {
  std::vector<DbusValue> inside;
  inside.push_back(std::move(value));
  return {"v", std::move(inside)};
}

DbusValue DbusValue::structure(std::vector<DbusValue> members) {
  std::string signature = "(";
  for (const DbusValue& member : members) signature += member.signature;
  return {signature + ")", std::move(members)};
}

DbusValue DbusValue::array(std::string_view element, std::vector<DbusValue> items) {
  return {cat("a", element), std::move(items)};
}

DbusValue DbusValue::bytes(const std::vector<std::uint8_t>& bytes) {
  std::vector<DbusValue> items;
  for (std::uint8_t byte : bytes) items.push_back({"y", std::uint64_t{byte}});
  return array("y", std::move(items));
}

std::size_t complete_type_length(std::string_view signature) {
  if (signature.empty()) return 0;
  char first = signature[0];
  if (first == 'a') {
    std::size_t item = complete_type_length(signature.substr(1));
    return item == 0 ? 0 : item + 1;
  }
  if (first != '(' && first != '{') {
    return std::string_view("ybnqiuxtdsogvh").find(first) == std::string_view::npos ? 0 : 1;
  }
  char end = first == '(' ? ')' : '}';
  std::size_t length = 1;
  while (length < signature.size() && signature[length] != end) {
    std::size_t member = complete_type_length(signature.substr(length));
    if (member == 0) return 0;
    length += member;
  }
  return length < signature.size() && length > 1 ? length + 1 : 0;
}

void marshal(const DbusValue& value, std::string& out) {
  char type = value.signature.empty() ? '\0' : value.signature[0];
  switch (type) {
    case 's':
    case 'o':
    case 'g':
      return put_text(out, value);
    case 'a':
      return put_array(out, value);
    case '(':
    case '{':
      pad_to(out, 8);
      for (const DbusValue& member : *value.members()) marshal(member, out);
      return;
    case 'v': {
      const DbusValue& inside = value.members()->front();
      marshal({"g", inside.signature}, out);
      return marshal(inside, out);
    }
    default:
      return put_number(out, bits_of(value), alignment_of(type));
  }
}

namespace {

// Reads wire format. Every step is checked against the end of the text.
class Reader {
 public:
  Reader(std::string_view text, std::size_t position, bool big_endian)
      : text_(text), position_(position), big_endian_(big_endian) {}

  std::size_t position() const { return position_; }

  Result<DbusValue> value(std::string_view signature, std::size_t depth) {
    if (depth > kMaxDepth) return fail(Code::kInvalidArgument, "D-Bus message: nested too deeply");
    switch (signature.empty() ? '\0' : signature[0]) {
      case 's':
      case 'o':
      case 'g':
        return text(signature);
      case 'a':
        return array(signature, depth);
      case '(':
      case '{':
        return structure(signature, depth);
      case 'v':
        return variant(depth);
      case 'd': {
        TRY_ASSIGN(std::uint64_t bits, number(8));
        return DbusValue{"d", std::bit_cast<double>(bits)};
      }
      case 'b': {
        TRY_ASSIGN(std::uint64_t bits, number(4));
        return DbusValue::boolean(bits != 0);
      }
      case 'n':
        return negative<std::int16_t>(signature);
      case 'i':
        return negative<std::int32_t>(signature);
      case 'x':
        return negative<std::int64_t>(signature);
      case 'y':
      case 'q':
      case 'u':
      case 't':
      case 'h': {
        TRY_ASSIGN(std::uint64_t bits, number(alignment_of(signature[0])));
        return DbusValue{std::string(signature), bits};
      }
      default:
        return fail(Code::kInvalidArgument,
                    cat("D-Bus message: bad signature ", quoted(signature)));
    }
  }

 private:
  std::unexpected<Error> cut() const {
    return fail(Code::kInvalidArgument, "D-Bus message: cut short");
  }

  Status align(std::size_t alignment) {
    std::size_t rest = position_ % alignment;
    if (rest != 0) position_ += alignment - rest;
    return position_ <= text_.size() ? Status{} : cut();
  }

  Result<std::uint64_t> number(std::size_t size) {
    TRY(align(size));
    if (text_.size() - position_ < size) return cut();
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      std::size_t at = big_endian_ ? size - 1 - i : i;
      value |= std::uint64_t{static_cast<unsigned char>(text_[position_ + at])} << (8 * i);
    }
    position_ += size;
    return value;
  }

  template <typename Signed>
  Result<DbusValue> negative(std::string_view signature) {
    TRY_ASSIGN(std::uint64_t bits, number(sizeof(Signed)));
    return DbusValue{std::string(signature), std::int64_t{static_cast<Signed>(bits)}};
  }

  Result<DbusValue> text(std::string_view signature) {
    TRY_ASSIGN(std::uint64_t length, number(signature == "g" ? 1 : 4));
    if (length >= text_.size() - position_) return cut();
    std::string content(text_.substr(position_, length));
    position_ += length + 1;
    return DbusValue{std::string(signature), std::move(content)};
  }

  Result<DbusValue> array(std::string_view signature, std::size_t depth) {
    TRY_ASSIGN(std::uint64_t length, number(4));
    std::string_view element = signature.substr(1);
    if (complete_type_length(element) != element.size()) {
      return fail(Code::kInvalidArgument, "D-Bus message: bad signature of an array");
    }
    TRY(align(alignment_of(element[0])));
    if (length > kMaxArray || length > text_.size() - position_) return cut();
    std::size_t end = position_ + length;
    std::vector<DbusValue> items;
    while (position_ < end) {
      TRY_ASSIGN(DbusValue item, value(element, depth + 1));
      items.push_back(std::move(item));
    }
    if (position_ != end) return fail(Code::kInvalidArgument, "D-Bus message: array overrun");
    return DbusValue{std::string(signature), std::move(items)};
  }

  Result<DbusValue> structure(std::string_view signature, std::size_t depth) {
    TRY(align(8));
    std::vector<DbusValue> members;
    std::string_view rest = signature.substr(1, signature.size() - 2);
    while (!rest.empty()) {
      std::size_t length = complete_type_length(rest);
      if (length == 0) return fail(Code::kInvalidArgument, "D-Bus message: bad signature");
      TRY_ASSIGN(DbusValue member, value(rest.substr(0, length), depth + 1));
      members.push_back(std::move(member));
      rest.remove_prefix(length);
    }
    return DbusValue{std::string(signature), std::move(members)};
  }

  Result<DbusValue> variant(std::size_t depth) {
    TRY_ASSIGN(DbusValue signature, text("g"));
    const std::string& inside = *signature.as_string();
    if (inside.empty() || complete_type_length(inside) != inside.size()) {
      return fail(Code::kInvalidArgument, "D-Bus message: bad signature of a variant");
    }
    TRY_ASSIGN(DbusValue content, value(inside, depth + 1));
    return DbusValue::variant(std::move(content));
  }

  std::string_view text_;
  std::size_t position_;
  bool big_endian_;
};

}  // namespace

Result<DbusValue> unmarshal(std::string_view signature, std::string_view text,
                            std::size_t& position, bool big_endian) {
  Reader reader(text, position, big_endian);
  TRY_ASSIGN(DbusValue value, reader.value(signature, 0));
  position = reader.position();
  return value;
}

}  // namespace dhow::cgroup
