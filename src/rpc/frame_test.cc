// SPDX-License-Identifier: Apache-2.0
#include "rpc/frame.h"

#include <sys/socket.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "sys/unix_socket.h"

namespace dhow::rpc {
namespace {

std::string frame_bytes(std::uint32_t length, std::uint32_t stream, unsigned type, unsigned flags,
                        std::string_view data) {
  std::string bytes;
  for (std::uint32_t number : {length, stream}) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      bytes.push_back(static_cast<char>(number >> shift & 0xff));
    }
  }
  bytes.push_back(static_cast<char>(type));
  bytes.push_back(static_cast<char>(flags));
  return bytes.append(data);
}

struct Seen {
  std::uint32_t stream;
  std::uint8_t flags;
  std::string data;
  bool oversized;
  bool operator==(const Seen&) const = default;
};

std::vector<Seen> drain(FrameReader& reader) {
  std::vector<Seen> seen;
  while (auto frame = reader.next()) {
    seen.push_back({frame->stream, frame->flags, std::string(frame->data), frame->oversized});
  }
  return seen;
}

TEST(Frame, IsCutOutOfWhateverPiecesCome) {
  std::string bytes = frame_bytes(3, 1, 1, 0, "abc") + frame_bytes(0, 3, 3, 5, "") +
                      frame_bytes(1, 0x01020304, 2, 0, "x");
  std::vector<Seen> all = {{1, 0, "abc", false}, {3, 5, "", false}, {0x01020304, 0, "x", false}};
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    FrameReader reader;
    std::vector<Seen> seen;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      reader.take(std::string_view(bytes).substr(at, piece));
      for (Seen& each : drain(reader)) seen.push_back(each);
    }
    EXPECT_EQ(seen, all) << piece;
  }
}

TEST(Frame, ThatIsTooLongIsSkipped) {
  std::uint32_t length = kMaxFrameData + 1;
  FrameReader reader;
  reader.take(frame_bytes(length, 7, 1, 0, "begin"));
  EXPECT_EQ(drain(reader), (std::vector<Seen>{{7, 0, "", true}}));
  std::string rest(length - 5, 'x');
  reader.take(std::string_view(rest).substr(0, 1000));
  EXPECT_TRUE(drain(reader).empty());
  reader.take(rest.substr(1000) + frame_bytes(1, 9, 1, 0, "y"));
  EXPECT_EQ(drain(reader), (std::vector<Seen>{{9, 0, "y", false}}));
}

TEST(Frame, OfTheLargestSizeIsTaken) {
  FrameReader reader;
  reader.take(frame_bytes(kMaxFrameData, 1, 1, 0, std::string(kMaxFrameData, 'x')));
  auto seen = drain(reader);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_FALSE(seen[0].oversized);
  EXPECT_EQ(seen[0].data.size(), kMaxFrameData);
}

TEST(Frame, IsKeptWhenTheSocketIsFull) {
  SocketPair pair = make_socket_pair(SOCK_STREAM).value();
  FrameWriter writer;
  std::string data(300'000, 'x');
  for (std::uint32_t stream = 1; stream < 10; stream += 2) {
    ASSERT_TRUE(writer.send(pair.first, stream, FrameType::kRequest, data).has_value());
  }
  ASSERT_GT(writer.unsent(), 0U);
  FrameReader reader;
  std::uint32_t expected = 1;
  while (expected < 10) {
    ASSERT_TRUE(writer.flush(pair.first).has_value());
    while (read_frames(pair.second, reader) == ReadEnd::kMore) {
      for (const Seen& seen : drain(reader)) {
        EXPECT_EQ(seen.stream, expected);
        EXPECT_EQ(seen.data, data);
        expected += 2;
      }
    }
  }
  EXPECT_EQ(writer.unsent(), 0U);
}

TEST(Frame, ThatIsTooLongIsNotSent) {
  SocketPair pair = make_socket_pair(SOCK_STREAM).value();
  FrameWriter writer;
  std::string data(kMaxFrameData + 1, 'x');
  EXPECT_EQ(writer.send(pair.first, 1, FrameType::kRequest, data).error().code(),
            Code::kResourceExhausted);
  FrameReader reader;
  EXPECT_EQ(read_frames(pair.second, reader), ReadEnd::kLater);
  pair.second.reset();
  EXPECT_EQ(writer.send(pair.first, 1, FrameType::kRequest, "x").error().code(),
            Code::kUnavailable);
}

}  // namespace
}  // namespace dhow::rpc
