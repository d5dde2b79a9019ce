// SPDX-License-Identifier: Apache-2.0
// checkpoint and restore of what reaches out of a container: streams, terminals, connections,
// namespaces of others, hooks.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/checkpoint.h"
#include "sys/unix_socket.h"

namespace dhow::e2e {
namespace {

using testing::HasSubstr;

TEST_F(Checkpoint, PipesAreTheNewCallersAndSoIsTheExitCode) {
  NEEDS_CRIU();
  bundle_.write();
  Container container(bundle_);
  Background first(container.command_line("run", {"--bundle", bundle_.path()}));
  first.wait_for_output("ready\n");
  ASSERT_EQ(container.call("kill", {}, {"USR1"}).code, 0);
  first.wait_for_output("count 1\n");
  Outcome saved = save(container);
  ASSERT_EQ(saved.code, 0) << saved.err;
  EXPECT_EQ(first.wait().code, 128 + SIGKILL);

  Background second(
      container.command_line("restore", {"--bundle", bundle_.path(), "--image-path", image()}));
  ASSERT_TRUE(container.wait_for_status("running"));
  ASSERT_EQ(container.call("kill", {}, {"USR1"}).code, 0);
  second.wait_for_output("count 2\n");
  ASSERT_EQ(container.call("kill", {}, {"TERM"}).code, 0);
  Outcome ended = second.wait();
  EXPECT_EQ(ended.code, 7) << ended.err;
  EXPECT_EQ(container.state(), nullptr) << "it is still there";
}

// What a console socket receives.
class Console {
 public:
  Console()
      : listener_(*listen_unix(*open_at(kCwd, folder_.path(), O_PATH), "s", SOCK_STREAM, 0600)) {}

