// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "bench/launcher_process.h"
#include "bench/spec.h"
#include "bench/workspace.h"

namespace dhow::bench {

// A runtime under test: its program, its state folder, and the launcher that all its commands are
// measured by. Not thread safe.
class Contender {
 public:
  struct Options {
    std::string name;
    std::string program;
    std::string launcher;  // the launcher binary
    bool hide_unified = false;
  };

  // Workspace and interrupt are borrowed. Fails when the program can't tell its version.
  static Result<Contender> make(Options options, const Workspace& workspace,
                                const Interrupt& interrupt);

  const std::string& name() const { return options_.name; }
  const std::string& program() const { return options_.program; }
  const std::string& version() const { return version_; }
  bool hide_unified() const { return options_.hide_unified; }
  Launcher& launcher() { return launcher_; }
  const Workspace& workspace() const { return *workspace_; }

  // Writes <folder>/bundles/<name>/config.json; the root filesystem and the cgroup are filled in.
  // Returns the bundle's path.
  Result<std::string> write_bundle(const std::string& name, SpecOptions spec) const;

  // The full command line: program, state folder, `arguments`.
  Command command(const std::vector<std::string>& arguments) const;

  // Runs the runtime with `arguments` and measures it. An exit code but 0 is an error that carries
  // what the runtime printed. `launcher` is for runs in another mount namespace.
  Result<LaunchReply> invoke(const std::vector<std::string>& arguments) {
    return invoke(arguments, launcher_);
  }
  Result<LaunchReply> invoke(const std::vector<std::string>& arguments, Launcher& launcher);

  // Another launcher: with extra mounts, or in the same mount namespace as the first.
  Result<Launcher> start_launcher(int extra_mounts, bool join) const;

  std::string pid_file(const std::string& id) const;
  // The process id that the runtime wrote for a container.
  Result<pid_t> read_pid(const std::string& id) const;
  // Blocks until the container's first process has ended, and reaps it.
  Status wait_stopped(const std::string& id) const;

  // Ids that the runtime has state for.
  std::vector<std::string> leftovers() const;
  // Force-deletes all containers and kills what is left of them.
  void wipe();

  std::string cgroup() const { return workspace_->cgroup() + "/" + options_.name; }
  // What was printed last by this runtime, on one line, at most 300 bytes.
  std::string last_output() const;

 private:
  Contender(Options options, const Workspace& workspace, const Interrupt& interrupt,
            std::string folder, Launcher launcher)
      : options_(std::move(options)),
        workspace_(&workspace),
        interrupt_(&interrupt),
        folder_(std::move(folder)),
        launcher_(std::move(launcher)) {}
  LauncherOptions launcher_options() const;

  Options options_;
  const Workspace* workspace_;
  const Interrupt* interrupt_;
  std::string folder_;
  std::string version_;
  Launcher launcher_;
};

// Reaps ended containers: the benchmark is the subreaper of what the runtimes leave behind.
void reap_orphans();

}  // namespace dhow::bench
