// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <vector>

#include "sys/fd.h"
#include "sys/spawn.h"

namespace dhow::daemon_test {

// A test with a dhowd of its own, in folders of its own, and docker's command line as its client.
class DaemonTest : public ::testing::Test {
 protected:
  void SetUp() override;
  // Removes all containers first: what they run must not outlive the test.
  void TearDown() override;

  // Blocks until it serves.
  void start_daemon(std::vector<std::string> more = {});
  // The status of its process.
  int stop_daemon(int signal);
  // Waits for its end; the status.
  int await_daemon();

  // Runs docker's command line to its end.
  SpawnOutput docker(std::vector<std::string> arguments, std::string_view input = {});
  // Another client of the same API, as an ordinary program of the host.
  SpawnOutput client(const std::string& path, std::vector<std::string> arguments,
                     std::string_view input = {});
  // The output of one that must succeed, without blanks at its end.
  std::string docker_output(std::vector<std::string> arguments, std::string_view input = {});
  // `docker run --network none` with these behind it.
  SpawnOutput run(std::vector<std::string> arguments, std::string_view input = {});
  // A container of busybox that runs until it is killed; with further flags. Its id.
  std::string start_sleeper(const std::string& name, std::vector<std::string> flags = {});
  // Adds lines to the daemon's configuration, and starts it again with them.
  void configure(std::string_view lines);
  // Has busybox, which comes with dhow, under its name.
  void load_busybox();

  // One HTTP exchange on a connection of its own: all that comes until the server closes.
  std::string http(const std::string& request);
  Fd connect();

  // Set before SetUp: dhowd belongs to nobody.
  bool is_rootless_ = false;
  // As well: what dhowd reads in /etc/subuid and /etc/subgid; "": what the host has there.
  std::string subordinate_ids_;
  // Set before SetUp, for one that belongs to nobody: /dev/net/tun is open to all, as distributions
  // have it.
  bool has_tun_ = true;
  // Set before SetUp: lines of the configuration, and where programs are looked for; "": as here.
  std::string settings_;
  std::string path_;
  // Set before SetUp: the network namespace that dhowd is in; none: the host's.
  Fd network_;
  std::filesystem::path folder_;
  std::string socket() const { return (folder_ / "state/docker.sock").string(); }
  pid_t pid_ = 0;

 private:
  // A file that the owner of dhowd can read: where the build is may be closed to others.
  std::string program(const char* variable);
};

// The same, with busybox there.
class BusyboxTest : public DaemonTest {
 protected:
  void SetUp() override;
  // A file below folder_.
  void write(const std::string& name, std::string_view text);
};

}  // namespace dhow::daemon_test