  std::string path() const { return folder_.path() + "/s"; }
  void accept_master() {
    Fd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(peer);
    auto message = receive_message(peer, 4096);
    ASSERT_TRUE(message && message->fds.size() == 1);
    master_ = std::move(message->fds[0]);
    text_.clear();
  }
  void wait_for(std::string_view wanted) {
    while (text_.find(wanted) == std::string::npos) {
      struct pollfd entry{master_.get(), POLLIN, 0};
      ASSERT_GT(::poll(&entry, 1, patience_ms(20'000)), 0)
          << "no \"" << wanted << "\" in: " << text_;
      char buffer[256];
      ssize_t got = ::read(master_.get(), buffer, sizeof buffer);
      ASSERT_GT(got, 0) << "no \"" << wanted << "\" in: " << text_;
      text_.append(buffer, static_cast<std::size_t>(got));
    }
  }
  void type(std::string_view text) {
    EXPECT_EQ(::write(master_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

 private:
  TempDir folder_;
  Fd listener_;
  Fd master_;
  std::string text_;
};

TEST_F(Checkpoint, TerminalsGoToTheConsoleSocket) {
  NEEDS_CRIU();
  bundle_.process()["terminal"] = true;
  bundle_.set_args(
      {"/bin/sh", "-c", "n=0; while read -r word; do n=$((n+1)); echo $word-$n; done"});
  Container container(bundle_);
  Console console;
  Outcome created = container.create({"--console-socket", console.path()});
  ASSERT_EQ(created.code, 0) << created.err;
  console.accept_master();
  ASSERT_EQ(container.start().code, 0);
  console.type("one\n");
  console.wait_for("one-1");
  Outcome saved = save(container);
  ASSERT_EQ(saved.code, 0) << saved.err;
  Outcome refused = bring_back(container);
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("without setting console socket"));
  Outcome restored = bring_back(container, {"--console-socket", console.path()});
  ASSERT_EQ(restored.code, 0) << restored.err;
  console.accept_master();
  console.type("two\n");
  console.wait_for("two-2");
}

TEST_F(Checkpoint, EstablishedConnections) {
  NEEDS_CRIU();
  bundle_.set_args({"/bin/testbox", "counter", "tcp"});
  Container container(bundle_);
  start_counting(container, 1);
  Outcome refused = save(container);
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("TCP"));
  expect_count(container, output(), 2);
  Outcome saved = save(container, {"--tcp-established"});
  ASSERT_EQ(saved.code, 0) << saved.err;
  Outcome restored = bring_back(container, {"--tcp-established"});
  ASSERT_EQ(restored.code, 0) << restored.err;
  expect_count(container, restored_output(), 3);
}

std::string namespace_of(int pid, std::string_view type) {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/ns/" + std::string(type),
                                       error)
      .string();
}

TEST_F(Checkpoint, NamespacesOfOthersAreJoinedAgain) {
  NEEDS_CRIU();
  Background owner({"unshare", "--net", "--ipc", "/bin/sh", "-c", "echo up; exec sleep 1000"});
  owner.wait_for_output("up");
  std::string folder = "/proc/" + std::to_string(owner.pid()) + "/ns/";
  bundle_.add_namespace("network", folder + "net");
  bundle_.add_namespace("ipc", folder + "ipc");
  Container container(bundle_);
  start_counting(container, 1);
  Outcome saved = save(container);
  ASSERT_EQ(saved.code, 0) << saved.err;
  Outcome restored = bring_back(container);
  ASSERT_EQ(restored.code, 0) << restored.err;
  expect_count(container, restored_output(), 2);
  EXPECT_EQ(namespace_of(container.pid(), "net"), namespace_of(owner.pid(), "net"));
  EXPECT_EQ(namespace_of(container.pid(), "ipc"), namespace_of(owner.pid(), "ipc"));
}

TEST_F(Checkpoint, HooksRunAtARestoreAndCanForbidIt) {
  NEEDS_CRIU();
  std::string heard = folder_.path() + "/heard";
  bundle_.add_hook("createRuntime", {"/bin/sh", "-c", "cat >" + heard});
  bundle_.add_hook("poststop", {"/bin/sh", "-c", "echo gone >>" + heard});
  Container container(bundle_);
  start_counting(container, 1);
  Outcome saved = save(container);
  ASSERT_EQ(saved.code, 0) << saved.err;
  EXPECT_THAT(read_text(heard), HasSubstr("gone"));
  Outcome restored = bring_back(container);
  ASSERT_EQ(restored.code, 0) << restored.err;
  json::value state = json::parse(read_text(heard));
  EXPECT_EQ(state.at("status").as_string(), "creating");
  EXPECT_EQ(state.at("pid").as_int64(), container.pid());
  expect_count(container, restored_output(), 2);

  bundle_.add_hook("createRuntime", {"/bin/sh", "-c", "echo not today >&2; exit 1"});
  bundle_.write();
  Container forbidden(bundle_);
  Outcome refused = bring_back(forbidden);
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("error running createRuntime hook #1"));
  EXPECT_THAT(refused.err, HasSubstr("not today"));
  EXPECT_EQ(forbidden.state(), nullptr);
  EXPECT_TRUE(cgroup_folders_with(forbidden.id()).empty());
}

TEST_F(Checkpoint, FailedRestoreLeavesNothing) {
  NEEDS_CRIU();
  Container container(bundle_);
  bundle_.set_args({"/bin/testbox", "counter", container.id()});
  start_counting(container, 1);
  Outcome saved = save(container);
  ASSERT_EQ(saved.code, 0) << saved.err;
  std::filesystem::resize_file(image() + "/mm-1.img", 20);
  Outcome restored = bring_back(container, {"--pid-file", folder_.path() + "/pid"});
  EXPECT_EQ(restored.code, 1);
  EXPECT_THAT(restored.err, HasSubstr("criu restore failed: "));
  EXPECT_THAT(restored.err, HasSubstr("log file: " + image() + "/restore.log"));
  EXPECT_EQ(container.state(), nullptr);
  EXPECT_TRUE(cgroup_folders_with(container.id()).empty());
  EXPECT_FALSE(exists(folder_.path() + "/pid"));
  EXPECT_TRUE(mounts_with(bundle_.path()).empty());
  EXPECT_EQ(processes_with("counter " + container.id()), 0);
}

// Where a program says that it is ready: a byte in its descriptor 7.
class Readiness {
 public:
  Readiness() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    read_ = Fd(ends[0]);
    write_ = Fd(ends[1]);
  }
  CommandOptions options() const {
    CommandOptions options;
    options.descriptors = {{write_.get(), 7}};
    return options;
  }
  // False when it ends without a word.
  bool wait() {
    write_.reset();
    char byte;
    return ::read(read_.get(), &byte, 1) == 1;
  }

 private:
  Fd read_;
  Fd write_;
};

// The pages go to another machine's folder, the rest stays here; here both are one.
TEST_F(Checkpoint, MemoryGoesToAPageServer) {
  NEEDS_CRIU();
  Container container(bundle_);
  start_counting(container, 2);
  std::filesystem::create_directory(image());
  Readiness listening;
  Background server({"criu", "page-server", "--images-dir", image(), "--address", "127.0.0.1",
                     "--port", "27917", "--status-fd", "7"},
                    listening.options());
  ASSERT_TRUE(listening.wait()) << server.wait().err;
  Outcome saved = save(container, {"--page-server", "127.0.0.1:27917"});
  ASSERT_EQ(saved.code, 0) << saved.err;
  EXPECT_EQ(server.wait().code, 0);
  Outcome restored = bring_back(container);
  ASSERT_EQ(restored.code, 0) << restored.err;
  expect_count(container, restored_output(), 3);
}

// The dump keeps the memory and serves it; the restored container runs before it has it all.
TEST_F(Checkpoint, MemoryFollowsLazily) {
  NEEDS_CRIU();
  Container container(bundle_);
  start_counting(container, 2);
  Readiness dumped, connected;
  Background source(container.command_line(
                        "checkpoint", {"--image-path", image(), "--lazy-pages", "--page-server",
                                       "127.0.0.1:27918", "--status-fd", "7"}),
                    dumped.options());
  ASSERT_TRUE(dumped.wait()) << source.wait().err;
  std::string work = folder_.path() + "/logs";
  std::filesystem::create_directory(work);
  Background pages({"criu", "lazy-pages", "--page-server", "--address", "127.0.0.1", "--port",
                    "27918", "--images-dir", image(), "--work-dir", work, "--status-fd", "7"},
                   connected.options());
  ASSERT_TRUE(connected.wait()) << pages.wait().err;
  Container target(bundle_);
  Outcome restored = bring_back(target, {"--lazy-pages", "--work-path", work});
  ASSERT_EQ(restored.code, 0) << restored.err;
  expect_count(target, restored_output(), 3);
  Outcome saved = source.wait();
  EXPECT_EQ(saved.code, 0) << saved.err;
  EXPECT_EQ(pages.wait().code, 0);
  EXPECT_EQ(container.state(), nullptr);
}

// The socket that a container with NOTIFY_SOCKET has is in its state folder, which is new.
TEST_F(Checkpoint, NotifySocketsComeBack) {
  NEEDS_CRIU();
  Container container(bundle_);
  CommandOptions service;
  service.environment = {{"NOTIFY_SOCKET", "/run/none"}};
  Outcome created = container.create({}, service);
  ASSERT_EQ(created.code, 0) << created.err;
  ASSERT_EQ(container.start().code, 0);
  ASSERT_TRUE(eventually([&] { return read_text(output()).starts_with("ready\n"); }));
  Outcome saved = save(container);
  ASSERT_EQ(saved.code, 0) << saved.err;
  Outcome restored = bring_back(container);
  ASSERT_EQ(restored.code, 0) << restored.err;
  expect_count(container, restored_output(), 1);
}

TEST_F(Checkpoint, ScopesOfSystemd) {
  NEEDS_CRIU();
  DHOW_NEEDS(has_systemd(), "no systemd here");
  bundle_.resources()["pids"] = json::object{{"limit", 55}};
  Container container(bundle_);
  container.set_global({"--systemd-cgroup"});
  start_counting(container, 1);
  Outcome saved = save(container);
  ASSERT_EQ(saved.code, 0) << saved.err;
  EXPECT_TRUE(cgroup_folders_with(container.id()).empty());
  Outcome restored = bring_back(container);
  ASSERT_EQ(restored.code, 0) << restored.err;
  expect_count(container, restored_output(), 2);
  auto folders = cgroup_folders_with(container.id());
  ASSERT_EQ(folders.size(), 1U);
  EXPECT_THAT(folders[0], testing::EndsWith(".scope"));
  EXPECT_EQ(read_text(folders[0] + "/pids.max"), "55\n");
  EXPECT_EQ(read_text(folders[0] + "/cgroup.procs"), std::to_string(container.pid()) + "\n");
}

}  // namespace
}  // namespace dhow::e2e
