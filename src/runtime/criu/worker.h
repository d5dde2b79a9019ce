// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/criu/rpc.h"
#include "sys/fd.h"
#include "sys/process.h"

namespace dhow::criu {

// A `criu swrk`: criu as a child that takes requests over a socket pair and can restore processes
// as children of ours. criu is looked up in $PATH. Single-threaded callers only; calls block until
// criu has answered.
class Worker {
 public:
  struct Start {
    // Descriptors that criu has under the same number, folders and all that a request names;
    // everything else but 0, 1 and 2 is closed.
    std::vector<int> inherit = {};
    bool keep_stdio = false;  // else 0, 1 and 2 are /dev/null
    std::optional<int> cgroup_dir = {};
    // In the child, before criu is executed.
    std::function<Status()> prepare = {};
  };

  // Called with what criu tells while it works: its script's name, pid and descriptors. An error
  // makes criu give up and undo its work.
  using OnNotice = std::function<Status(const Response& notice, std::vector<Fd> fds)>;

  // kNotFound when there is no criu.
  static Result<Worker> start(const Start& start);
  Worker(Worker&&) = default;
  Worker& operator=(Worker&&) = delete;
  // Closes the connection, upon which criu undoes what it has not finished, and waits for its end.
  ~Worker();

  pid_t pid() const { return pid_; }
  // 31701 for 3.17.1.
  Result<int> version() const;
  Result<Features> features(const Features& asked) const;
  // The final answer; notices before it go to `on_notice`. An answer without success is not an
  // error here, but a notice that was refused is: the reason of the refusal.
  Result<Response> call(const Request& request, const OnNotice& on_notice) const;

 private:
  Worker(pid_t pid, PidFd pidfd, Fd socket)
      : pid_(pid), pidfd_(std::move(pidfd)), socket_(std::move(socket)) {}
  Status send(const Request& request) const;
  Result<Response> receive(std::vector<Fd>& fds) const;

  pid_t pid_;
  PidFd pidfd_;
  Fd socket_;
};

// The last errors in criu's log, at most `count`, without their time stamps, joined by "; ". Empty
// when there is no log, or no error in it.
std::string last_errors(FdRef folder, std::string_view log_file, std::size_t count);
// The same of a log's text.
std::string last_errors_of(std::string_view log, std::size_t count);

}  // namespace dhow::criu
