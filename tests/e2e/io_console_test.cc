// SPDX-License-Identifier: Apache-2.0
// Terminals: console sockets, the foreground terminal, sizes; and the socket for pidfds.
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/bundle.h"
#include "e2e/support/peer.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;

// The pty master that came; one connection, one message: a name, one descriptor.
TestFd master_from(Peer& peer) {
  Received received = peer.receive();
  EXPECT_FALSE(received.payload.empty());
  EXPECT_LT(received.payload.size(), 4096U);
  EXPECT_EQ(received.fds.size(), 1U);
  if (received.fds.empty()) return TestFd();
  EXPECT_EQ(::isatty(received.fds[0].get()), 1);
  return std::move(received.fds[0]);
}

TEST(Console, CreateSendsTheMasterToTheSocket) {
  Bundle bundle;
  bundle.process()["terminal"] = true;
  bundle.process()["consoleSize"] = json::object{{"height", 31}, {"width", 101}};
  bundle.set_script("tty; busybox stty size; ls -l /dev/console; read line; echo got $line");
  Container container(bundle);
  Peer peer;
  Outcome created = container.create({"--console-socket", peer.path()});
  ASSERT_EQ(created.code, 0) << created.err;
  TestFd master = master_from(peer);
  ASSERT_EQ(container.start().code, 0);
  std::string seen = read_until(master.get(), "/dev/console\r\n");
  EXPECT_THAT(seen, HasSubstr("31 101"));
  ASSERT_EQ(::write(master.get(), "words\n", 6), 6);
  read_until(master.get(), "got words");
  EXPECT_TRUE(container.wait_for_status("stopped"));
}

TEST(Console, DetachedRunSendsTheMasterToo) {
  Bundle bundle;
  bundle.process()["terminal"] = true;
  bundle.set_script("echo hello from $(tty)");
  bundle.write();
  Container container(bundle);
  Peer peer;
  Outcome outcome = container.run({"--detach", "--console-socket", peer.path()});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  TestFd master = master_from(peer);
  read_until(master.get(), "hello from /dev/");
}

TEST(Console, ExecSendsTheMasterOfItsOwnTerminal) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  container.start_detached();
  Peer peer;
  ASSERT_GT(container.exec_detached({"/bin/sh", "-c", "tty; echo done; sleep 1000"},
                                    {"--tty", "--console-socket", peer.path()}),
            0);
  TestFd master = master_from(peer);
  EXPECT_THAT(read_until(master.get(), "done"), HasSubstr("/dev/pts/"));
}

// The caller's terminal is put into raw mode, its size and changes of it are passed on.
TEST(Console, ForegroundProxiesTheCallersTerminal) {
  Bundle bundle({"/bin/testbox", "resize"});
  bundle.process()["terminal"] = true;
  bundle.write();
  Container container(bundle);
  Terminal terminal;
  terminal.resize(20, 70);
  CommandOptions options;
  options.descriptors = {
      {terminal.slave.get(), 0}, {terminal.slave.get(), 1}, {terminal.slave.get(), 2}};
  Background run(container.command_line("run", {"--bundle", bundle.path()}), options);
  read_until(terminal.master.get(), "ready");
  struct termios raw{};
  ASSERT_EQ(::tcgetattr(terminal.slave.get(), &raw), 0);
  EXPECT_EQ(raw.c_lflag & (ICANON | ECHO), 0U);
  terminal.resize(44, 133);
  run.signal(SIGWINCH);
  read_until(terminal.master.get(), "size 44x133");
  EXPECT_EQ(run.wait().code, 0);
  struct termios after{};
  ASSERT_EQ(::tcgetattr(terminal.slave.get(), &after), 0);
  EXPECT_NE(after.c_lflag & ICANON, 0U) << "the mode of before is back";
}

TEST(Console, ForegroundExecWithATerminal) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  container.start_detached();
  Terminal terminal;
  terminal.resize(25, 90);
  CommandOptions options;
  options.descriptors = {
      {terminal.slave.get(), 0}, {terminal.slave.get(), 1}, {terminal.slave.get(), 2}};
  Background exec(
      container.command_line("exec", {"-t"}, {"/bin/sh", "-c", "busybox stty size; exit 5"}),
      options);
  read_until(terminal.master.get(), "25 90");
  EXPECT_EQ(exec.wait().code, 5);
}

TEST(Console, WrongCombinationsAreErrorsThatNameTheProgram) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  Outcome outcome = container.run({"--console-socket", "/no/such"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("cannot use console socket if dhow-runtime will not detach "
                                     "or allocate tty"));
  container.start_detached();
  outcome = container.exec({"/bin/true"}, {"--tty", "--detach"});
  EXPECT_EQ(outcome.code, 255);
  EXPECT_THAT(outcome.err, HasSubstr("cannot allocate tty if dhow-runtime will detach without "
                                     "setting console socket"));
  Bundle other;
  other.process()["terminal"] = true;
  Container without(other);
  outcome = without.create();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("cannot allocate tty"));
  outcome = without.create({"--console-socket", "/no/such"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("console socket"));
  EXPECT_FALSE(exists(without.state_dir()));
}

int signal_through(const TestFd& pidfd, int number) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, pidfd.get(), number, nullptr, 0));
}

TEST(Pidfd, OfCreateIsTheContainersProcess) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  Peer peer;
  ASSERT_EQ(container.create({"--pidfd-socket", peer.path()}).code, 0);
  Received received = peer.receive();
  ASSERT_EQ(received.fds.size(), 1U);
  ASSERT_EQ(container.start().code, 0);
  EXPECT_EQ(signal_through(received.fds[0], SIGKILL), 0);
  EXPECT_TRUE(container.wait_for_status("stopped"));
}

TEST(Pidfd, OfExecIsThatProcess) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  container.start_detached();
  Peer peer;
  Background exec(
      container.command_line("exec", {"--pidfd-socket", peer.path()}, {"/bin/testbox", "wait"}));
  Received received = peer.receive();
  ASSERT_EQ(received.fds.size(), 1U);
  exec.wait_for_output("waiting");
  EXPECT_EQ(signal_through(received.fds[0], SIGKILL), 0);
  EXPECT_EQ(exec.wait().code, 128 + SIGKILL);
  EXPECT_EQ(container.status(), "running");
}

TEST(Pidfd, SocketThatIsNotThereIsAnError) {
  Bundle bundle;
  Container container(bundle);
  Outcome outcome = container.create({"--pidfd-socket", "/no/such"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("pidfd socket"));
  EXPECT_FALSE(exists(container.state_dir()));
}

}  // namespace
}  // namespace dhow::e2e
