// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Messages of the domain name system (RFC 1035, RFC 6891), as far as a resolver for containers
// needs them: it reads questions, writes short answers, and passes on whole messages of others.
namespace dhow::dns {

enum class Type : std::uint16_t { kA = 1, kPtr = 12, kMx = 15, kAaaa = 28, kOpt = 41 };
inline constexpr std::uint16_t kInternet = 1;  // the class of everything

enum class Rcode : std::uint8_t {
  kSuccess = 0,
  kFormatError = 1,
  kServerFailure = 2,
  kNameError = 3,
  kNotImplemented = 4,
  kRefused = 5,
  kBadVersion = 16,
};

// What a client has that says nothing else (RFC 1035, 4.2.1), and the most that is sent to one that
// can take more: an answer by UDP that is longer comes by TCP.
inline constexpr std::size_t kSmallestLimit = 512;
inline constexpr std::size_t kLargestLimit = 4096;
// A question longer than this is none that a resolver of names would ask.
inline constexpr std::size_t kLongestQuery = 1232;
inline constexpr std::size_t kLongestMessage = 65535;  // by TCP

// A message that asks something. The views are into the message.
struct Query {
  std::uint16_t id = 0;
  std::uint16_t flags = 0;
  std::string_view question;  // as it came: name, type and class; "" when it can't be read
  // In lower case, labels with dots between and none at the end. "" for the root, and for a name
  // with bytes that no name of a container has.
  std::string name;
  std::uint16_t type = 0;
  std::uint16_t klass = 0;
  // Of EDNS: how many bytes the client takes by UDP.
  std::optional<std::uint16_t> payload;
  // Not kSuccess: all that there is to answer.
  Rcode fault = Rcode::kSuccess;

  bool asks(Type wanted) const {
    return type == static_cast<std::uint16_t>(wanted) && klass == kInternet;
  }
  // How long an answer by UDP may be.
  std::size_t limit() const;
};

// nullopt for what is not to be answered at all: it is too short for a header, or is an answer
// itself. Strict: one question, not compressed, no records but the additional ones, nothing behind.
std::optional<Query> parse_query(std::string_view message);

// An answer that is being written. What no longer fits is left out, and the answer says so (TC).
class Answer {
 public:
  Answer(const Query& query, Rcode code, std::size_t limit);
  // Four bytes are an A record, sixteen an AAAA.
  void add_address(std::string_view bytes);
  // A PTR record. False, and nothing added: it is no name of a host.
  bool add_name(std::string_view name);
  // Says that the answer is longer than this.
  void set_truncated();
  std::string take() { return std::move(message_); }

 private:
  void add_record(Type type, std::string_view data);

  std::string message_;
  std::string additional_;  // the EDNS record, which stays last
  std::size_t limit_;
  bool is_truncated_ = false;
};

// A message of one section each, for clients: it asks for `name`, with recursion. "" when that is
// no name.
std::string question_message(std::uint16_t id, std::string_view name, Type type);

// Whether a server's message answers that query, which had this id: the same question comes back,
// or none at all with a failure.
bool is_answer_to(std::string_view answer, const Query& query, std::uint16_t id);
// The failure that an answer tells of. At least a header is there.
Rcode rcode_of(std::string_view message);
// The same message with another id.
std::string with_id(std::string_view message, std::uint16_t id);

// By TCP a message has its length in front, in two bytes (RFC 1035, 4.2.2).
constexpr std::size_t kLengthSize = 2;
std::string with_length(std::string_view message);
// What the beginning of a stream says of its first message; none: too little has come.
std::optional<std::size_t> announced_length(std::string_view stream);
// The first message of a stream, once all of it has come. A view into `stream`.
std::optional<std::string_view> first_message(std::string_view stream);

}  // namespace dhow::dns
