// SPDX-License-Identifier: Apache-2.0
// What passes between a container and its caller: descriptors, signals, readiness, pids.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/bundle.h"
#include "e2e/support/peer.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Io, ListenDescriptorsComeFirstAndAreAnnounced) {
  Bundle bundle;
  bundle.set_script("env; testbox fds");
  Container container(bundle);
  TempDir folder;
  write_text(folder.path() + "/listen", "");
  write_text(folder.path() + "/more", "");
  TestFd listen(::open((folder.path() + "/listen").c_str(), O_RDONLY | O_CLOEXEC));
  TestFd more(::open((folder.path() + "/more").c_str(), O_RDONLY | O_CLOEXEC));
  CommandOptions options;
  options.environment = {{"LISTEN_FDS", "1"}, {"LISTEN_PID", "12345"}};
  options.descriptors = {{listen.get(), 3}, {more.get(), 4}, {1, 5}};
  Outcome outcome = container.run({"--preserve-fds", "1"}, options);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("LISTEN_FDS=1\n"));
  EXPECT_THAT(outcome.out, HasSubstr("LISTEN_PID=1\n"));
  EXPECT_THAT(outcome.out, testing::ContainsRegex("\n3 [^\n]*listen\n"));
  EXPECT_THAT(outcome.out, testing::ContainsRegex("\n4 [^\n]*more\n"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\n5 ")));
}

TEST(Io, MissingDescriptorToPreserveIsAnError) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  Outcome outcome = container.run({"--preserve-fds", "30"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("please check that preserved-fd"));
  container.start_detached();
  outcome = container.exec({"/bin/true"}, {"--preserve-fds", "30"});
  EXPECT_EQ(outcome.code, 255);
  EXPECT_THAT(outcome.err, HasSubstr("please check that preserved-fd"));
}

TEST(Io, PidFileIsWrittenAtOnceAndPlain) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  TempDir folder;
  std::string file = folder.path() + "/pid";
  write_text(file, "old content that is longer than a pid\n");
  struct stat before{};
  ASSERT_EQ(::stat(file.c_str(), &before), 0);
  CommandOptions here;
  here.working_dir = folder.path();
  ASSERT_EQ(container.create({"--pid-file", "pid"}, here).code, 0);  // relative to the caller
  EXPECT_EQ(read_text(file), std::to_string(container.pid()));
  struct stat after{};
  ASSERT_EQ(::stat(file.c_str(), &after), 0);
  EXPECT_NE(before.st_ino, after.st_ino) << "it was written in place";
  ASSERT_EQ(container.start().code, 0);
  int exec_pid = container.exec_detached({"/bin/sleep", "1000"});
  EXPECT_THAT(read_text("/proc/" + std::to_string(exec_pid) + "/cmdline"), HasSubstr("1000"));
  Outcome outcome = container.exec({"/bin/true"}, {"--pid-file", "/no/such/pid"});
  EXPECT_EQ(outcome.code, 255);
}

TEST(Io, ForegroundRunPassesSignalsOn) {
  Bundle bundle({"/bin/testbox", "signal"});
  bundle.write();
  for (int number : {SIGTERM, SIGUSR1, SIGHUP, SIGRTMIN + 3}) {
    Container container(bundle);
    Background run(container.command_line("run", {"--bundle", bundle.path()}));
    run.wait_for_output("ready");
    run.signal(number);
    run.wait_for_output("signal " + std::to_string(number) + "\n");
    EXPECT_EQ(run.wait().code, 0);
  }
  Bundle other({"/bin/testbox", "wait"});
  Container container(other);
  container.start_detached();
  Background exec(container.command_line("exec", {}, {"/bin/testbox", "signal"}));
  exec.wait_for_output("ready");
  exec.signal(SIGINT);
  exec.wait_for_output("signal 2\n");
  EXPECT_EQ(exec.wait().code, 0);
}

