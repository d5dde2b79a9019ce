// SPDX-License-Identifier: Apache-2.0
#include "sys/unix_socket.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/process.h"
#include "sys/testing/forked.h"
#include "sys/testing/temp_dir.h"

namespace dhow {
namespace {

using dhow::testing::in_child;
using dhow::testing::message_of;
using ::testing::HasSubstr;

TEST(MessageTest, CarriesDescriptors) {
  for (int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
    SocketPair pair = *make_socket_pair(type);
    Fd file = *open_at(kCwd, "/dev/null", O_RDWR);
    ASSERT_TRUE(send_message(pair.first, "hello", {file, FdRef(0), file}));
    auto message = receive_message(pair.second, 100);
    ASSERT_TRUE(message) << message.error().message();
    EXPECT_EQ(message->payload, "hello");
    EXPECT_FALSE(message->end);
    ASSERT_EQ(message->fds.size(), 3U);
    struct stat sent{};
    struct stat received{};
    fstat(file.get(), &sent);
    fstat(message->fds[2].get(), &received);
    EXPECT_EQ(sent.st_ino, received.st_ino);
    EXPECT_EQ(fcntl(message->fds[0].get(), F_GETFD), FD_CLOEXEC);
  }
}

TEST(MessageTest, EndIsNoMessage) {
  for (int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
    SocketPair pair = *make_socket_pair(type);
    pair.first.reset();
    auto message = receive_message(pair.second, 10);
    ASSERT_TRUE(message);
    EXPECT_TRUE(message->end);
    // The other way nobody gets it, and no signal comes.
    EXPECT_EQ(message_of(send_message(pair.second, "x")), "send message: broken pipe");
  }
}

TEST(MessageTest, CutPacketsAreErrors) {
  SocketPair pair = *make_socket_pair(SOCK_SEQPACKET);
  ASSERT_TRUE(send_message(pair.first, "123456"));
  auto cut = receive_message(pair.second, 5);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code(), Code::kOutOfRange);
  ASSERT_TRUE(send_message(pair.first, "12345"));
  EXPECT_EQ(receive_message(pair.second, 5)->payload, "12345");
  EXPECT_FALSE(receive_message(pair.second, 0));
}

TEST(MessageTest, CutPacketsLeakNoDescriptors) {
  SocketPair pair = *make_socket_pair(SOCK_SEQPACKET);
  int next = fcntl(0, F_DUPFD, 3);
  close(next);
  ASSERT_TRUE(send_message(pair.first, "123456", {FdRef(0)}));
  EXPECT_FALSE(receive_message(pair.second, 1));
  int after = fcntl(0, F_DUPFD, 3);
  close(after);
  EXPECT_EQ(after, next);
}

TEST(MessageTest, DescriptorsNeedAPayloadAndHaveALimit) {
  SocketPair pair = *make_socket_pair(SOCK_STREAM);
  EXPECT_FALSE(send_message(pair.first, "", {FdRef(0)}));
  EXPECT_FALSE(send_message(pair.first, "x", std::vector<FdRef>(65, FdRef(0))));
  ASSERT_TRUE(send_message(pair.first, "x", std::vector<FdRef>(64, FdRef(0))));
  EXPECT_EQ(receive_message(pair.second, 10)->fds.size(), 64U);
}

TEST(MessageTest, BadDescriptorIsAnError) {
  SocketPair pair = *make_socket_pair(SOCK_STREAM);
  EXPECT_EQ(message_of(send_message(pair.first, "x", {FdRef(987654)})),
            "send message: bad file descriptor");
}

// More than a socket holds: the kernel takes it in parts when a signal comes between.
TEST(MessageTest, StreamsTakeEverything) {
  SocketPair pair = *make_socket_pair(SOCK_STREAM);
  std::string payload(4 << 20, 'x');
  struct sigaction action{};
  struct sigaction before{};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, &before);  // no SA_RESTART: calls are interrupted
  auto child = clone_process({});
  ASSERT_TRUE(child);
  if (child->pid == 0) {
    pair.second.reset();
    ::_exit(send_message(pair.first, payload, {FdRef(0)}) ? 0 : 1);
  }
  pair.first.reset();
  std::string received;
  std::size_t fds = 0;
  while (true) {
    auto message = receive_message(pair.second, 64 << 10);
    if (!message || message->end) break;
    received += message->payload;
    fds += message->fds.size();
    if (received.size() < payload.size() / 2) std::ignore = child->pidfd.send_signal(SIGUSR1);
  }
  auto status = wait_for(child->pid);
  ASSERT_TRUE(status);
  sigaction(SIGUSR1, &before, nullptr);
  EXPECT_EQ(exit_code_from_wait_status(*status), 0);
  EXPECT_EQ(received.size(), payload.size());
  EXPECT_EQ(fds, 1U);
}

