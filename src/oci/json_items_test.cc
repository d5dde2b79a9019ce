// SPDX-License-Identifier: Apache-2.0
#include "oci/json_items.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vector>

namespace dhow::oci {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Cut {
  std::vector<std::string> items;
  std::string fault;
};

// Fed in pieces of `size` bytes.
Cut cut(std::string_view text, std::size_t size) {
  Cut result;
  JsonItems items;
  Status done;
  while (done && !text.empty()) {
    done = items.feed(text.substr(0, size), [&](std::string_view item) -> Status {
      result.items.emplace_back(item);
      return {};
    });
    text.remove_prefix(std::min(size, text.size()));
  }
  if (done) done = items.end();
  if (!done) result.fault = done.error().message();
  return result;
}

TEST(JsonItems, AreCutWhereverPiecesEnd) {
  constexpr std::string_view kText =
      " [{\"a\":[1,{\"b\":\"]},\\\"[\"}]} , \"x,\\\\\",[[],[]],null,\t-1.5e3]\r\n ";
  for (std::size_t size = 1; size <= kText.size(); ++size) {
    SCOPED_TRACE(size);
    Cut found = cut(kText, size);
    EXPECT_EQ(found.fault, "");
    EXPECT_THAT(found.items, ElementsAre("{\"a\":[1,{\"b\":\"]},\\\"[\"}]} ", " \"x,\\\\\"",
                                         "[[],[]]", "null", "\t-1.5e3"));
  }
}

TEST(JsonItems, OfAnEmptyArrayThereAreNone) {
  for (std::string_view text : {"[]", " [ \n] "}) {
    Cut found = cut(text, 1);
    EXPECT_EQ(found.fault, "");
    EXPECT_THAT(found.items, IsEmpty());
  }
}

TEST(JsonItems, SayWhatIsNoArray) {
  EXPECT_THAT(cut("{\"message\":\"no\"}", 64).fault, HasSubstr("expected an array"));
  EXPECT_THAT(cut("", 64).fault, HasSubstr("has no end"));
  EXPECT_THAT(cut("[1,2", 64).fault, HasSubstr("has no end"));
  EXPECT_THAT(cut("[\"]", 64).fault, HasSubstr("has no end"));
  EXPECT_THAT(cut("[1]2", 64).fault, HasSubstr("more text"));
}

// An item that is missing is one of no text, which no parser takes.
TEST(JsonItems, LeaveFaultsOfItemsToTheParser) {
  EXPECT_THAT(cut("[1,,2,]", 1).items, ElementsAre("1", "", "2", ""));
  EXPECT_THAT(cut("[,]", 1).items, ElementsAre("", ""));
  EXPECT_THAT(cut("[1}]", 1).items, ElementsAre("1}"));
}

TEST(JsonItems, EndWhenOneIsNotTaken) {
  JsonItems items;
  int seen = 0;
  auto done = items.feed("[1,2,3]", [&](std::string_view) -> Status {
    if (++seen == 2) return fail(Code::kAborted, "enough");
    return {};
  });
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code(), Code::kAborted);
  EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace dhow::oci
