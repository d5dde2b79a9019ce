// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <gtest/gtest.h>
#include <limits>

#include "oci/json.h"
#include "oci/json_copy.h"
#include "oci/json_value.h"

namespace dhow::oci {
namespace {

void fill(JsonWriter& json) {
  json.begin_object();
  json.member("a", "x").member_number("b", -1).member_boolean("c", true);
  json.key("d").begin_array().null().number(1).begin_object().end_object();
  json.begin_array().end_array().end_array();
  json.key("e").begin_object().key("f").raw("[1, 2]").end_object();
  json.end_object();
}

TEST(JsonWriter, WritesOneLine) {
  JsonWriter json;
  fill(json);
  EXPECT_EQ(json.text(), R"({"a":"x","b":-1,"c":true,"d":[null,1,{},[]],"e":{"f":[1, 2]}})");
}

TEST(JsonWriter, IndentsByLevel) {
  JsonWriter json("  ");
  fill(json);
  EXPECT_EQ(json.text(), R"({
  "a": "x",
  "b": -1,
  "c": true,
  "d": [
    null,
    1,
    {},
    []
  ],
  "e": {
    "f": [1, 2]
  }
})");
}

TEST(JsonWriter, WritesTheGreatestNumbers) {
  JsonWriter json;
  json.begin_array();
  json.number(std::numeric_limits<std::int64_t>::min());
  json.number_unsigned(std::numeric_limits<std::uint64_t>::max());
  json.end_array();
  EXPECT_EQ(json.text(), "[-9223372036854775808,18446744073709551615]");
}

TEST(JsonWriter, EscapesNames) {
  JsonWriter json;
  json.begin_object().member("a\"b", "c\\d").end_object();
  EXPECT_EQ(json.text(), R"({"a\"b":"c\\d"})");
}

TEST(JsonQuoted, EscapesControlCharacters) {
  EXPECT_EQ(json_quoted(""), "\"\"");
  EXPECT_EQ(json_quoted("a/b\x7f"), "\"a/b\x7f\"");
  EXPECT_EQ(json_quoted(std::string_view("\0\x01\x1f\b\n\r\t\"\\", 9)),
            R"("\u0000\u0001\u001f\u0008\n\r\t\"\\")");
}

TEST(JsonQuoted, KeepsGoodUtf8) {
  for (const char* text : {"\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(json_quoted(text), std::string("\"") + text + "\"");
  }
}

TEST(JsonQuoted, ReplacesEachBadByte) {
  constexpr char kMark[] = "\xef\xbf\xbd";
  for (const char* bad : {"\x80", "\xbf", "\xc0", "\xc1", "\xf5", "\xff", "\xc2", "\xe0", "\xf0"}) {
    EXPECT_EQ(json_quoted(std::string(bad) + "a"), std::string("\"") + kMark + "a\"");
  }
  // Overlong, a surrogate, above U+10FFFF, cut short.
  for (const char* bad : {"\xe0\x9f\x80", "\xed\xa0\x80", "\xf0\x9f\x98"}) {
    EXPECT_EQ(json_quoted(bad), std::string("\"") + kMark + kMark + kMark + "\"");
  }
  for (const char* bad : {"\xc0\x80", "\xc1\xbf", "\xff\xff"}) {
    EXPECT_EQ(json_quoted(bad), std::string("\"") + kMark + kMark + "\"");
  }
  for (const char* bad : {"\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80"}) {
    EXPECT_EQ(json_quoted(bad), std::string("\"") + kMark + kMark + kMark + kMark + "\"");
  }
}

TEST(JsonCopy, IsWhatWasRead) {
  constexpr std::string_view kText =
      R"({"b":[1,-2,1.5,1e+300,18446744073709551615,"\"é",null,true,{}],"a":{"c":[]}})";
  auto document = JsonDocument::parse(kText);
  ASSERT_TRUE(document.has_value()) << document.error().message();
  EXPECT_EQ(value_json(document->root()), kText);
  JsonWriter out;
  out.begin_array();
  copy_value(out, document->root().find("a"));
  out.end_array();
  EXPECT_EQ(out.text(), R"([{"c":[]}])");
}

}  // namespace
}  // namespace dhow::oci
