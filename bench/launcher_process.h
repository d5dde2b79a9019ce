// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "bench/interrupt.h"
#include "bench/wire.h"
#include "sys/fd.h"

namespace dhow::bench {

using Command = std::vector<std::string>;

struct LauncherOptions {
  std::string program;   // the launcher binary
  std::string log_file;  // stdout and stderr of every command are appended here
  // Unmounts /sys/fs/cgroup/unified in the launcher's mount namespace (Debian's crun refuses hosts
  // that have version 1 and version 2 mounted side by side).
  bool hide_unified = false;
  // Joins the mount namespace of this process instead of making one of its own.
  pid_t join = 0;
  // Bind mounts `extra_mount_source` on extra_mount_target/0 ... /N-1 in the namespace.
  int extra_mounts = 0;
  std::string extra_mount_source;
  std::string extra_mount_target;
};

// A helper process in a private mount namespace that runs commands one at a time and measures them.
// Owns the process: it ends with the object. Not thread safe.
class Launcher {
 public:
  // Blocks until the helper is ready. The interrupt is borrowed.
  static Result<Launcher> start(const LauncherOptions& options, const Interrupt& interrupt);
  Launcher(Launcher&& other) noexcept;
  Launcher& operator=(Launcher&& other) noexcept;
  ~Launcher();

  // Runs a command to its end. A command that takes more than 30 s is killed and is an error.
  Result<LaunchReply> run(const Command& command);

  // The two halves of run(), for several launchers at once: `receive` once the socket is readable.
  Status send(const Command& command);
  Result<LaunchReply> receive();
  const Fd& socket() const { return socket_; }

  pid_t pid() const { return pid_; }

 private:
  Launcher(Fd socket, pid_t pid, const Interrupt& interrupt)
      : socket_(std::move(socket)), pid_(pid), interrupt_(&interrupt) {}
  void stop();
  void kill_command();

  Fd socket_;
  pid_t pid_ = 0;
  const Interrupt* interrupt_;
};

// The children of a process (its main thread), from procfs. Empty when there is no such process.
std::vector<pid_t> children_of(pid_t pid);

}  // namespace dhow::bench
