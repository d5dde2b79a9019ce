// SPDX-License-Identifier: Apache-2.0
#include "api/docker/http_parser.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace dhow::api::docker {
namespace {

// Feeds a text in pieces of `step` bytes, and returns the body that came.
Result<std::string> parse(RequestParser& parser, std::string_view text, std::size_t step) {
  std::string held;
  std::string body;
  std::string space(7, '\0');
  while (!text.empty() && !(parser.head_done() && parser.body_done())) {
    held += text.substr(0, step);
    text.remove_prefix(std::min(step, text.size()));
    TRY_ASSIGN(std::size_t taken, parser.feed_head(held));
    held.erase(0, taken);
    while (parser.head_done() && !parser.body_done() && !held.empty()) {
      TRY_ASSIGN(RequestParser::Taken part, parser.feed_body(held, space));
      held.erase(0, part.taken);
      body.append(space, 0, part.produced);
      if (part.taken == 0 && part.produced == 0) break;
    }
  }
  return body;
}

TEST(RequestParserTest, ReadsARequestInPiecesOfAnySize) {
  std::string text =
      "POST /v1.41/containers/create?name=x HTTP/1.1\r\nHost: docker\r\n"
      "Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"Image\":\"app\"}";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    RequestParser parser;
    auto body = parse(parser, text, step);
    ASSERT_TRUE(body.has_value()) << step << ": " << body.error().message();
    EXPECT_EQ(*body, R"({"Image":"app"})") << step;
    RequestHead head = parser.head();
    EXPECT_EQ(head.method, "POST");
    EXPECT_EQ(head.target, "/v1.41/containers/create?name=x");
    EXPECT_EQ(head.header("content-type"), "application/json");
    EXPECT_EQ(head.body_size, 15U);
    EXPECT_TRUE(head.keep_alive);
    EXPECT_FALSE(head.upgrade);
    EXPECT_TRUE(parser.body_done());
  }
}

TEST(RequestParserTest, TakesChunksApart) {
  std::string text =
      "POST /images/load HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\nb;x=y\r\n, container\r\n0\r\n\r\n";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    RequestParser parser;
    auto body = parse(parser, text, step);
    ASSERT_TRUE(body.has_value()) << step << ": " << body.error().message();
    EXPECT_EQ(*body, "hello, container") << step;
    EXPECT_TRUE(parser.head().chunked);
    EXPECT_TRUE(parser.body_done()) << step;
  }
}

TEST(RequestParserTest, SeesAnUpgrade) {
  RequestParser parser;
  ASSERT_TRUE(parse(parser,
                    "POST /containers/x/attach HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\n"
                    "Upgrade: tcp\r\n\r\n",
                    1000)
                  .has_value());
  EXPECT_TRUE(parser.head().upgrade);
  EXPECT_TRUE(parser.body_done());
}

TEST(RequestParserTest, RefusesWhatIsNoRequest) {
  for (const char* text :
       {"\r\n\r\n \r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nA B: c\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    RequestParser parser;
    auto body = parse(parser, text, 1000);
    ASSERT_FALSE(body.has_value()) << text;
    EXPECT_EQ(body.error().code(), Code::kInvalidArgument) << text;
  }
}

TEST(RequestParserTest, RefusesAHeadWithoutEnd) {
  RequestParser parser;
  auto body = parse(parser, "GET / HTTP/1.1\r\nA: " + std::string(kMaxHead + 1, 'a'), 4096);
  ASSERT_FALSE(body.has_value());
  EXPECT_EQ(body.error().code(), Code::kOutOfRange);
}

}  // namespace
}  // namespace dhow::api::docker
