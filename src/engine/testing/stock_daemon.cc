// SPDX-License-Identifier: Apache-2.0
#include "engine/testing/stock_daemon.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::engine {
namespace {

constexpr int kPatience = 120'000;  // milliseconds; it is ready within one second as a rule

Result<Fd> notify_socket(const std::string& path) {
  Fd result(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::bind(result.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    return result;
  }
  return fail_errno(errno, cat("bind ", quoted(path)));
}

// After a fork: the child has one thread, and the test's others hold no lock that is used here.
[[noreturn]] void become(const std::vector<std::string>& arguments, const std::string& log,
                         const std::string& socket) {
  std::vector<char*> words;
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.data()));
  words.push_back(nullptr);
  int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  bool ready = output >= 0 && ::dup2(output, 1) == 1 && ::dup2(output, 2) == 2 &&
               ::prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && ::unshare(CLONE_NEWNS) == 0 &&
               ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
               ::setenv("NOTIFY_SOCKET", socket.c_str(), 1) == 0;
  if (ready) ::execvp(words[0], words.data());
  ::_exit(127);
}

// False when the process ended first, or took too long.
bool await_ready(FdRef socket, FdRef process) {
  while (true) {
    pollfd waiting[2] = {{socket.get(), POLLIN, 0}, {process.get(), POLLIN, 0}};
    int count = ::poll(waiting, 2, kPatience);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0 || (waiting[0].revents == 0 && waiting[1].revents != 0)) return false;
    char text[4096];
    ssize_t size = ::recv(socket.get(), text, sizeof text, 0);
    if (size > 0 &&
        std::string_view(text, static_cast<std::size_t>(size)).find("READY=1") != std::string::npos)
      return true;
  }
}

}  // namespace

Result<std::unique_ptr<StockDaemon>> StockDaemon::start(const std::vector<std::string>& arguments,
                                                        const std::string& folder) {
  std::string path = folder + "/notify";
  std::string log = folder + "/daemon.log";
  TRY_ASSIGN(Fd socket, notify_socket(path));
  pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "fork");
  if (pid == 0) become(arguments, log, path);
  std::unique_ptr<StockDaemon> daemon(new StockDaemon(pid));
  Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process) return fail_errno(errno, "open the process");
  bool ready = await_ready(socket, process);
  ::unlink(path.c_str());
  if (ready) return daemon;
  std::string said = read_file(log).value_or("");
  if (said.size() > 2000) said.erase(0, said.size() - 2000);
  return fail(Code::kUnavailable, cat(arguments.front(), " did not start: ", said));
}

void StockDaemon::kill() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

StockDaemon::~StockDaemon() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
}

}  // namespace dhow::engine
