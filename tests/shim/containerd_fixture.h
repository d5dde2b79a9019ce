// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "engine/testing/stock_daemon.h"
#include "shim/child.h"
#include "sys/spawn.h"

namespace dhow::shim_test {

// A stock containerd for the whole suite, in folders of its own, which finds our shim in its $PATH
// under its own name and, since ctr gives the options of runc to no other, as that of runc too.
class ContainerdTest : public ::testing::Test {
 protected:
  static constexpr const char* kRuntime = "io.containerd.dhow.v1";
  static constexpr const char* kAsRunc = "io.containerd.runc.v2";
  static constexpr const char* kImage = "docker.io/library/busybox:latest";
  using Words = std::vector<std::string>;

  static void SetUpTestSuite();
  static void TearDownTestSuite();
  void SetUp() override;
  // Removes what a failed test has left.
  void TearDown() override;

  static Status start_containerd();
  static Words ctr_words(Words words);
  static SpawnOutput ctr(Words words);
  // Output of one that must succeed, without blanks at its end.
  static std::string ctr_output(Words words);
  static Result<Child> ctr_child(Words words, bool terminal = false);
  // The words of `ctr run` of our shim and the image.
  static Words run_words(Words flags, const std::string& id, Words command,
                         const std::string& runtime = kRuntime);
  // A container in the background.
  static void run_detached(const std::string& id, Words command, Words flags = {},
                           const std::string& runtime = kRuntime);
  // Waits for the end of a task, and deletes it: its exit code.
  static int await_task(const std::string& id);
  // The same for one whose output goes to a log, to which ctr can't attach.
  static int await_logged_task(const std::string& id);
  static void remove(const std::string& id);
  // "RUNNING" and the like; empty without a task.
  static std::string status_of(const std::string& id);
  static pid_t pid_of(const std::string& id);
  // `ctr events`, from now on.
  static void watch_events(std::unique_ptr<Child>& events);

  static pid_t parent_of(pid_t pid);
  static bool lives(pid_t pid);
  // Sockets of shims.
  static Words sockets();
  // What a container may leave in the file system: its bundle, the runtime's state and its cgroups.
  static Words traces_of(const std::string& id);

  static std::string folder_;
  static std::unique_ptr<engine::StockDaemon> containerd_;
};

}  // namespace dhow::shim_test
