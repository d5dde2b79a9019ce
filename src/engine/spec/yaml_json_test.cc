// SPDX-License-Identifier: Apache-2.0
#include "engine/spec/yaml_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace dhow::engine {
namespace {

using ::testing::HasSubstr;

std::string json(std::string_view yaml) {
  auto made = json_of_yaml(yaml);
  return made ? *made : cat(code_name(made.error().code()), ": ", made.error().message());
}

TEST(YamlJson, MappingsAndSequences) {
  EXPECT_EQ(json("a: 1\nb:\n- x\n- y: z\nc: {d: [e, \"f\"]}\n"),
            R"({"a":1,"b":["x",{"y":"z"}],"c":{"d":["e","f"]}})");
  EXPECT_EQ(json("5: five\n"), R"({"5":"five"})");
}

TEST(YamlJson, ScalarsAreOfTheCoreSchema) {
  EXPECT_EQ(json("[1, -2, +3, 0x1F, 0o17, 1.5, 2e3, 0]"), "[1,-2,3,31,15,1.5,2e3,0]");
  EXPECT_EQ(json("[true, False, null, ~, ]"), "[true,false,null,null]");
  EXPECT_EQ(json("[yes, 007, 1.2.3, '1', \"true\", -, 1., 0x, a b]"),
            R"(["yes","007","1.2.3","1","true","-","1.","0x","a b"])");
  EXPECT_EQ(json("a: |\n  one\n  \"two\"\n"), R"({"a":"one\n\"two\"\n"})");
}

TEST(YamlJson, FaultsNameTheLine) {
  EXPECT_THAT(json("a: [1\nb: 2\n"), HasSubstr("YAML: line "));
  EXPECT_THAT(json("ok: 1\n? [x]\n: 1\n"), HasSubstr("line 2: a key that is no text"));
  EXPECT_THAT(json("a: 1\n---\nb: 2\n"), HasSubstr("2 documents"));
  EXPECT_THAT(json(""), HasSubstr("0 documents"));
}

TEST(YamlJson, AliasesDontGrowWithoutBound) {
  EXPECT_EQ(json("a: &x [1]\nb: *x\n"), R"({"a":[1],"b":[1]})");
  std::string bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
  for (int i = 1; i < 12; ++i) {
    bomb += cat("a", i, ": &a", i, " [");
    for (int k = 0; k < 10; ++k) bomb += cat(k == 0 ? "" : ", ", "*a", i - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(json(bomb), HasSubstr("too much text by aliases"));
  EXPECT_THAT(json(std::string(100, '[') + std::string(100, ']')), HasSubstr("levels"));
}

}  // namespace
}  // namespace dhow::engine
