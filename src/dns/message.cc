// SPDX-License-Identifier: Apache-2.0
#include "dns/message.h"

#include <algorithm>

#include "base/strings.h"

namespace dhow::dns {
namespace {

constexpr std::size_t kHeader = 12;
constexpr std::size_t kTypeAndClass = 4;
constexpr std::size_t kLongestName = 255;
constexpr std::size_t kLongestLabel = 63;
constexpr std::uint32_t kLife = 600;  // seconds; docker's

// Bits of the flags.
constexpr std::uint16_t kIsAnswer = 0x8000;
constexpr std::uint16_t kOpcode = 0x7800;
constexpr std::uint16_t kTruncated = 0x0200;
constexpr std::uint16_t kWantsRecursion = 0x0100;
constexpr std::uint16_t kHasRecursion = 0x0080;
constexpr std::uint16_t kCheckingDisabled = 0x0010;

void put16(std::string& out, std::uint16_t number) {
  out += static_cast<char>(number >> 8);
  out += static_cast<char>(number & 0xFF);
}

void set16(std::string& out, std::size_t at, std::uint16_t number) {
  out[at] = static_cast<char>(number >> 8);
  out[at + 1] = static_cast<char>(number & 0xFF);
}

// Reads a message from its beginning on. What isn't there leaves it broken, and reads as zero.
class Reader {
 public:
  explicit Reader(std::string_view message) : message_(message) {}

  std::uint16_t number16() {
    std::string_view two = bytes(2);
    if (two.size() != 2) return 0;
    return static_cast<std::uint16_t>(static_cast<unsigned char>(two[0]) << 8 |
                                      static_cast<unsigned char>(two[1]));
  }
  std::string_view bytes(std::size_t count) {
    if (is_broken_ || message_.size() - at_ < count) {
      is_broken_ = true;
      return {};
    }
    at_ += count;
    return message_.substr(at_ - count, count);
  }
  // A name without pointers, in lower case, with dots; `is_plain` says whether that text means the
  // name and no other.
  std::string name(bool& is_plain) {
    std::string text;
    std::size_t start = at_;
    is_plain = true;
    while (true) {
      std::string_view size = bytes(1);
      if (size.empty() || size[0] == 0) break;
      auto length = static_cast<unsigned char>(size[0]);
      std::string_view label = bytes(length);
      is_broken_ = is_broken_ || length > kLongestLabel || at_ - start >= kLongestName;
      if (is_broken_) break;
      is_plain = is_plain && std::ranges::all_of(label, [](char c) {
                   return c > ' ' && c < 0x7F && c != '.' && c != '\\';
                 });
      text += cat(text.empty() ? "" : ".", label);
    }
    return lower_text(text);
  }

  std::size_t at() const { return at_; }
  bool is_broken() const { return is_broken_; }
  bool is_at_end() const { return at_ == message_.size(); }

