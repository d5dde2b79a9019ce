// SPDX-License-Identifier: Apache-2.0
#include "base/protobuf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <string>
#include <vector>

namespace dhow {
namespace {

using ::testing::HasSubstr;

// Bytes with zeros in them.
template <std::size_t N>
std::string bytes(const char (&text)[N]) {
  return std::string(text, N - 1);
}

std::vector<ProtoField> read_fields(std::string_view message) {
  std::vector<ProtoField> fields;
  ProtoReader reader(message);
  while (true) {
    auto field = reader.next();
    if (!field) {
      ADD_FAILURE() << field.error().message();
      return fields;
    }
    if (!*field) return fields;
    fields.push_back(**field);
  }
}

std::string fault_of(std::string_view message) {
  ProtoReader reader(message);
  while (true) {
    auto field = reader.next();
    if (!field) {
      EXPECT_EQ(field.error().code(), Code::kDataLoss);
      return field.error().message();
    }
    if (!*field) return "";
  }
}

// The examples of the encoding guide.
TEST(Protobuf, WritesWhatTheFormatSays) {
  EXPECT_EQ(ProtoWriter().number(1, 150).bytes(), bytes("\x08\x96\x01"));
  EXPECT_EQ(ProtoWriter().text(2, "testing").bytes(), bytes("\x12\x07testing"));
  EXPECT_EQ(ProtoWriter().message(3, ProtoWriter().number(1, 150)).bytes(),
            bytes("\x1a\x03\x08\x96\x01"));
  EXPECT_EQ(ProtoWriter().signed_number(1, -2).bytes(),
            bytes("\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
  EXPECT_EQ(ProtoWriter().boolean(16, true).boolean(17, false).bytes(),
            bytes("\x80\x01\x01\x88\x01\x00"));
}

TEST(Protobuf, WritesMessagesInPlace) {
  for (std::size_t size : {0U, 1U, 127U, 128U, 20'000U}) {
    std::string text(size, 'x');
    ProtoWriter in_place;
    auto outer = in_place.number(1, 5).open_message(2);
    auto inner = in_place.text(3, text).open_message(4);
    in_place.number(5, 6);
    in_place.close_message(inner);
    in_place.close_message(outer);
    ProtoWriter content;
    content.text(3, text).message(4, ProtoWriter().number(5, 6));
    EXPECT_EQ(in_place.number(7, 8).bytes(),
              ProtoWriter().number(1, 5).message(2, content).number(7, 8).bytes());
  }
}

TEST(Protobuf, ReadsWhatItWrote) {
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  ProtoWriter writer;
  writer.number(1, 0).number(2, kMax).signed_number(3, -7).text(4, "").text(5, "a b");
  auto fields = read_fields(writer.bytes());
  ASSERT_EQ(fields.size(), 5U);
  EXPECT_EQ(fields[0].value, 0U);
  EXPECT_EQ(fields[1].value, kMax);
  EXPECT_EQ(fields[2].int32(), -7);
  EXPECT_EQ(fields[3].bytes, "");
  EXPECT_EQ(fields[4].bytes, "a b");
  EXPECT_EQ(fields[4].number, 5U);
  EXPECT_EQ(fields[4].kind, ProtoField::Kind::kBytes);
}

TEST(Protobuf, ReadsFixedNumbers) {
  auto fields = read_fields(bytes("\x09\x01\x02\x03\x04\x05\x06\x07\x08\x15\xff\x00\x00\x80"));
  ASSERT_EQ(fields.size(), 2U);
  EXPECT_EQ(fields[0].kind, ProtoField::Kind::kFixed64);
  EXPECT_EQ(fields[0].value, 0x0807060504030201U);
  EXPECT_EQ(fields[1].kind, ProtoField::Kind::kFixed32);
  EXPECT_EQ(fields[1].uint32(), 0x800000ffU);
}

TEST(Protobuf, RefusesEveryCutMessage) {
  ProtoWriter writer;
  writer.number(1, 300).text(2, "text");
  std::string whole = writer.bytes();
  // The end of the first field is the end of a message too.
  for (std::size_t size = 1; size < whole.size(); ++size) {
    if (size == 3) continue;
    EXPECT_THAT(fault_of(whole.substr(0, size)), HasSubstr("is cut off")) << size;
  }
  EXPECT_THAT(fault_of(bytes("\x09\x01\x02")), HasSubstr("a number is cut off"));
  EXPECT_THAT(fault_of(bytes("\x15\x01")), HasSubstr("a number is cut off"));
}

TEST(Protobuf, RefusesWhatNoMessageHas) {
  EXPECT_THAT(fault_of(bytes("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")),
              HasSubstr("more than 64 bits"));
  EXPECT_THAT(fault_of(bytes("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")),
              HasSubstr("more than 64 bits"));
  EXPECT_THAT(fault_of(bytes("\x00\x01")), HasSubstr("no valid number"));
  EXPECT_THAT(fault_of(bytes("\x80\x80\x80\x80\x10\x01")), HasSubstr("no valid number"));
  EXPECT_THAT(fault_of(bytes("\x0b\x0c")), HasSubstr("a field is of kind 3"));
  EXPECT_THAT(fault_of(bytes("\x0f")), HasSubstr("a field is of kind 7"));
  EXPECT_THAT(fault_of(bytes("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")),
              HasSubstr("a field is cut off"));
}

}  // namespace
}  // namespace dhow
