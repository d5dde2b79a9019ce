// SPDX-License-Identifier: Apache-2.0
#include "logging/socket_drivers.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <string>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::logging {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class SocketDriversTest : public ::testing::Test {
 protected:
  SocketDriversTest() {
    char name[] = "/tmp/dhow-logsock-XXXXXX";
    folder_ = ::mkdtemp(name);
    bind_server();
  }
  ~SocketDriversTest() override { std::filesystem::remove_all(folder_); }

  void bind_server() {
    std::filesystem::remove(folder_ + "/socket");
    server_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    struct sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::string path = folder_ + "/socket";
    path.copy(name.sun_path, sizeof name.sun_path - 1);
    ASSERT_EQ(::bind(server_.get(), reinterpret_cast<struct sockaddr*>(&name), sizeof name), 0);
  }
  std::unique_ptr<Driver> make(const std::string& driver,
                               std::map<std::string, std::string, std::less<>> options) {
    auto made = make_driver({driver, std::move(options)});
    EXPECT_TRUE(made) << made.error().message();
    return std::move(*made);
  }
  std::unique_ptr<Driver> journald() {
    return make("journald", {{"socket", folder_ + "/socket"},
                             {"container-id", "0123456789abcdef"},
                             {"container-name", "box"},
                             {"image-name", "debian"},
                             {"field.EXTRA", "more"}});
  }
  std::string receive() {
    auto message = receive_message(server_, 1 << 20);
    if (!message) return message.error().message();
    if (message->fds.empty()) return message->payload;
    std::string text(1 << 20, '\0');
    auto size = read_at(message->fds[0], 0, text);
    text.resize(size.value_or(0));
    return text;
  }

  std::string folder_;
  Fd server_;
};

Entry line_of(std::string_view text) {
  return {.stream = Stream::kStderr, .time_ns = 1'700'000'000'500'000'000, .line = text};
}

TEST_F(SocketDriversTest, JournaldGetsDockersFields) {
  auto driver = journald();
  driver->write(line_of("hello"));
  driver->flush();
  std::string message = receive();
  for (const char* field :
       {"MESSAGE=hello\n", "PRIORITY=3\n", "CONTAINER_ID=0123456789ab\n",
        "CONTAINER_ID_FULL=0123456789abcdef\n", "CONTAINER_NAME=box\n", "IMAGE_NAME=debian\n",
        "CONTAINER_TAG=0123456789ab\n", "SYSLOG_IDENTIFIER=0123456789ab\n", "EXTRA=more\n",
        "SYSLOG_TIMESTAMP=2023-11-14T22:13:20.5Z\n"}) {
    EXPECT_THAT("\n" + message, HasSubstr(cat("\n", field)));
  }
}

TEST_F(SocketDriversTest, JournaldTellsWhatBelongsTogether) {
  auto driver = journald();
  Entry piece = line_of("part");
  piece.ends_line = false;
  piece.piece = 0;
  piece.line_number = 7;
  driver->write(piece);
  driver->flush();
  std::string message = receive();
  EXPECT_THAT(message, HasSubstr("CONTAINER_PARTIAL_MESSAGE=true\n"));
  EXPECT_THAT(message, HasSubstr("CONTAINER_PARTIAL_ORDINAL=1\n"));
  EXPECT_THAT(message, HasSubstr("CONTAINER_PARTIAL_LAST=false\n"));
}

TEST_F(SocketDriversTest, JournaldValuesWithLineEndsHaveTheirLength) {
  std::string out;
  append_journal_field(out, "MESSAGE", "a\nb");
  EXPECT_EQ(out, std::string("MESSAGE\n\x03\0\0\0\0\0\0\0a\nb\n", 20));
}

TEST_F(SocketDriversTest, JournaldGetsALargeMessageAsAFile) {
  auto driver = journald();
  std::string large(1 << 19, 'x');
  driver->write(line_of(large));
  driver->flush();
  EXPECT_THAT(receive(), HasSubstr(large));
}

