// SPDX-License-Identifier: Apache-2.0
#include "oci/json_value.h"

#include <cstdint>
#include <gtest/gtest.h>
#include <limits>
#include <string>

namespace dhow::oci {
namespace {

JsonDocument json_of(std::string_view text) {
  auto document = JsonDocument::parse(text);
  EXPECT_TRUE(document.has_value()) << document.error().message();
  return std::move(document).value();
}

std::string fault(std::string_view text) {
  auto document = JsonDocument::parse(text);
  if (document.has_value()) return "";
  EXPECT_EQ(document.error().code(), Code::kInvalidArgument);
  return document.error().message();
}

TEST(JsonValue, TellsKindsApart) {
  JsonDocument document = json_of(R"([null, true, 1, -1, 1.5, 18446744073709551615, "s", [], {}])");
  JsonValue root = document.root();
  ASSERT_EQ(root.size(), 9U);
  const JsonKind kinds[] = {JsonKind::kNull,   JsonKind::kBoolean, JsonKind::kNumber,
                            JsonKind::kNumber, JsonKind::kNumber,  JsonKind::kNumber,
                            JsonKind::kString, JsonKind::kArray,   JsonKind::kObject};
  for (std::size_t i = 0; i < root.size(); ++i) EXPECT_EQ(root.item(i).kind(), kinds[i]) << i;
  EXPECT_EQ(root.kind(), JsonKind::kArray);
}

TEST(JsonValue, ReadsWholeNumbersOnlyWhenTheyFit) {
  JsonDocument document = json_of(
      "[0, -1, 9223372036854775807, 9223372036854775808, 18446744073709551615,"
      " 18446744073709551616, 1.0, 1e3, \"1\", -9223372036854775808]");
  JsonValue root = document.root();
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(root.item(0).as_int64(), 0);
  EXPECT_EQ(root.item(0).as_uint64(), 0U);
  EXPECT_EQ(root.item(1).as_int64(), -1);
  EXPECT_EQ(root.item(1).as_uint64(), std::nullopt);
  EXPECT_EQ(root.item(2).as_int64(), kMax);
  EXPECT_EQ(root.item(3).as_int64(), std::nullopt);
  EXPECT_EQ(root.item(3).as_uint64(), std::uint64_t{1} << 63);
  EXPECT_EQ(root.item(4).as_uint64(), std::numeric_limits<std::uint64_t>::max());
  for (std::size_t i : {5U, 6U, 7U, 8U}) {
    EXPECT_EQ(root.item(i).as_int64(), std::nullopt) << i;
    EXPECT_EQ(root.item(i).as_uint64(), std::nullopt) << i;
  }
  EXPECT_EQ(root.item(9).as_int64(), std::numeric_limits<std::int64_t>::min());
}

TEST(JsonValue, ReadsEveryNumberAsDouble) {
  JsonDocument document = json_of("[1.5, -2, 18446744073709551615, true]");
  EXPECT_EQ(document.root().item(0).as_double(), 1.5);
  EXPECT_EQ(document.root().item(1).as_double(), -2.0);
  EXPECT_EQ(document.root().item(2).as_double(), 18446744073709551616.0);
  EXPECT_EQ(document.root().item(3).as_double(), std::nullopt);
}

TEST(JsonValue, ReadsStringsAndBooleans) {
  JsonDocument document = json_of(R"({"s": "a\u00e9\n\u0000b", "t": true, "f": false})");
  EXPECT_EQ(document.root().find("s").as_string(), std::string_view("a\xc3\xa9\n\0b", 6));
  EXPECT_EQ(document.root().find("s").as_boolean(), std::nullopt);
  EXPECT_EQ(document.root().find("t").as_boolean(), true);
  EXPECT_EQ(document.root().find("f").as_boolean(), false);
  EXPECT_EQ(document.root().find("t").as_string(), std::nullopt);
}

TEST(JsonValue, ChainsLookUpsThroughWhatIsNotThere) {
  JsonDocument document = json_of(R"({"a": {"b": [10, 20]}, "n": null})");
  JsonValue root = document.root();
  EXPECT_EQ(root.find("a").find("b").item(1).as_int64(), 20);
  EXPECT_TRUE(root.find("x").find("y").item(0).is_null());
  EXPECT_TRUE(root.find("n").is_null());
  EXPECT_TRUE(root.find("a").find("b").item(2).is_null());
  EXPECT_TRUE(root.find("a").item(0).is_null());
  EXPECT_EQ(root.find("x").size(), 0U);
  EXPECT_EQ(root.find("x").as_boolean(), std::nullopt);
  EXPECT_EQ(root.find("x").as_int64(), std::nullopt);
  EXPECT_EQ(root.find("x").as_uint64(), std::nullopt);
  EXPECT_EQ(root.find("x").as_double(), std::nullopt);
  EXPECT_EQ(root.find("x").as_string(), std::nullopt);
}

TEST(JsonValue, KeepsTheOrderOfMembersAndTheLastOfTwo) {
  JsonDocument document = json_of(R"({"z": 1, "a": 2, "z": 3})");
  JsonValue root = document.root();
  ASSERT_EQ(root.size(), 2U);
  EXPECT_EQ(root.find("z").as_int64(), 3);
  EXPECT_EQ(root.member(1).name, "a");
  EXPECT_EQ(root.member(1).value.as_int64(), 2);
  EXPECT_EQ(root.member(2).name, "");
  EXPECT_TRUE(root.member(2).value.is_null());
}

TEST(JsonDocument, StaysValidWhenMoved) {
  JsonDocument first = json_of(R"(["a text that is longer than any small string"])");
  JsonValue item = first.root().item(0);
  JsonDocument second = std::move(first);
  EXPECT_EQ(item.as_string(), "a text that is longer than any small string");
}

TEST(JsonDocument, NamesThePlaceOfAFault) {
  EXPECT_EQ(fault("{\n  \"a\": 1,\n  \"b\" 2\n}"),
            "invalid JSON at line 3, column 7: syntax error");
  EXPECT_EQ(fault("[1,]"), "invalid JSON at line 1, column 4: syntax error");
  EXPECT_EQ(fault(""), "invalid JSON at line 1, column 1: incomplete JSON");
  EXPECT_EQ(fault("{\"a\":"), "invalid JSON at line 1, column 6: incomplete JSON");
  EXPECT_EQ(fault("1 2"), "invalid JSON at line 1, column 3: extra data");
}

TEST(JsonDocument, RefusesWhatJsonIsNot) {
  for (const char* text : {"{'a': 1}", "[01]", "nul", "\"\xff\"", "[1] // end", "{\"a\" 1}", "NaN",
                           "[1 2]", "\"\\x\"", "\"a\nb\"", "\xef\xbb\xbf{}"}) {
    EXPECT_NE(fault(text), "") << text;
  }
}

TEST(JsonDocument, LimitsTheDepth) {
  auto nested = [](std::size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
  };
  EXPECT_EQ(fault(nested(128)), "");
  EXPECT_EQ(fault(nested(129)), "invalid JSON at line 1, column 129: too deep");
  EXPECT_NE(fault(nested(1000000)), "");
}

}  // namespace
}  // namespace dhow::oci
