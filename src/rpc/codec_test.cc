// SPDX-License-Identifier: Apache-2.0
#include "rpc/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <string>

namespace dhow::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

enum class Color : std::int32_t { kRed = 0, kDark = -4 };

struct Inner {
  std::string name;
  std::vector<std::uint64_t> numbers;
  void fields(Codec& codec) { codec(1, name)(2, numbers); }
};

struct Outer {
  bool flag = false;
  std::int32_t small = 0;
  std::uint32_t count = 0;
  std::int64_t time = 0;
  std::uint64_t large = 0;
  std::string text;
  std::optional<std::string> maybe;
  std::vector<std::string> texts;
  std::map<std::string, std::string> labels;
  Color color = Color::kRed;
  std::optional<Inner> inner;
  std::vector<Inner> list;
  void fields(Codec& codec) {
    codec(1, flag)(2, small)(3, count)(4, time)(5, large)(6, text)(7, maybe)(8, texts);
    codec(9, labels)(10, color)(11, inner)(12, list);
  }
};

Outer full() {
  Outer message;
  message.flag = true;
  message.small = -5;
  message.count = 7;
  message.time = std::numeric_limits<std::int64_t>::min();
  message.large = std::numeric_limits<std::uint64_t>::max();
  message.text = std::string("a\0b", 3);
  message.maybe = "";
  message.texts = {"", "x"};
  message.labels = {{"", "none"}, {"key", ""}};
  message.color = Color::kDark;
  message.inner = Inner{"in", {0, 1, 300}};
  message.list = {Inner{}, Inner{"two", {}}};
  return message;
}

TEST(Codec, WritesNothingOfWhatIsEmpty) {
  EXPECT_EQ(encode(Outer{}), "");
  Outer message;
  message.maybe = "";
  message.inner.emplace();
  EXPECT_EQ(encode(message), std::string("\x3a\x00\x5a\x00", 4));
}

TEST(Codec, ReadsWhatItWrote) {
  auto read = decode<Outer>(encode(full()));
  ASSERT_TRUE(read.has_value()) << read.error().message();
  EXPECT_TRUE(read->flag);
  EXPECT_EQ(read->small, -5);
  EXPECT_EQ(read->count, 7U);
  EXPECT_EQ(read->time, std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(read->large, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(read->text.size(), 3U);
  EXPECT_EQ(read->maybe, "");
  EXPECT_THAT(read->texts, ElementsAre("", "x"));
  EXPECT_THAT(read->labels, ElementsAre(Pair("", "none"), Pair("key", "")));
  EXPECT_EQ(read->color, Color::kDark);
  ASSERT_TRUE(read->inner.has_value());
  EXPECT_EQ(read->inner->name, "in");
  EXPECT_THAT(read->inner->numbers, ElementsAre(0U, 1U, 300U));
  ASSERT_EQ(read->list.size(), 2U);
  EXPECT_EQ(read->list[1].name, "two");
  EXPECT_EQ(encode(*read), encode(full()));
}

TEST(Codec, SkipsWhatItDoesNotKnow) {
  ProtoWriter writer;
  writer.number(99, 1).text(98, "x").number(6, 5).text(3, "no number").text(6, "kept");
  auto read = decode<Outer>(writer.bytes());
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->text, "kept");
  EXPECT_EQ(read->count, 0U);
}

TEST(Codec, TakesTheLastOfASingleField) {
  auto read = decode<Outer>(ProtoWriter().text(6, "a").text(6, "b").bytes());
  EXPECT_EQ(read->text, "b");
  // A message that comes twice is one, put together.
  ProtoWriter writer;
  writer.message(11, ProtoWriter().text(1, "name")).message(11, ProtoWriter().number(2, 4));
  read = decode<Outer>(writer.bytes());
  EXPECT_EQ(read->inner->name, "name");
  EXPECT_THAT(read->inner->numbers, ElementsAre(4U));
}

TEST(Codec, ReadsNumbersUnpacked) {
  auto read = decode<Inner>(ProtoWriter().number(2, 0).number(2, 9).bytes());
  EXPECT_THAT(read->numbers, ElementsAre(0U, 9U));
}

TEST(Codec, RefusesEveryDamageInside) {
  EXPECT_EQ(decode<Outer>("\x5a\x02\x0a\x05").error().code(), Code::kDataLoss);  // message
  EXPECT_EQ(decode<Outer>("\x62\x02\x0a\x05").error().code(), Code::kDataLoss);  // list
  EXPECT_EQ(decode<Outer>("\x4a\x02\x0a\x05").error().code(), Code::kDataLoss);  // map
  EXPECT_EQ(decode<Inner>("\x12\x01\x80").error().code(), Code::kDataLoss);      // packed
  EXPECT_EQ(decode<Inner>("\x0a\x05").error().code(), Code::kDataLoss);
}

struct Borrowed {
  std::string_view text;
  void fields(Codec& codec) { codec(1, text); }
};

TEST(Codec, BorrowsViews) {
  std::string bytes = encode(Borrowed{"some text"});
  auto read = decode<Borrowed>(bytes);
  EXPECT_EQ(read->text, "some text");
  EXPECT_EQ(read->text.data(), bytes.data() + 2);
}

}  // namespace
}  // namespace dhow::rpc
