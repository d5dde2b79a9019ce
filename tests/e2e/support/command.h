// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dhow::e2e {

// How a program that a test ran ended.
struct Outcome {
  int code = -1;  // exit status, 128 + N when killed by signal N
  std::string out;
  std::string err;
};

struct CommandOptions {
  std::string input;
  std::map<std::string, std::string> environment;  // on top of the test's own
  std::string working_dir;
  std::vector<std::pair<int, int>> descriptors;  // (ours, number in the program)
  std::optional<unsigned> uid;                   // run as this user and group, no other groups
  int timeout_seconds = 60;  // then (patience_ms) it is killed, and the test fails
};

// Runs a program to its end and catches what it prints. A timeout is a test failure.
Outcome run_command(const std::vector<std::string>& arguments, const CommandOptions& options = {});

// A program that runs beside the test; killed and reaped at the end of the object.
class Background {
 public:
  Background(const std::vector<std::string>& arguments, const CommandOptions& options = {});
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  ~Background();

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // Waits for its end.
  Outcome wait();
  // Blocks until its output so far contains `text`; fails the test when it ends or 20 s pass
  // before.
  void wait_for_output(std::string_view text);
  void write_input(std::string_view text);

 private:
  bool pump(int timeout_ms);
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1, err_ = -1;
  int timeout_seconds_;
  Outcome outcome_;
  bool ended_ = false;
};

// Paths of the programs under test, from the environment: DHOW_RUNTIME, DHOW_TESTBOX, DHOW_BUSYBOX.
std::string runtime_path();
std::string testbox_path();
std::string busybox_path();

// Polls `condition` until it holds, at most 20 s. For what the kernel does asynchronously and tells
// nobody; everything else is waited for by events.
bool eventually(const std::function<bool()>& condition);

}  // namespace dhow::e2e
