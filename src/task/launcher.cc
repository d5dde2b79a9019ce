// SPDX-License-Identifier: Apache-2.0
#include "task/launcher.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "base/cleanup.h"
#include "base/strings.h"

#define NOT_SANITIZED __attribute__((no_sanitize("address", "thread")))

namespace dhow::task {

// What the child works with: it shares the caller's memory, so it must not allocate, and what it
// writes here the caller sees.
struct Launcher::Child {
  const char* path;
  char* const* arguments;
  const char* log;
  int folder;
  int socket;
  unsigned limit;  // descriptors from that number on are not the child's
  int failure = 0;
};

Result<std::unique_ptr<Launcher>> Launcher::make(const Fd& program) {
  std::unique_ptr<Launcher> launcher(new Launcher);
  // Out of the way of the numbers that the program gets; the copies keep their numbers.
  constexpr int kFirst = kSocket + 1;
  TRY_ASSIGN(launcher->program_, program.duplicate(kFirst));
  TRY_ASSIGN(launcher->folder_slot_, program.duplicate(kFirst));
  TRY_ASSIGN(launcher->socket_slot_, program.duplicate(kFirst));
  launcher->path_ = proc_fd_path(launcher->program_);
  return launcher;
}

// In the child; on a stack that sanitizers don't know.
NOT_SANITIZED bool Launcher::arrange(const Child& child) {
  // Until here the table of descriptors is the caller's.
  if (::close_range(child.limit, ~0U, CLOSE_RANGE_UNSHARE) != 0) return false;
  struct sigaction usual{};
  usual.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &usual, nullptr);
  if (::setsid() < 0 || ::fchdir(child.folder) != 0) return false;
  int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  int log = ::open(child.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (null < 0 || log < 0) return false;
  // Where none of the numbers is that they go to.
  null = ::fcntl(null, F_DUPFD_CLOEXEC, kSocket + 1);
  log = ::fcntl(log, F_DUPFD_CLOEXEC, kSocket + 1);
  if (null < 0 || log < 0) return false;
  if (::dup2(null, 0) < 0 || ::dup2(log, 1) < 0 || ::dup2(log, 2) < 0) return false;
  if (::dup2(child.socket, kSocket) < 0) return false;
  sigset_t none;
  sigemptyset(&none);
  return ::sigprocmask(SIG_SETMASK, &none, nullptr) == 0;
}

NOT_SANITIZED int Launcher::run_child(void* given) {
  auto& child = *static_cast<Child*>(given);
  if (arrange(child)) ::execve(child.path, child.arguments, ::environ);
  child.failure = errno;
  ::_exit(127);
}

Result<pid_t> Launcher::start(const Site& site, const std::vector<std::string>& arguments) {
  std::vector<char*> pointers;
  for (const std::string& each : arguments) pointers.push_back(const_cast<char*>(each.c_str()));
  pointers.push_back(nullptr);
  std::lock_guard lock(mutex_);
  // They hold the program again afterwards, so that nothing else is kept open by them.
  Cleanup restore([&] {
    for (const Fd* slot : {&folder_slot_, &socket_slot_}) {
      std::ignore = ::dup3(program_.get(), slot->get(), O_CLOEXEC);
    }
  });
  if (::dup3(site.folder.get(), folder_slot_.get(), O_CLOEXEC) < 0 ||
      ::dup3(site.socket.get(), socket_slot_.get(), O_CLOEXEC) < 0) {
    return fail_errno(errno, "hand over descriptors");
  }
  int highest = std::max({program_.get(), folder_slot_.get(), socket_slot_.get()});
  Child child{path_.c_str(),      pointers.data(),    site.log,
              folder_slot_.get(), socket_slot_.get(), static_cast<unsigned>(highest) + 1};
  // No handler of ours may run in the child, on memory that is ours.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  pid_t pid = ::clone(&Launcher::run_child, stack_.data() + stack_.size(),
                      CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &child);
  int failure = pid < 0 ? errno : child.failure;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failure == 0) return pid;
  if (pid > 0) ::waitpid(pid, nullptr, 0);
  return fail_errno(failure, cat("start ", arguments[0]));
}

}  // namespace dhow::task
