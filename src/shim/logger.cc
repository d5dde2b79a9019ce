// SPDX-License-Identifier: Apache-2.0
#include "shim/logger.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <tuple>
#include <vector>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::shim {
namespace {

constexpr int kReadyTimeoutMs = 10'000;

// In the child of the worker, where 0 and 1 are the ends to read.
[[noreturn]] void execute(const LoggerCommand& command, int ready) {
  std::vector<std::string> texts{command.uri.path};
  for (const auto& [name, value] : command.uri.query) {
    texts.push_back(name);
    if (!value.empty()) texts.push_back(value);
  }
  std::vector<char*> arguments;
  for (std::string& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  ::setenv("CONTAINER_ID", command.container_id.c_str(), 1);
  ::setenv("CONTAINER_NAMESPACE", command.name_space.c_str(), 1);
  // A session of its own: what ends the shim's doesn't end it.
  ::setsid();
  int copies[3] = {::fcntl(0, F_DUPFD_CLOEXEC, 64), ::fcntl(1, F_DUPFD_CLOEXEC, 64),
                   ::fcntl(ready, F_DUPFD_CLOEXEC, 64)};
  int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int i = 0; i < 3; ++i) {
    if (::dup2(copies[i], 3 + i) < 0 || ::dup2(null, i) < 0) ::_exit(126);
  }
  ::close_range(6, ~0U, 0);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

Status run_logger(const LoggerCommand& command) {
  TRY_ASSIGN(Pipe pipe, make_pipe());
  if (::access(command.uri.path.c_str(), X_OK) != 0) {
    return fail_errno(errno, cat("logging program ", quoted(command.uri.path)));
  }
  pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "fork");
  if (pid == 0) execute(command, pipe.write.get());
  pipe.write.reset();
  struct pollfd entry{pipe.read.get(), POLLIN, 0};
  int count = ::poll(&entry, 1, kReadyTimeoutMs);
  if (count == 0) {
    std::ignore = ::kill(pid, SIGKILL);
    return fail(Code::kDeadlineExceeded,
                cat("logging program ", quoted(command.uri.path), ": not ready in time"));
  }
  char byte = 0;
  ssize_t got = ::read(pipe.read.get(), &byte, 1);
  // The first kind closes it; so does one that could not be executed, which nobody can tell apart.
  if (got != 1 && command.uri.scheme == "binary-v2") {
    return fail(Code::kUnavailable,
                cat("logging program ", quoted(command.uri.path), " ended before it was ready"));
  }
  return {};
}

}  // namespace

void start_logger(Workers& workers, const LoggerCommand& command, const Fd& out, const Fd& err,
                  std::function<void(Status)> done) {
  workers.start(
      {.in = out.get(), .out = err.get()},
      [command]() -> Result<WorkerResult> {
        TRY(run_logger(command));
        return WorkerResult{};
      },
      [done = std::move(done)](Result<WorkerResult> result) {
        done(result ? Status() : Status(fail(std::move(result).error())));
      });
}

}  // namespace dhow::shim
