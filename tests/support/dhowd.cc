// SPDX-License-Identifier: Apache-2.0
#include "support/dhowd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/strings.h"

namespace dhow::testing_support {
namespace fs = std::filesystem;
namespace {

constexpr int kReadyFd = 3;

// In the child of a process with threads: system calls, and nothing else.
[[noreturn]] void become_dhowd(const DhowdStart& start, char* const* arguments, int log,
                               int ready) {
  ::dup2(log, STDERR_FILENO);
  ::dup2(log, STDOUT_FILENO);
  if (ready == kReadyFd) {
    ::fcntl(kReadyFd, F_SETFD, 0);
  } else {
    ::dup2(ready, kReadyFd);
  }
  if (start.before_exec && !start.before_exec()) ::_exit(126);
  ::execv(start.program.c_str(), arguments);
  ::_exit(127);
}

}  // namespace

Result<StartedDhowd> spawn_dhowd(const DhowdStart& start) {
  int ends[2] = {};
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
  StartedDhowd started;
  started.ready = Fd(ends[0]);
  Fd write_end(ends[1]);
  std::vector<std::string> arguments = {"dhowd",
                                        "--config",
                                        (start.folder / "dhowd.toml").string(),
                                        "--root",
                                        (start.folder / "root").string(),
                                        "--state",
                                        (start.folder / "state").string(),
                                        "--ready-fd",
                                        cat(kReadyFd)};
  arguments.insert(arguments.end(), start.more.begin(), start.more.end());
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  std::string log_path = (start.folder / "dhowd.log").string();
  Fd log(::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log) return fail_errno(errno, "open dhowd's log");
  started.pid = ::fork();
  if (started.pid < 0) return fail_errno(errno, "fork");
  if (started.pid == 0) become_dhowd(start, pointers.data(), log.get(), write_end.get());
  return started;
}

Status remove_cgroups(const std::string& name) {
  std::error_code none;
  std::vector<fs::path> parents = {"/sys/fs/cgroup"};
  for (const auto& hierarchy : fs::directory_iterator("/sys/fs/cgroup", none)) {
    parents.push_back(hierarchy.path());
  }
  Status result;
  for (const fs::path& parent : parents) {
    std::error_code error;
    fs::remove(parent / name, error);
    bool is_gone = !error || error == std::errc::no_such_file_or_directory ||
                   error == std::errc::not_a_directory;
    if (!is_gone) result = fail_errno(error.value(), cat("remove ", (parent / name).string()));
  }
  return result;
}

}  // namespace dhow::testing_support