 private:
  std::string_view message_;
  std::size_t at_ = 0;
  bool is_broken_ = false;
};

// Labels with their lengths in front; "" when it is no name.
std::string wire_name(std::string_view name) {
  std::string wire;
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  for (std::string_view label : split(name, '.')) {
    if (label.empty() || label.size() > kLongestLabel) return "";
    wire += static_cast<char>(label.size());
    wire += label;
  }
  wire += '\0';
  return wire.size() <= kLongestName ? wire : "";
}

// The one additional record that means something here.
Rcode read_additional(Reader& reader, std::uint16_t count, Query& query) {
  for (std::uint16_t i = 0; i < count; ++i) {
    bool is_plain = false;
    std::string owner = reader.name(is_plain);
    std::uint16_t type = reader.number16();
    std::uint16_t klass = reader.number16();
    std::string_view life = reader.bytes(4);
    reader.bytes(reader.number16());
    if (reader.is_broken()) return Rcode::kFormatError;
    if (type != static_cast<std::uint16_t>(Type::kOpt)) continue;
    if (query.payload || !owner.empty()) return Rcode::kFormatError;
    query.payload = klass;
    if (life[1] != 0) return Rcode::kBadVersion;
  }
  return reader.is_at_end() ? Rcode::kSuccess : Rcode::kFormatError;
}

}  // namespace

std::size_t Query::limit() const {
  return std::clamp<std::size_t>(payload.value_or(0), kSmallestLimit, kLargestLimit);
}

std::optional<Query> parse_query(std::string_view message) {
  Reader reader(message);
  Query query;
  query.id = reader.number16();
  query.flags = reader.number16();
  std::uint16_t questions = reader.number16();
  std::uint16_t answers = reader.number16();
  std::uint16_t authorities = reader.number16();
  std::uint16_t additional = reader.number16();
  if (reader.is_broken() || (query.flags & kIsAnswer) != 0) return std::nullopt;
  query.fault = Rcode::kFormatError;
  if ((query.flags & kOpcode) != 0) {
    query.fault = Rcode::kNotImplemented;
    return query;
  }
  if (questions != 1 || answers != 0 || authorities != 0 || message.size() > kLongestQuery) {
    return query;
  }
  bool is_plain = false;
  std::string name = reader.name(is_plain);
  query.type = reader.number16();
  query.klass = reader.number16();
  if (reader.is_broken()) return query;
  query.question = message.substr(kHeader, reader.at() - kHeader);
  if (is_plain) query.name = std::move(name);
  query.fault = read_additional(reader, additional, query);
  return query;
}

Answer::Answer(const Query& query, Rcode code, std::size_t limit) : limit_(limit) {
  auto number = static_cast<std::uint16_t>(code);
  put16(message_, query.id);
  put16(message_, static_cast<std::uint16_t>(
                      kIsAnswer | (query.flags & (kOpcode | kWantsRecursion | kCheckingDisabled)) |
                      kHasRecursion | (number & 0xF)));
  put16(message_, query.question.empty() ? 0 : 1);
  for (int section = 0; section < 3; ++section) put16(message_, 0);
  message_ += query.question;
  if (!query.payload) return;
  // EDNS is answered by EDNS (RFC 6891, 6.1.1): root, type, what we take, the failure's upper part.
  additional_ += '\0';
  put16(additional_, static_cast<std::uint16_t>(Type::kOpt));
  put16(additional_, static_cast<std::uint16_t>(kLongestQuery));
  additional_ += static_cast<char>(number >> 4);
  additional_.append(5, '\0');  // version 0, no flags, no options
  set16(message_, 10, 1);
  message_ += additional_;
}

void Answer::add_record(Type type, std::string_view data) {
  constexpr std::size_t kRecord = 12;  // what is in front of its data
  if (is_truncated_ || message_.size() + kRecord + data.size() > limit_) return set_truncated();
  std::string record;
  put16(record, 0xC000 | kHeader);  // the name is that of the question
  put16(record, static_cast<std::uint16_t>(type));
  put16(record, kInternet);
  put16(record, kLife >> 16);
  put16(record, kLife & 0xFFFF);
  put16(record, static_cast<std::uint16_t>(data.size()));
  record += data;
  message_.insert(message_.size() - additional_.size(), record);
  auto count = static_cast<std::uint16_t>(static_cast<unsigned char>(message_[6]) << 8 |
                                          static_cast<unsigned char>(message_[7]));
  set16(message_, 6, static_cast<std::uint16_t>(count + 1));
}

void Answer::add_address(std::string_view bytes) {
  add_record(bytes.size() == 4 ? Type::kA : Type::kAaaa, bytes);
}

bool Answer::add_name(std::string_view name) {
  std::string wire = wire_name(name);
  if (!wire.empty()) add_record(Type::kPtr, wire);
  return !wire.empty();
}

void Answer::set_truncated() {
  is_truncated_ = true;
  message_[2] = static_cast<char>(static_cast<unsigned char>(message_[2]) | kTruncated >> 8);
}

std::string question_message(std::uint16_t id, std::string_view name, Type type) {
  std::string wire = wire_name(name);
  if (wire.empty()) return "";
  std::string message;
  put16(message, id);
  put16(message, kWantsRecursion);
  put16(message, 1);
  for (int section = 0; section < 3; ++section) put16(message, 0);
  message += wire;
  put16(message, static_cast<std::uint16_t>(type));
  put16(message, kInternet);
  return message;
}

bool is_answer_to(std::string_view answer, const Query& query, std::uint16_t id) {
  Reader reader(answer);
  std::uint16_t got = reader.number16();
  std::uint16_t flags = reader.number16();
  std::uint16_t questions = reader.number16();
  reader.bytes(6);
  if (reader.is_broken() || got != id || (flags & kIsAnswer) == 0 || (flags & kOpcode) != 0) {
    return false;
  }
  if (questions == 0) return rcode_of(answer) != Rcode::kSuccess;
  std::string_view question = reader.bytes(query.question.size());
  if (questions != 1 || reader.is_broken() || question.size() < kTypeAndClass) return false;
  std::size_t name = question.size() - kTypeAndClass;
  return question.substr(name) == query.question.substr(name) &&
         lower_text(question.substr(0, name)) == lower_text(query.question.substr(0, name));
}

Rcode rcode_of(std::string_view message) { return static_cast<Rcode>(message[3] & 0xF); }

std::string with_id(std::string_view message, std::uint16_t id) {
  std::string changed(message);
  set16(changed, 0, id);
  return changed;
}

std::string with_length(std::string_view message) {
  std::string text;
  put16(text, static_cast<std::uint16_t>(message.size()));
  return text.append(message);
}

std::optional<std::size_t> announced_length(std::string_view stream) {
  if (stream.size() < kLengthSize) return std::nullopt;
  return static_cast<std::size_t>(static_cast<unsigned char>(stream[0])) << 8 |
         static_cast<unsigned char>(stream[1]);
}

std::optional<std::string_view> first_message(std::string_view stream) {
  auto length = announced_length(stream);
  if (!length || stream.size() - kLengthSize < *length) return std::nullopt;
  return stream.substr(kLengthSize, *length);
}

}  // namespace dhow::dns
