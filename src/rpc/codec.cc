// SPDX-License-Identifier: Apache-2.0
#include "rpc/codec.h"

namespace dhow::rpc {

using Kind = ProtoField::Kind;

bool Codec::number(std::uint32_t number, std::uint64_t value) {
  if (writer_ == nullptr) return matches(number, Kind::kNumber);
  if (value != 0) writer_->number(number, value);
  return false;
}

Codec& Codec::operator()(std::uint32_t field, bool& value) {
  if (number(field, value ? 1 : 0)) value = field_.boolean();
  return *this;
}

Codec& Codec::operator()(std::uint32_t field, std::int32_t& value) {
  if (number(field, static_cast<std::uint64_t>(std::int64_t{value}))) value = field_.int32();
  return *this;
}

Codec& Codec::operator()(std::uint32_t field, std::uint32_t& value) {
  if (number(field, value)) value = field_.uint32();
  return *this;
}

Codec& Codec::operator()(std::uint32_t field, std::int64_t& value) {
  if (number(field, static_cast<std::uint64_t>(value))) value = field_.int64();
  return *this;
}

Codec& Codec::operator()(std::uint32_t field, std::uint64_t& value) {
  if (number(field, value)) value = field_.value;
  return *this;
}

Codec& Codec::operator()(std::uint32_t field, std::string& value) {
  if (writer_ != nullptr) {
    if (!value.empty()) writer_->text(field, value);
  } else if (matches(field, Kind::kBytes)) {
    value = field_.bytes;
  }
  return *this;
}

Codec& Codec::operator()(std::uint32_t field, std::string_view& value) {
  if (writer_ != nullptr) {
    if (!value.empty()) writer_->text(field, value);
  } else if (matches(field, Kind::kBytes)) {
    value = field_.bytes;
  }
  return *this;
}

Codec& Codec::operator()(std::uint32_t field, std::optional<std::string>& value) {
  if (writer_ != nullptr) {
    if (value) writer_->text(field, *value);
  } else if (matches(field, Kind::kBytes)) {
    value = field_.bytes;
  }
  return *this;
}

Codec& Codec::operator()(std::uint32_t field, std::vector<std::string>& value) {
  if (writer_ != nullptr) {
    for (const std::string& each : value) writer_->text(field, each);
  } else if (matches(field, Kind::kBytes)) {
    value.emplace_back(field_.bytes);
  }
  return *this;
}

Codec& Codec::operator()(std::uint32_t field, std::vector<std::uint64_t>& value) {
  if (writer_ != nullptr) {
    if (value.empty()) return *this;
    std::size_t opened = writer_->open_message(field);
    for (std::uint64_t each : value) writer_->packed(each);
    writer_->close_message(opened);
  } else if (matches(field, Kind::kNumber)) {
    value.push_back(field_.value);
  } else if (matches(field, Kind::kBytes)) {
    ProtoReader reader(field_.bytes);
    while (!reader.at_end()) {
      auto each = reader.packed();
      if (!each) {
        status_ = fail(std::move(each.error()));
        break;
      }
      value.push_back(*each);
    }
  }
  return *this;
}

namespace {

// How protobuf has an entry of a map: a message of a key and a value.
struct MapEntry {
  std::string key;
  std::string value;
  void fields(Codec& codec) { codec(1, key)(2, value); }
};

}  // namespace

Codec& Codec::operator()(std::uint32_t field, std::map<std::string, std::string>& value) {
  if (writer_ != nullptr) {
    for (const auto& [key, each] : value) {
      std::size_t opened = writer_->open_message(field);
      writer_->text(1, key).text(2, each);
      writer_->close_message(opened);
    }
  } else if (matches(field, Kind::kBytes)) {
    MapEntry entry;
    read_message(&entry, &walk<MapEntry>);
    value.insert_or_assign(std::move(entry.key), std::move(entry.value));
  }
  return *this;
}

void Codec::write_message(std::uint32_t number, void* message, Walk fields) {
  std::size_t opened = writer_->open_message(number);
  fields(message, *this);
  writer_->close_message(opened);
}

void Codec::read_message(void* message, Walk fields) {
  if (status_) status_ = decode_message(field_.bytes, message, fields);
}

std::string Codec::encode_message(void* message, Walk fields) {
  ProtoWriter writer;
  Codec codec;
  codec.writer_ = &writer;
  fields(message, codec);
  return std::move(writer).take();
}

Status Codec::decode_message(std::string_view bytes, void* message, Walk fields) {
  ProtoReader reader(bytes);
  Codec codec;
  while (true) {
    TRY_ASSIGN(std::optional<ProtoField> field, reader.next());
    if (!field) return {};
    codec.field_ = *field;
    fields(message, codec);
    TRY(codec.status_);
  }
}

}  // namespace dhow::rpc
