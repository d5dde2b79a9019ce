// SPDX-License-Identifier: Apache-2.0
#include "client/frames.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace dhow::client {
namespace {

std::string frame(char kind, const std::string& data) {
  std::string head(8, '\0');
  head[0] = kind;
  head[6] = static_cast<char>(data.size() >> 8);
  head[7] = static_cast<char>(data.size() & 255);
  return head + data;
}

TEST(FramesTest, AreReadHoweverTheyAreCut) {
  std::string long_line(700, 'x');
  std::string stream = frame(1, "one\n") + frame(2, "two") + frame(1, "") + frame(1, long_line);
  for (std::size_t step : {1U, 2U, 7U, 8U, 9U, 5000U}) {
    FrameReader reader;
    std::string output;
    std::string errors;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      auto status = reader.feed(stream.substr(at, step),
                                [&](StreamKind kind, std::string_view data) -> Status {
                                  (kind == StreamKind::kOutput ? output : errors) += data;
                                  return {};
                                });
      ASSERT_TRUE(status.has_value()) << status.error().message();
    }
    EXPECT_EQ(output, "one\n" + long_line) << step;
    EXPECT_EQ(errors, "two") << step;
    EXPECT_TRUE(reader.at_boundary());
  }
}

TEST(FramesTest, RefusesAStreamThatHasNone) {
  FrameReader reader;
  auto status =
      reader.feed("plain text", [](StreamKind, std::string_view) -> Status { return {}; });
  EXPECT_EQ(status.error().code(), Code::kDataLoss);
}

TEST(FramesTest, ASinkCanEndIt) {
  FrameReader reader;
  auto status = reader.feed(frame(1, "x"), [](StreamKind, std::string_view) -> Status {
    return fail(Code::kAborted, "no");
  });
  EXPECT_EQ(status.error().code(), Code::kAborted);
}

std::vector<std::string> objects(const std::string& stream, std::size_t step) {
  JsonStream reader;
  std::vector<std::string> found;
  for (std::size_t at = 0; at < stream.size(); at += step) {
    auto status = reader.feed(stream.substr(at, step), [&](std::string_view text) -> Status {
      found.emplace_back(text);
      return {};
    });
    if (!status) found.push_back("error");
  }
  return found;
}

TEST(JsonStreamTest, CutsObjectsApart) {
  std::string stream = "{\"a\":\"}\\\"{\"}\r\n{\"b\":{\"c\":[1,{}]}}{}\n";
  std::vector<std::string> expected = {"{\"a\":\"}\\\"{\"}", "{\"b\":{\"c\":[1,{}]}}", "{}"};
  for (std::size_t step : {1U, 3U, 100U}) EXPECT_EQ(objects(stream, step), expected) << step;
}

TEST(JsonStreamTest, KeepsWhatIsNotComplete) {
  EXPECT_TRUE(objects("{\"a\":", 2).empty());
  EXPECT_EQ(objects("oops", 4), std::vector<std::string>{"error"});
}

}  // namespace
}  // namespace dhow::client
