// SPDX-License-Identifier: Apache-2.0
#include "client/start_engine.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "client/tunnel.h"
#include "sys/fd.h"
#include "sys/file_io.h"

namespace dhow::client {
namespace {

constexpr std::string_view kProgram = "dhowd";
constexpr std::string_view kIdleSeconds = "60";
constexpr int kReadyFd = 3;

// In the child, which has one thread. A second fork makes init its parent.
[[noreturn]] void become_engine(const std::string& program, int ready, int null, int log) {
  ::setsid();
  if (::fork() != 0) ::_exit(0);
  // dup2 clears close-on-exec, unless both numbers are the same.
  bool streams = ::dup2(null, 0) == 0 && ::dup2(null, 1) == 1 && ::dup2(log, 2) == 2;
  if (ready == kReadyFd) {
    streams = streams && ::fcntl(ready, F_SETFD, 0) == 0;
  } else {
    streams = streams && ::dup2(ready, kReadyFd) == kReadyFd;
  }
  if (streams && ::chdir("/") == 0) {
    ::execl(program.c_str(), kProgram.data(), "--idle-exit", kIdleSeconds.data(), "--ready-fd", "3",
            nullptr);
  }
  constexpr std::string_view kFailed = "dhowd could not be executed\n";
  if (::write(2, kFailed.data(), kFailed.size()) < 0) ::_exit(126);
  ::_exit(127);
}

// The last lines of the log, for a message.
std::string end_of(const std::string& log) {
  std::string text = read_file(log).value_or("");
  std::string_view rest = trim(text);
  constexpr std::size_t kMost = 1000;
  if (rest.size() > kMost) rest.remove_prefix(rest.size() - kMost);
  return std::string(rest);
}

}  // namespace

Status start_engine(const std::string& socket_path) {
  std::string program = find_program(kProgram);
  if (program.empty()) {
    return fail(Code::kUnavailable,
                cat("nothing listens at ", socket_path,
                    ", and there is no program dhowd to start: put it "
                    "beside dhow or into $PATH, or name another engine with -H or DOCKER_HOST"));
  }
  std::string folder = socket_path.substr(0, socket_path.rfind('/'));
  TRY_CONTEXT(make_dirs(folder, 0711), "make the engine's folder");
  std::string log = folder + "/dhowd.log";
  TRY_ASSIGN(Fd output,
             open_at(kCwd, log, O_WRONLY | O_CREAT | O_APPEND | O_TRUNC | O_NOFOLLOW, 0600));
  TRY_ASSIGN(Fd null, open_at(kCwd, "/dev/null", O_RDWR));
  TRY_ASSIGN(Pipe pipe, make_pipe());
  pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "fork to start the engine");
  if (pid == 0) become_engine(program, pipe.write.get(), null.get(), output.get());
  pipe.write.reset();
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  char ready;
  TRY_ASSIGN(std::size_t count, read_some(pipe.read, std::span(&ready, 1)));
  if (count != 0) return {};
  // It has ended without a word: another one holds the lock, or something is wrong.
  if (auto socket = open_at(kCwd, socket_path, O_PATH)) return {};
  return fail(Code::kUnavailable,
              cat("the engine ", program, " did not start; its log ", log, " says: ", end_of(log)));
}

}  // namespace dhow::client