TEST(Io, DetachedRunReturnsAtOnceAndKeepsTheContainer) {
  Bundle bundle({"/bin/testbox", "wait"});
  Container container(bundle);
  Outcome outcome = container.run({"--detach"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(container.status(), "running");
}

TEST(Io, KeepLeavesAStoppedContainer) {
  Bundle bundle({"/bin/testbox", "exit", "6"});
  Container container(bundle);
  EXPECT_EQ(container.run({"--keep"}).code, 6);
  EXPECT_EQ(container.status(), "stopped");
  EXPECT_EQ(container.remove(false).code, 0);
  EXPECT_EQ(container.run().code, 6);
  EXPECT_EQ(container.state(), nullptr);
}

std::string parent_of(const std::string& pid) {
  std::string status = read_text("/proc/" + pid + "/status");
  std::size_t at = status.find("PPid:\t");
  return at == std::string::npos ? "" : status.substr(at + 6, status.find('\n', at) - at - 6);
}

// Whom orphans of a container without a pid namespace go to.
TEST(Io, RunAdoptsOrphansUnlessToldNotTo) {
  Bundle bundle;
  bundle.remove_namespace("pid");
  bundle.remove_mount("/proc");
  bundle.set_script("(sleep 1000 & echo $! > /tmp/pid); echo orphaned; exec sleep 1000");
  bundle.write();
  for (bool adopts : {true, false}) {
    Container container(bundle);
    std::vector<std::string> flags{"--bundle", bundle.path()};
    if (!adopts) flags.emplace_back("-no-subreaper");  // as go-runc writes it
    Background run(container.command_line("run", flags));
    run.wait_for_output("orphaned");
    std::string orphan = read_text(bundle.rootfs() + "/tmp/pid");
    orphan = orphan.substr(0, orphan.find('\n'));
    std::string parent = std::to_string(adopts ? run.pid() : ::getpid());
    EXPECT_TRUE(eventually([&] { return parent_of(orphan) == parent; })) << parent_of(orphan);
    run.signal(SIGKILL);
    run.wait();
    EXPECT_EQ(container.remove().code, 0);
    std::ignore = ::waitpid(std::stoi(orphan), nullptr, 0);
  }
}

TEST(Io, ReadinessIsForwardedWithThePid) {
  Bundle bundle({"/bin/testbox", "notify", "STATUS=booting", "READY=1"});
  bundle.write();
  Container container(bundle);
  Peer systemd(Peer::Kind::kDatagram);
  CommandOptions options;
  options.environment = {{"NOTIFY_SOCKET", systemd.path()}};
  Background run(container.command_line("run", {"--bundle", bundle.path(), "--detach"}), options);
  Received ready = systemd.receive();
  int pid = container.pid();
  EXPECT_EQ(ready.payload, "READY=1\nMAINPID=" + std::to_string(pid));
  {
    Received barrier = systemd.receive();
    EXPECT_EQ(barrier.payload, "BARRIER=1");
    EXPECT_EQ(barrier.fds.size(), 1U);
  }  // closed: everything before it was seen
  EXPECT_EQ(run.wait().code, 0);
  EXPECT_EQ(container.exec({"/bin/sh", "-c", "echo $NOTIFY_SOCKET; ls /run/notify"}).out,
            "\nnotify.sock\n");
}

TEST(Io, ContainerThatEndsBeforeItIsReadyEndsTheWait) {
  Bundle bundle({"/bin/testbox", "exit", "4"});
  Container container(bundle);
  Peer systemd(Peer::Kind::kDatagram);
  CommandOptions options;
  options.environment = {{"NOTIFY_SOCKET", systemd.path()}};
  EXPECT_EQ(container.run({}, options).code, 4);
}

TEST(Io, ClosedStandardStreamsAreNoTrouble) {
  Bundle bundle({"/bin/testbox", "exit", "3"});
  bundle.write();
  Container container(bundle);
  std::vector<std::string> line{"/bin/sh", "-c", "exec \"$@\" <&- >&- 2>&-", "sh"};
  for (std::string& part : container.command_line("run", {"--bundle", bundle.path()})) {
    line.push_back(part);
  }
  EXPECT_EQ(run_command(line).code, 3);
}

}  // namespace
}  // namespace dhow::e2e
