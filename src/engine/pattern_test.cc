// SPDX-License-Identifier: Apache-2.0
#include "engine/pattern.h"

#include <gtest/gtest.h>

namespace dhow::engine {
namespace {

TEST(NameFilter, FindsRegularExpressionsAnywhere) {
  EXPECT_TRUE(NameFilter({"eb"}).matches("web1"));
  EXPECT_TRUE(NameFilter({"^web1$"}).matches("web1"));
  EXPECT_FALSE(NameFilter({"^web$"}).matches("web1"));
  EXPECT_TRUE(NameFilter({"^(web|db)\\d+$"}).matches("db20"));
  EXPECT_TRUE(NameFilter({"w[\\d]"}).matches("w1"));
  EXPECT_FALSE(NameFilter({"^(web|db)\\d+$"}).matches("dbx"));
  EXPECT_TRUE(NameFilter({"a", "w.*1"}).matches("web1"));
  EXPECT_TRUE(NameFilter({}).matches("web1"));
}

TEST(NameFilter, TakesANameThatIsNoExpression) {
  EXPECT_TRUE(NameFilter({"a["}).matches("a["));
  EXPECT_FALSE(NameFilter({"a["}).matches("a"));
}

TEST(Pattern, WhatWouldTakeMuchMemoryIsRefused) {
  for (const std::string& text :
       {std::string(5000, 'a'), std::string(101, '(') + "a", std::string("(a{1,1000}){2}"),
        std::string("a{32767}"), std::string("a{30}b{30}c{30}")}) {
    EXPECT_FALSE(Pattern::make(text).has_value()) << text.substr(0, 20);
  }
  std::string deep = std::string(100, '(') + "a" + std::string(100, ')');
  EXPECT_TRUE(Pattern::make(deep).value().matches("a"));
  EXPECT_TRUE(Pattern::make("^(ab){2,3}[0-9]{1,}\\{{1}$").value().matches("abab17{"));
}

}  // namespace
}  // namespace dhow::engine