TEST_F(SocketDriversTest, AFullServerHoldsUpAndThenGetsAll) {
  auto driver = journald();
  std::string text(10000, 'x');
  int sent = 0;
  while (!driver->is_full() && sent < 10000) {
    driver->write(line_of(text));
    driver->flush();
    ++sent;
  }
  ASSERT_TRUE(driver->is_full());
  EXPECT_GE(driver->waiting_fd(), 0);
  for (int i = 0; i < sent; ++i) {
    EXPECT_THAT(receive(), HasSubstr(text));
    driver->flush();
  }
  EXPECT_EQ(driver->waiting_fd(), -1);
  EXPECT_EQ(driver->dropped(), 0U);
}

TEST_F(SocketDriversTest, AServerThatComesBackIsFound) {
  auto driver = journald();
  driver->write(line_of("one"));
  driver->flush();
  receive();
  server_.reset();
  bind_server();
  driver->write(line_of("two"));
  driver->flush();
  EXPECT_THAT(receive(), HasSubstr("MESSAGE=two"));
}

TEST_F(SocketDriversTest, WithoutAServerLinesAreDropped) {
  server_.reset();
  std::filesystem::remove(folder_ + "/socket");
  auto driver = journald();
  driver->write(line_of("one"));
  driver->flush();
  EXPECT_EQ(driver->dropped(), 1U);
  EXPECT_FALSE(driver->is_full());
}

TEST_F(SocketDriversTest, SyslogFormats) {
  std::string address = cat("unix://", folder_, "/socket");
  auto message_of = [&](const std::string& format) {
    std::map<std::string, std::string, std::less<>> options = {
        {"syslog-address", address}, {"syslog-facility", "local1"}, {"tag", "box"}};
    if (!format.empty()) options["syslog-format"] = format;
    auto driver = make("syslog", options);
    driver->write(line_of("text"));
    driver->flush();
    return receive();
  };
  EXPECT_THAT(message_of(""), MatchesRegex("<139>Nov 14 22:13:20 box\\[[0-9]+\\]: text"));
  EXPECT_THAT(message_of("rfc3164"),
              MatchesRegex("<139>Nov 14 22:13:20 [^ ]+ box\\[[0-9]+\\]: text"));
  EXPECT_THAT(message_of("rfc5424"),
              MatchesRegex("<139>1 2023-11-14T22:13:20Z [^ ]+ box [0-9]+ box - text"));
  EXPECT_THAT(message_of("rfc5424micro"),
              MatchesRegex("<139>1 2023-11-14T22:13:20.500000Z [^ ]+ box [0-9]+ box - text"));
}

TEST_F(SocketDriversTest, SyslogOverTcp) {
  Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  struct sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  auto* generic = reinterpret_cast<struct sockaddr*>(&name);
  ASSERT_EQ(::bind(listener.get(), generic, size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  ASSERT_EQ(::getsockname(listener.get(), generic, &size), 0);
  auto driver = make("syslog", {{"syslog-address", cat("tcp://localhost:", ntohs(name.sin_port))}});
  driver->write(line_of("first"));
  driver->flush();
  Fd connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  driver->write(line_of("second"));
  driver->flush();
  driver.reset();
  std::string text = read_all(connection).value_or("");
  EXPECT_THAT(text, MatchesRegex("<27>.*: first\n<27>.*: second\n"));
}

TEST(SyslogAddress, IsChecked) {
  EXPECT_EQ(parse_syslog_address("udp://[::1]:99")->host, "::1");
  EXPECT_EQ(parse_syslog_address("udp://127.0.0.1")->port, "514");
  EXPECT_EQ(parse_syslog_address("tcp+tls://x:1").error().code(), Code::kUnimplemented);
  EXPECT_EQ(parse_syslog_address("http://x").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(parse_syslog_address("unix://relative").error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace dhow::logging
