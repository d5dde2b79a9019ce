// SPDX-License-Identifier: Apache-2.0
// Whole messages (D-Bus specification, "Message Protocol").
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/strings.h"
#include "runtime/cgroup/dbus_value.h"

namespace dhow::cgroup {
namespace {

constexpr std::size_t kFixedLength = 16;  // with the length of the header fields
constexpr std::size_t kMaxMessage = std::size_t{128} << 20;

enum Field : std::uint8_t {
  kPath = 1,
  kInterface = 2,
  kMember = 3,
  kErrorName = 4,
  kReplySerial = 5,
  kDestination = 6,
  kSender = 7,
  kSignature = 8,
};

std::size_t round_up(std::size_t length) { return (length + 7) / 8 * 8; }

std::uint32_t number_at(std::string_view text, std::size_t at, bool big_endian) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    std::size_t from = at + (big_endian ? 3 - i : i);
    value |= std::uint32_t{static_cast<unsigned char>(text[from])} << (8 * i);
  }
  return value;
}

void set_field(DbusMessage& message, std::uint64_t field, const DbusValue& value,
               std::string& signature) {
  if (field == kReplySerial) {
    if (auto number = value.as_unsigned()) {
      message.reply_serial = static_cast<std::uint32_t>(*number);
    }
    return;
  }
  std::string* targets[] = {
      nullptr, &message.path,        &message.interface, &message.member, &message.error_name,
      nullptr, &message.destination, &message.sender,    &signature};
  const std::string* text = value.as_string();
  if (text != nullptr && field < std::size(targets) && targets[field] != nullptr) {
    *targets[field] = *text;
  }
}

}  // namespace

std::string encode_message(const DbusMessage& message) {
  std::string signature;
  std::string body;
  for (const DbusValue& value : message.body) {
    signature += value.signature;
    marshal(value, body);
  }
  std::vector<DbusValue> fields;
  auto add = [&fields](std::uint8_t field, DbusValue value) {
    fields.push_back(DbusValue::structure(
        {DbusValue{"y", std::uint64_t{field}}, DbusValue::variant(std::move(value))}));
  };
  if (!message.path.empty()) add(kPath, DbusValue::path(message.path));
  if (!message.interface.empty()) add(kInterface, DbusValue::string(message.interface));
  if (!message.member.empty()) add(kMember, DbusValue::string(message.member));
  if (!message.error_name.empty()) add(kErrorName, DbusValue::string(message.error_name));
  if (message.reply_serial != 0) add(kReplySerial, DbusValue::uint32(message.reply_serial));
  if (!message.destination.empty()) add(kDestination, DbusValue::string(message.destination));
  if (!message.sender.empty()) add(kSender, DbusValue::string(message.sender));
  if (!signature.empty()) add(kSignature, {"g", signature});

  std::string out = "l";
  out.push_back(static_cast<char>(message.type));
  out.push_back(message.no_reply ? 1 : 0);
  out.push_back(1);  // protocol version
  marshal(DbusValue::uint32(static_cast<std::uint32_t>(body.size())), out);
  marshal(DbusValue::uint32(message.serial), out);
  marshal(DbusValue::array("(yv)", std::move(fields)), out);
  out.resize(round_up(out.size()), '\0');
  return out + body;
}

Result<std::size_t> message_length(std::string_view text) {
  if (text.size() < kFixedLength) return std::size_t{0};
  if (text[0] != 'l' && text[0] != 'B') {
    return fail(Code::kInvalidArgument, "D-Bus message: bad byte order");
  }
  bool big_endian = text[0] == 'B';
  std::size_t body = number_at(text, 4, big_endian);
  std::size_t fields = number_at(text, 12, big_endian);
  std::size_t length = round_up(kFixedLength + fields) + body;
  if (length > kMaxMessage) return fail(Code::kInvalidArgument, "D-Bus message: too long");
  return length;
}

Result<DbusMessage> decode_message(std::string_view text) {
  TRY_ASSIGN(std::size_t length, message_length(text));
  if (length == 0 || text.size() != length) {
    return fail(Code::kInvalidArgument, "D-Bus message: cut short");
  }
  bool big_endian = text[0] == 'B';
  DbusMessage message;
  message.type = static_cast<DbusMessageType>(text[1]);
  message.no_reply = (text[2] & 1) != 0;
  message.serial = number_at(text, 8, big_endian);
  std::size_t position = 12;
  TRY_ASSIGN(DbusValue fields, unmarshal("a(yv)", text, position, big_endian));
  std::string signature;
  for (const DbusValue& field : *fields.members()) {
    const auto& pair = *field.members();
    set_field(message, *pair[0].as_unsigned(), pair[1].members()->front(), signature);
  }
  std::string_view body = text.substr(std::min(round_up(position), text.size()));
  std::string_view rest = signature;
  position = 0;
  while (!rest.empty()) {
    std::size_t type = complete_type_length(rest);
    if (type == 0) return fail(Code::kInvalidArgument, "D-Bus message: bad signature");
    TRY_ASSIGN(DbusValue value, unmarshal(rest.substr(0, type), body, position, big_endian));
    message.body.push_back(std::move(value));
    rest.remove_prefix(type);
  }
  return message;
}

}  // namespace dhow::cgroup
