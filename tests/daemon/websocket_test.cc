// SPDX-License-Identifier: Apache-2.0
// Attaching by WebSocket (RFC 6455), on the wire.
#include <sys/socket.h>

#include "base/strings.h"
#include "daemon/daemon_fixture.h"
#include "sys/file_io.h"

namespace dhow::daemon_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class DaemonWebSocketTest : public BusyboxTest {
 protected:
  struct Message {
    int opcode = -1;  // 2: bytes, 8: the end
    std::string text;
  };

  // The standard's own example of a key, and so of its answer (section 1.3).
  std::string shake_hands(const std::string& target) {
    socket_ = connect();
    EXPECT_TRUE(write_all(socket_, cat("GET ", target,
                                       " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                                       "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")));
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
      std::string byte = take(1);
      if (byte.empty()) break;
      head += byte;
    }
    return head;
  }
  std::string take(std::size_t count) {
    std::string bytes;
    while (bytes.size() < count) {
      char piece[4096];
      auto got = read_some(socket_, std::span(piece, std::min(sizeof piece, count - bytes.size())));
      if (!got || *got == 0) break;
      bytes.append(piece, *got);
    }
    return bytes;
  }
  // A client masks what it sends (section 5.3).
  void send(int opcode, const std::string& text) {
    ASSERT_LT(text.size(), 126U);
    const std::string mask = "\x11\x22\x33\x44";
    std::string frame;
    frame += static_cast<char>(0x80 | opcode);
    frame += static_cast<char>(0x80 | text.size());
    frame += mask;
    for (std::size_t i = 0; i < text.size(); ++i) frame += static_cast<char>(text[i] ^ mask[i % 4]);
    ASSERT_TRUE(write_all(socket_, frame));
  }
  Message receive() {
    std::string head = take(2);
    if (head.size() < 2) return {};
    Message message;
    message.opcode = head[0] & 0x0F;
    message.text = take(static_cast<std::size_t>(head[1] & 0x7F));
    return message;
  }
  // Bytes of messages until they have that in them.
  std::string receive_until(std::string_view text) {
    std::string all;
    while (all.find(text) == std::string::npos) {
      Message message = receive();
      if (message.opcode != 2) break;
      all += message.text;
    }
    return all;
  }

  Fd socket_;
};

TEST_F(DaemonWebSocketTest, CarriesWhatIsTypedAndSaid) {
  std::string id = docker_output(
      {"create", "-i", "--network", "none", "busybox", "sh", "-c", "echo up; cat; exit 3"});
  docker_output({"start", id});
  std::string head = shake_hands(
      cat("/v1.44/containers/", id, "/attach/ws?stream=1&stdin=1&stdout=1&stderr=1&logs=1"));
  EXPECT_THAT(head, AllOf(StartsWith("HTTP/1.1 101 "),
                          HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
  send(2, "typed\n");
  EXPECT_EQ(receive_until("typed\n"), "up\ntyped\n");
  send(9, "ping");
  Message pong = receive();
  EXPECT_EQ(pong.opcode, 10);
  EXPECT_EQ(pong.text, "ping");
  docker_output({"kill", id});
  EXPECT_EQ(receive().opcode, 8);
  send(8, "");
  EXPECT_EQ(take(1), "");
}

TEST_F(DaemonWebSocketTest, AClientThatGoesLeavesTheContainer) {
  std::string id = docker_output({"run", "-dit", "--network", "none", "busybox", "sh"});
  std::string target =
      cat("/containers/", id, "/attach/ws?stream=1&stdin=1&stdout=1&detachKeys=ctrl-a,b");
  shake_hands(target);
  send(1, "echo $((40+2))\n");
  EXPECT_THAT(receive_until("42"), HasSubstr("42"));
  socket_.reset();
  shake_hands(target);
  send(1, "echo $((50+3))\n");
  EXPECT_THAT(receive_until("53"), HasSubstr("53"));
  // The keys end it from this side, as by docker's command line.
  send(1,
       "\x01"
       "b");
  Message message = receive();
  while (message.opcode == 2) message = receive();
  EXPECT_EQ(message.opcode, 8);
  EXPECT_EQ(docker_output({"inspect", "-f", "{{.State.Running}}", id}), "true");
}

TEST_F(DaemonWebSocketTest, WhatIsNoWebSocketIsRefused) {
  std::string id = start_sleeper("sleeper");
  EXPECT_THAT(http(cat("GET /containers/", id,
                       "/attach/ws?stream=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")),
              AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("not a request for a WebSocket")));
  EXPECT_THAT(shake_hands("/containers/nothing/attach/ws?stream=1"), StartsWith("HTTP/1.1 404 "));
}

}  // namespace
}  // namespace dhow::daemon_test
