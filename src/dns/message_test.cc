// SPDX-License-Identifier: Apache-2.0
#include "dns/message.h"

#include <gtest/gtest.h>
#include <string>

#include "base/strings.h"

namespace dhow::dns {
namespace {

using namespace std::string_literals;

// The record of EDNS: root, OPT, that many bytes, no failure, that version, nothing.
std::string edns(char high, char low, char version) {
  return "\0\0\x29"s + high + low + "\0"s + version + "\0\0\0\0"s;
}

std::string with_additional(std::string message, const std::string& record) {
  message[11] = static_cast<char>(message[11] + 1);
  return message + record;
}

Rcode fault_of(const std::string& message) {
  auto query = parse_query(message);
  EXPECT_TRUE(query.has_value());
  return query ? query->fault : Rcode::kSuccess;
}

TEST(Message, AQuestionIsRead) {
  std::string message = question_message(0x1234, "Web.Mine", Type::kAaaa);
  EXPECT_EQ(hex_text(message), "12340100000100000000000003576562044d696e6500001c0001");
  auto query = parse_query(message);
  ASSERT_TRUE(query.has_value());
  EXPECT_EQ(query->id, 0x1234);
  EXPECT_EQ(query->name, "web.mine");
  EXPECT_TRUE(query->asks(Type::kAaaa));
  EXPECT_FALSE(query->asks(Type::kA));
  EXPECT_EQ(query->fault, Rcode::kSuccess);
  EXPECT_EQ(query->question, std::string_view(message).substr(12));
  EXPECT_EQ(query->limit(), 512U);
}

TEST(Message, NamesThatNoContainerHasAreNoNames) {
  std::string message = question_message(1, "a-b", Type::kA);
  for (char odd : {'.', '\\', ' ', '\0', '\x80'}) {
    message[14] = odd;
    auto query = parse_query(message);
    ASSERT_TRUE(query.has_value());
    EXPECT_EQ(query->name, "");
    EXPECT_EQ(query->fault, Rcode::kSuccess) << "it can be passed on";
  }
}

TEST(Message, WhatIsNoQuestionIsNotAnswered) {
  std::string message = question_message(1, "web", Type::kA);
  for (std::size_t size = 0; size < 12; ++size) EXPECT_FALSE(parse_query(message.substr(0, size)));
  message[2] = static_cast<char>(0x80);  // two resolvers would go on forever
  EXPECT_FALSE(parse_query(message).has_value());
}

TEST(Message, FaultsAreTold) {
  const std::string good = question_message(1, "web.mine", Type::kA);
  for (std::size_t size = 12; size < good.size(); ++size) {
    EXPECT_EQ(fault_of(good.substr(0, size)), Rcode::kFormatError) << size;
  }
  EXPECT_EQ(fault_of(good + "x"), Rcode::kFormatError);
  EXPECT_EQ(fault_of(good + std::string(2000, 'x')), Rcode::kFormatError);
  for (int section : {5, 7, 9, 11}) {
    std::string message = good;
    ++message[static_cast<std::size_t>(section)];
    EXPECT_EQ(fault_of(message), Rcode::kFormatError) << section;
  }
  std::string update = good;
  update[2] = 0x28;
  EXPECT_EQ(fault_of(update), Rcode::kNotImplemented);
  std::string pointer = good;
  pointer[12] = static_cast<char>(0xC0);  // to itself
  pointer[13] = 12;
  EXPECT_EQ(fault_of(pointer), Rcode::kFormatError);
}

TEST(Message, NamesHave255BytesAtMost) {
  std::string label(63, 'a');
  std::string longest = cat(label, ".", label, ".", label, ".", std::string(61, 'a'));
  EXPECT_EQ(fault_of(question_message(1, longest, Type::kA)), Rcode::kSuccess);
  EXPECT_EQ(question_message(1, longest + "a", Type::kA), "");
  EXPECT_EQ(question_message(1, label + "a", Type::kA), "");
  EXPECT_EQ(question_message(1, "a..b", Type::kA), "");
  std::string message = question_message(1, longest, Type::kA);
  message[12 + 3 * 64] = 62;
  message.insert(12 + 3 * 64 + 1, 1, 'a');
  EXPECT_EQ(fault_of(message), Rcode::kFormatError);
}

TEST(Message, EdnsIsUnderstood) {
  std::string plain = question_message(1, "web", Type::kA);
  auto message = with_additional(plain, edns(0x10, 0, 0));
  auto query = parse_query(message);
  ASSERT_TRUE(query.has_value());
  EXPECT_EQ(query->fault, Rcode::kSuccess);
  EXPECT_EQ(query->limit(), 4096U);
  EXPECT_EQ(parse_query(with_additional(plain, edns(0, 9, 0)))->limit(), 512U);
  EXPECT_EQ(parse_query(with_additional(plain, edns(-1, -1, 0)))->limit(), 4096U);
  EXPECT_EQ(fault_of(with_additional(message, edns(0x10, 0, 0))), Rcode::kFormatError) << "twice";
  auto newer = with_additional(plain, edns(0x10, 0, 1));
  query = parse_query(newer);
  EXPECT_EQ(query->fault, Rcode::kBadVersion);
  std::string answer = Answer(*query, query->fault, 512).take();
  EXPECT_EQ(hex_text(answer), "00018180000100000000000103776562000001000100002904d0010000000000")
      << "the upper part of the failure is in the record of EDNS";
}

TEST(Message, AnswersAreWritten) {
  std::string message = question_message(7, "web", Type::kA);
  auto query = parse_query(message);
  Answer answer(*query, Rcode::kSuccess, 512);
  answer.add_address("\x0a\0\0\x01"s);
  answer.add_address("\x0a\0\0\x02"s);
  std::string text = answer.take();
  EXPECT_EQ(hex_text(text),
            "000781800001000200000000"
            "037765620000010001"
            "c00c00010001000002580004"
            "0a000001"
            "c00c00010001000002580004"
            "0a000002");
  EXPECT_TRUE(is_answer_to(text, *query, 7));
  EXPECT_FALSE(is_answer_to(text, *query, 8));
  EXPECT_FALSE(is_answer_to(message, *query, 7)) << "a question";
  EXPECT_EQ(hex_text(with_id(text, 0xABCD)).substr(0, 4), "abcd");
}

TEST(Message, AnswersSayWhatIsLeftOut) {
  std::string message =
      with_additional(question_message(7, "web", Type::kA), edns(2, 0, 0));  // 512 bytes
  auto query = parse_query(message);
  Answer answer(*query, Rcode::kSuccess, query->limit());
  for (int i = 0; i < 200; ++i) answer.add_address("\x0a\0\0\x01"s);
  std::string text = answer.take();
  EXPECT_LE(text.size(), 512U);
  EXPECT_GT(text.size(), 512U - 16);
  EXPECT_EQ(text[2] & 0x02, 0x02);
  EXPECT_EQ((text.size() - 12 - 9 - 11) / 16, static_cast<unsigned char>(text[7]));
  EXPECT_EQ(hex_text(text.substr(text.size() - 11)), "00002904d0000000000000");
}

TEST(Message, OnlyTheAnswerToAQueryIsOne) {
  std::string message = question_message(7, "web", Type::kA);
  auto query = parse_query(message);
  std::string upper = question_message(7, "WEB", Type::kA);
  EXPECT_TRUE(is_answer_to(Answer(*parse_query(upper), Rcode::kNameError, 512).take(), *query, 7));
  for (const std::string& other :
       {question_message(7, "wen", Type::kA), question_message(7, "web", Type::kAaaa),
        question_message(7, "webs", Type::kA), question_message(7, "we", Type::kA)}) {
    EXPECT_FALSE(is_answer_to(Answer(*parse_query(other), Rcode::kSuccess, 512).take(), *query, 7));
  }
  // A server that could not read the question sends none back.
  std::string none = Answer(*query, Rcode::kFormatError, 512).take().substr(0, 12);
  none[5] = 0;
  EXPECT_TRUE(is_answer_to(none, *query, 7));
  EXPECT_EQ(rcode_of(none), Rcode::kFormatError);
  none[3] = 0;
  EXPECT_FALSE(is_answer_to(none, *query, 7));
}

TEST(Streams, HaveLengthsInFrontOfMessages) {
  std::string stream = with_length("abc") + with_length("") + with_length("x");
  EXPECT_EQ(stream.substr(0, 5), std::string("\0\3abc", 5));
  for (std::size_t size = 0; size < 5; ++size) {
    EXPECT_FALSE(first_message(std::string_view(stream).substr(0, size))) << size;
  }
  EXPECT_FALSE(announced_length(std::string_view(stream).substr(0, 1)));
  EXPECT_EQ(announced_length(std::string_view(stream).substr(0, 2)), 3U);
  EXPECT_EQ(first_message(stream), "abc");
  EXPECT_EQ(first_message(std::string_view(stream).substr(5)), "");
  EXPECT_EQ(announced_length(with_length(std::string(0x1234, 'x'))), 0x1234U);
}

}  // namespace
}  // namespace dhow::dns
