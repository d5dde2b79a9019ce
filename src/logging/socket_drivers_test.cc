// SPDX-License-Identifier: Apache-2.0
#include "logging/socket_drivers.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <string>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/testing/loopback_listener.h"
#include "sys/unix_socket.h"

namespace dhow::logging {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

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

TEST_F(SocketDriversTest, WhatIsSentIsKeptInAFileAsWell) {
  auto driver = make("syslog", {{"syslog-address", cat("unix://", folder_, "/socket")},
                                {"mode", "non-blocking"},
                                {"max-buffer-size", "1k"},
                                {"cache-path", folder_ + "/kept"},
                                {"cache-max-size", "1m"}});
  constexpr int kLines = 3000;
  for (int i = 0; i < kLines; ++i) driver->write(line_of("text"));
  driver->flush();
  EXPECT_THAT(receive(), HasSubstr("text"));
  // Also what the server was too slow for.
  EXPECT_GT(driver->dropped(), 0U);
  std::string kept = read_file(folder_ + "/kept").value_or("");
  EXPECT_EQ(std::ranges::count(kept, '\n'), kLines);
  EXPECT_THAT(kept, StartsWith(R"({"log":"text\n","stream":"stderr")"));
  EXPECT_EQ(check_driver({"syslog", {{"cache-path", "relative"}}}).error().code(),
            Code::kInvalidArgument);
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
  auto listener = testing::listen_loopback();
  auto driver = make("syslog", {{"syslog-address", cat("tcp://localhost:", listener.port)}});
  driver->write(line_of("first"));
  driver->flush();
  Fd connection = listener.accept();
  driver->write(line_of("second"));
  driver->flush();
  driver.reset();
  std::string text = read_all(connection).value_or("");
  EXPECT_THAT(text, MatchesRegex("<27>.*: first\n<27>.*: second\n"));
}

// A program that says `words` in the place of dhow-tls, and then writes "ready" and what it gets
// into the FIFO "taken".
std::string stand_in(const std::string& folder, std::string_view words) {
  std::string path = folder + "/tls";
  std::ofstream(path) << "#!/bin/sh\necho \"$@\" >" << folder << "/arguments\n"
                      << "echo " << words << " >&0\nexec >" << folder
                      << "/taken\necho ready\nexec cat\n";
  std::filesystem::permissions(path, std::filesystem::perms::all);
  return path;
}

Fd make_fifo(const std::string& path) {
  EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
  // Open for writing as well: it has no end.
  return open_at(kCwd, path, O_RDWR).value();
}

std::string read_until(const Fd& from, std::string_view end) {
  std::string text;
  char c = 0;
  while (!text.ends_with(end) && ::read(from.get(), &c, 1) == 1) text += c;
  return text;
}

TEST_F(SocketDriversTest, SyslogOverTls) {
  Fd taken = make_fifo(folder_ + "/taken");
  auto driver = make("syslog", {{"syslog-address", "tcp+tls://log.example:6514"},
                                {"syslog-format", "rfc5424"},
                                {"syslog-tls-ca-cert", "/ca.pem"},
                                {"tag", "box"},
                                {"tls-program", stand_in(folder_, "")}});
  driver->write(line_of("first"));
  driver->flush();
  EXPECT_EQ(read_until(taken, "ready\n"), "ready\n");
  EXPECT_THAT(read_until(taken, "first"),
              MatchesRegex("[0-9]+ <27>1 2023-11-14T22:13:20Z .* box - first"));
  EXPECT_EQ(read_file(folder_ + "/arguments").value_or(""),
            "--verify --ca /ca.pem -- log.example 6514\n");
  // What is given last is not lost with the one who gives it.
  driver->write(line_of("second"));
  driver->flush();
  EXPECT_EQ(driver->dropped(), 0U);
  driver.reset();
  EXPECT_THAT(read_until(taken, "second"), HasSubstr(" - second"));
}

TEST_F(SocketDriversTest, WithoutTlsLinesAreDroppedAndCounted) {
  Fd taken = make_fifo(folder_ + "/taken");
  auto over_tls = [&](const std::string& program) {
    return make("syslog", {{"syslog-address", "tcp+tls://log.example"},
                           {"syslog-tls-skip-verify", "true"},
                           {"tls-program", program}});
  };
  auto driver = over_tls(stand_in(folder_, "no certificate"));
  driver->write(line_of("lost"));
  driver->flush();
  read_until(taken, "ready\n");
  driver->write(line_of("lost"));
  driver->flush();
  EXPECT_EQ(driver->dropped(), 2U);
  EXPECT_FALSE(driver->is_full());
  EXPECT_EQ(read_file(folder_ + "/arguments").value_or(""), "-- log.example 514\n");
  // What can't be run says nothing: it is heard of by its end.
  driver = over_tls(folder_ + "/none");
  std::uint64_t written = 0;
  while (driver->dropped() == 0 && written < 1'000'000) {
    driver->write(line_of("lost"));
    driver->flush();
    ++written;
  }
  EXPECT_EQ(driver->dropped(), written);
  EXPECT_FALSE(driver->is_full());
}

TEST_F(SocketDriversTest, AStreamThatTheServerHasClosedIsMadeAgain) {
  auto listener = testing::listen_loopback();
  auto driver = make("syslog", {{"syslog-address", cat("tcp://127.0.0.1:", listener.port)}});
  for (const char* text : {"first", "second"}) {
    driver->write(line_of(text));
    driver->flush();
    Fd connection = listener.accept();
    char buffer[256] = {};
    ASSERT_GT(::read(connection.get(), buffer, sizeof buffer - 1), 0);
    EXPECT_THAT(buffer, HasSubstr(text));
  }
  EXPECT_EQ(driver->dropped(), 0U);
}

TEST(SyslogAddress, IsChecked) {
  EXPECT_EQ(parse_syslog_address("udp://[::1]:99")->host, "::1");
  EXPECT_EQ(parse_syslog_address("udp://127.0.0.1")->port, "514");
  EXPECT_EQ(parse_syslog_address("tcp+tls://localhost:1")->host, "localhost");
  EXPECT_EQ(parse_syslog_address("http://x").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(parse_syslog_address("unix://relative").error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace dhow::logging
