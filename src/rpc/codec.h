// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/protobuf.h"
#include "base/result.h"

// Messages of protocol buffers as plain structs. Each lists its fields once, for both ways:
//
//   struct KillRequest {
//     std::string id;
//     std::uint32_t signal = 0;
//     void fields(Codec& codec) { codec(1, id)(3, signal); }
//   };
//
// Numbers, texts and lists are as proto3 has them: what is zero or empty isn't written, and what
// isn't there is zero or empty. Messages in messages are std::optional (or a std::vector), since
// their presence counts. Unknown fields and known ones of another kind are skipped. Texts are not
// checked for being UTF-8; Go's decoder refuses those that aren't.
namespace dhow::rpc {

class Codec;

template <typename T>
concept MessageType = requires(T& message, Codec& codec) { message.fields(codec); };

// Walks over the fields of a message, either writing them all or setting the one that was read.
// One function for each message does both, which keeps the shim small.
class Codec {
 public:
  Codec& operator()(std::uint32_t number, bool& value);
  Codec& operator()(std::uint32_t number, std::int32_t& value);
  Codec& operator()(std::uint32_t number, std::uint32_t& value);
  Codec& operator()(std::uint32_t number, std::int64_t& value);
  Codec& operator()(std::uint32_t number, std::uint64_t& value);
  // string and bytes.
  Codec& operator()(std::uint32_t number, std::string& value);
  // Decoded, it is a view into the bytes that decode() was given.
  Codec& operator()(std::uint32_t number, std::string_view& value);
  // proto3's `optional`: written when it is there, empty or not.
  Codec& operator()(std::uint32_t number, std::optional<std::string>& value);
  Codec& operator()(std::uint32_t number, std::vector<std::string>& value);
  // Written packed, read both ways.
  Codec& operator()(std::uint32_t number, std::vector<std::uint64_t>& value);
  Codec& operator()(std::uint32_t number, std::map<std::string, std::string>& value);

  template <typename E>
    requires std::is_enum_v<E>
  Codec& operator()(std::uint32_t number, E& value) {
    auto plain = static_cast<std::int32_t>(value);
    (*this)(number, plain);
    value = static_cast<E>(plain);
    return *this;
  }
  template <MessageType M>
  Codec& operator()(std::uint32_t number, std::optional<M>& value) {
    if (writer_ != nullptr) {
      if (value) write_message(number, &*value, &walk<M>);
    } else if (matches(number, ProtoField::Kind::kBytes)) {
      if (!value) value.emplace();
      read_message(&*value, &walk<M>);
    }
    return *this;
  }
  template <MessageType M>
  Codec& operator()(std::uint32_t number, std::vector<M>& value) {
    if (writer_ != nullptr) {
      for (M& each : value) write_message(number, &each, &walk<M>);
    } else if (matches(number, ProtoField::Kind::kBytes)) {
      read_message(&value.emplace_back(), &walk<M>);
    }
    return *this;
  }

 private:
  template <MessageType M>
  friend std::string encode(const M& message);
  template <MessageType M>
  friend Result<M> decode(std::string_view bytes);

  using Walk = void (*)(void* message, Codec& codec);
  template <MessageType M>
  static void walk(void* message, Codec& codec) {
    static_cast<M*>(message)->fields(codec);
  }

  static std::string encode_message(void* message, Walk fields);
  static Status decode_message(std::string_view bytes, void* message, Walk fields);

  bool matches(std::uint32_t number, ProtoField::Kind kind) const {
    return field_.number == number && field_.kind == kind;
  }
  // True when a number is to be taken from field_; writes it otherwise.
  bool number(std::uint32_t number, std::uint64_t value);
  void write_message(std::uint32_t number, void* message, Walk fields);
  void read_message(void* message, Walk fields);

  ProtoWriter* writer_ = nullptr;  // null: decoding
  ProtoField field_;
  Status status_;
};

// The message as bytes.
template <MessageType M>
std::string encode(const M& message) {
  // Writing changes nothing of it: Codec takes references that are not const for reading alone.
  return Codec::encode_message(const_cast<M*>(&message), &Codec::walk<M>);
}

// The message that the bytes are: kDataLoss when they are none.
template <MessageType M>
Result<M> decode(std::string_view bytes) {
  M message;
  TRY(Codec::decode_message(bytes, &message, &Codec::walk<M>));
  return message;
}

}  // namespace dhow::rpc
