// SPDX-License-Identifier: Apache-2.0
#include "network/rootless/messages.h"

#include <cerrno>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace dhow::network::rootless {
namespace {

TEST(MessagesTest, PortsComeBackAsTheyWent) {
  for (const char* host : {"0.0.0.0", "192.0.2.1", "::", "fd00::1"}) {
    PortKey key{"udp", *parse_ip(host), 5353};
    std::string request = cat("hold ", port_words(key));
    auto read = read_port(split(request, ' '), 1);
    ASSERT_TRUE(read.has_value()) << read.error().message();
    EXPECT_EQ(*read, key) << host;
  }
}

TEST(MessagesTest, BadPortsAreRefused) {
  for (std::string_view request : {"hold", "hold tcp", "hold tcp 0.0.0.0", "hold tcp here 80",
                                   "hold tcp 0.0.0.0 65536", "hold tcp 0.0.0.0 x"}) {
    EXPECT_EQ(read_port(split(request, ' '), 1).error().code(), Code::kInvalidArgument) << request;
  }
}

TEST(MessagesTest, AnswersComeBackAsTheyWent) {
  EXPECT_EQ(read_answer(answer_text(std::string())).value(), "");
  EXPECT_EQ(read_answer(answer_text(std::string("8080"))).value(), "8080");
  Error error(Code::kPermissionDenied, EACCES, "no right to 0.0.0.0:80/tcp: denied");
  auto read = read_answer(answer_text(fail(error)));
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code(), Code::kPermissionDenied);
  EXPECT_EQ(read.error().sys_errno(), EACCES);
  EXPECT_EQ(read.error().message(), error.message());
}

TEST(MessagesTest, OtherAnswersAreFaults) {
  for (const char* text : {"", "okay", "fail", "fail 1 2", "no"}) {
    EXPECT_EQ(read_answer(text).error().code(), Code::kInternal) << text;
  }
  EXPECT_EQ(read_answer("fail 99 0 what").error().code(), Code::kUnknown);
}

}  // namespace
}  // namespace dhow::network::rootless
