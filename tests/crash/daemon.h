// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::crash_test {

// A dhowd in folders of its own, which is killed and started anew. Used by one thread.
class Daemon {
 public:
  // Makes the folder. Removes it, and the cgroups that bear its name, with itself.
  Daemon();
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Starts one; it serves once await_ready has returned.
  Status spawn();
  // False: it has ended, or has not come up in a minute.
  bool await_ready();
  Status start();
  // Kills it, if it was not killed yet, and waits for its end.
  // waitpid's status.
  int kill();
  // Asks it to end. Its exit code.
  int stop();
  // Waited for by somebody else.
  void forget() { pid_ = 0; }

  pid_t pid() const { return pid_; }
  const std::filesystem::path& folder() const { return folder_; }
  std::string socket() const { return (folder_ / "state/docker.sock").string(); }
  // What the cgroups of its containers are below of.
  std::string cgroup() const { return folder_.filename().string(); }
  // The last of what it has logged.
  std::string log_end() const;

 private:
  std::filesystem::path folder_;
  pid_t pid_ = 0;
  Fd ready_;
};

// Value of a variable of the environment that the test's build sets.
std::string needed(const char* name);

}  // namespace dhow::crash_test
