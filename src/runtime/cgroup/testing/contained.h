// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/strings.h"
#include "runtime/cgroup/cgroup.h"
#include "sys/process.h"

namespace dhow::cgroup::testing {

// Cgroups of a made-up container on the real hierarchies, with processes in them. Whatever happens,
// the destructor ends and reaps the processes and removes the cgroups.
class Contained {
 public:
  explicit Contained(Settings settings = {}) : settings_(std::move(settings)) {
    static int count = 0;
    if (settings_.container_id.empty()) {
      settings_.container_id = cat("dhow-test-", ::getpid(), "-", ++count);
    }
    if (settings_.program_name.empty()) settings_.program_name = "dhow";
    settings_.rootless = ::geteuid() != 0;
    auto made = make_cgroup(settings_);
    if (made) {
      cgroup_ = std::move(*made);
    } else {
      error_ = made.error().message();
    }
  }
  Contained(const Contained&) = delete;
  Contained& operator=(const Contained&) = delete;
  ~Contained() {
    end_children();
    if (cgroup_) std::ignore = cgroup_->destroy();
  }

  // Why there is no cgroup.
  const std::string& error() const { return error_; }
  Cgroup& operator*() const { return *cgroup_; }
  Cgroup* operator->() const { return cgroup_.get(); }
  explicit operator bool() const { return cgroup_ != nullptr; }
  const Settings& settings() const { return settings_; }

  // Starts a process that joins by the plan, does `work`, tells so and waits to be killed; returns
  // when it is that far. The manager is told while it
  // waits to join.
  Result<pid_t> start(
      JoinPlan& plan, const std::function<void()>& work = [] {},
      const oci::Resources* attach_with = nullptr) {
    int there[2], back[2];
    if (::pipe(there) != 0 || ::pipe(back) != 0) return fail_errno(errno, "pipe");
    CloneOptions options;
    options.flags = 0;
    if (plan.unified_dir) options.cgroup = plan.unified_dir->get();
    auto cloned = clone_process(options);
    if (!cloned) return fail(std::move(cloned).error());
    if (cloned->pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(there[1]);
      ::close(back[0]);
      char byte = 0;
      if (::read(there[0], &byte, 1) != 1) ::_exit(2);
      for (const Fd& file : plan.self_join_files) {
        if (::write(file.get(), "0", 1) != 1) ::_exit(3);
      }
      work();
      if (::write(back[1], "x", 1) != 1) ::_exit(4);
      while (true) ::pause();
    }
    children_.push_back(cloned->pid);
    ::close(there[0]);
    ::close(back[1]);
    Status attached = cgroup_->attach(cloned->pid, attach_with);
    char byte = 'x';
    bool ready = attached && ::write(there[1], &byte, 1) == 1 && ::read(back[0], &byte, 1) == 1;
    ::close(there[1]);
    ::close(back[0]);
    if (!attached) return fail(std::move(attached).error());
    if (!ready) return fail(Code::kInternal, "the process did not get ready");
    return cloned->pid;
  }

  // Reaps a process that is ending, and tells the signal that ended it (0: none).
  int reap(pid_t pid) {
    int status = 0;
    if (::waitpid(pid, &status, 0) != pid) return -1;
    std::erase(children_, pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }

  void end_children() {
    if (cgroup_) std::ignore = cgroup_->thaw();
    for (pid_t pid : children_) ::kill(pid, SIGKILL);
    for (pid_t pid : children_) ::waitpid(pid, nullptr, 0);
    children_.clear();
  }

 private:
  Settings settings_;
  std::unique_ptr<Cgroup> cgroup_;
  std::string error_;
  std::vector<pid_t> children_;
};

}  // namespace dhow::cgroup::testing