class UnixSocketTest : public dhow::testing::TempDirTest {};

TEST_F(UnixSocketTest, ListensAndConnectsAtLongPaths) {
  std::string deep = std::string(100, 'd') + "/" + std::string(100, 'e');
  ASSERT_TRUE(make_dirs(at(deep), 0755));
  Fd folder = *open_at(dir_, deep, O_PATH | O_DIRECTORY);
  auto listener = listen_unix(folder, "socket", SOCK_STREAM, 0600);
  ASSERT_TRUE(listener) << listener.error().message();
  struct stat info{};
  ASSERT_EQ(stat(at(deep + "/socket").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  auto client = connect_unix(dir_, deep + "/socket", SOCK_STREAM);
  ASSERT_TRUE(client) << client.error().message();
  Fd server(accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(send_message(*client, "hi"));
  EXPECT_EQ(receive_message(server, 10)->payload, "hi");
}

TEST_F(UnixSocketTest, ManyMayWaitToBeAccepted) {
  auto listener = listen_unix(dir_, "busy", SOCK_STREAM, 0600);
  ASSERT_TRUE(listener) << listener.error().message();
  std::vector<Fd> waiting;
  for (int i = 0; i < 100; ++i) {  // what the oldest kernels allow is 128
    auto one = connect_unix(dir_, "busy", SOCK_STREAM | SOCK_NONBLOCK);
    ASSERT_TRUE(one) << one.error().message();
    waiting.push_back(std::move(*one));
  }
}

TEST_F(UnixSocketTest, ListensInTheWorkingFolder) {
  EXPECT_EQ(in_child([&]() -> std::string {
              if (fchdir(open_at(kCwd, path_, O_RDONLY)->get()) != 0) return "fchdir failed";
              auto listener = listen_unix(kCwd, "here", SOCK_SEQPACKET, 0600);
              if (!listener) return listener.error().message();
              return message_of(connect_unix(kCwd, "here", SOCK_SEQPACKET));
            }),
            "");
}

TEST_F(UnixSocketTest, FailuresNameTheSocket) {
  EXPECT_EQ(message_of(connect_unix(dir_, "nope", SOCK_STREAM)),
            "open \"nope\": no such file or directory");
  put("file", "");
  EXPECT_EQ(message_of(connect_unix(dir_, "file", SOCK_STREAM)),
            "connect to \"file\": connection refused");
  EXPECT_EQ(message_of(listen_unix(dir_, "file", SOCK_STREAM, 0600)),
            "listen on \"file\": address already in use");
  EXPECT_THAT(message_of(listen_unix(dir_, "a/b", SOCK_STREAM, 0600)),
              HasSubstr("not a file name"));
  EXPECT_THAT(message_of(listen_unix(dir_, std::string(150, 'x'), SOCK_STREAM, 0600)),
              HasSubstr("file name too long"));
  EXPECT_THAT(message_of(listen_unix(dir_, "", SOCK_STREAM, 0600)), HasSubstr("not a file name"));
}

}  // namespace
}  // namespace dhow
