// SPDX-License-Identifier: Apache-2.0
#include "e2e/support/injector.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <stdexcept>
#include <tuple>

#include "e2e/support/host.h"

namespace dhow::e2e {
namespace {

volatile sig_atomic_t g_time_is_up = 0;

void install_filter(const std::vector<long>& calls) {
  std::vector<sock_filter> code;
  code.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (long call : calls) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<__u32>(call), 0, 1));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) ::_exit(125);
}

[[noreturn]] void become_program(const TracedCommand& command, int go) {
  char byte;
  if (::read(go, &byte, 1) != 1) ::_exit(125);
  int in = ::open("/dev/null", O_RDONLY);
  int out = ::open(command.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
  if (in < 0 || out < 0) ::_exit(125);
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(out, 2);
  ::close_range(3, ~0U, 0);
  for (const auto& [name, value] : command.environment) ::setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> arguments;
  for (const std::string& text : command.arguments) {
    arguments.push_back(const_cast<char*>(text.c_str()));
  }
  arguments.push_back(nullptr);
  install_filter(command.calls);
  ::execv(arguments[0], arguments.data());
  ::_exit(126);
}

// What the tracer has to say, over a pipe, one record for each step and one for the end.
struct Report {
  Step step;
  bool end = false;
  int code = 0;
  bool hung = false;
  bool reached = false;
};

void* as_pointer(unsigned long value) { return reinterpret_cast<void*>(value); }

// At a seccomp stop: no call is made (number -1), and this is its result.
void skip_call(pid_t pid, int error) {
  struct user_regs_struct registers{};
  struct iovec all{&registers, sizeof registers};
  if (::ptrace(PTRACE_GETREGSET, pid, as_pointer(NT_PRSTATUS), &all) != 0) return;
#if defined(__x86_64__)
  registers.orig_rax = static_cast<unsigned long>(-1);
  registers.rax = static_cast<unsigned long>(-static_cast<long>(error));
#elif defined(__aarch64__)
  int none = -1;
  struct iovec number{&none, sizeof none};
  ::ptrace(PTRACE_SETREGSET, pid, as_pointer(NT_ARM_SYSTEM_CALL), &number);
  registers.regs[0] = static_cast<unsigned long>(-static_cast<long>(error));
#else
#error "how a system call is skipped on this machine"
#endif
  ::ptrace(PTRACE_SETREGSET, pid, as_pointer(NT_PRSTATUS), &all);
}

// The process that traces: a child of the test, so that its end lets go of whatever is left.
class Tracer {
 public:
  Tracer(const Fault& fault, int reports) : fault_(fault), reports_(reports) {}

  [[noreturn]] void run(const TracedCommand& command) {
    int go[2];
    if (::pipe2(go, O_CLOEXEC) != 0) ::_exit(1);
    program_ = ::fork();
    if (program_ == 0) become_program(command, go[0]);
    constexpr unsigned long kOptions = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                                       PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                                       PTRACE_O_TRACESECCOMP;
    if (::ptrace(PTRACE_SEIZE, program_, nullptr, as_pointer(kOptions)) != 0) ::_exit(1);
    process_of(program_);
    struct sigaction action{};
    action.sa_handler = [](int) { g_time_is_up = 1; };
    ::sigaction(SIGALRM, &action, nullptr);  // without SA_RESTART: it ends the wait
    ::alarm(static_cast<unsigned>(command.limit_seconds));
    std::ignore = ::write(go[1], "g", 1);
    follow();
    ::write(reports_, &end_, sizeof end_) == sizeof end_ ? ::_exit(0) : ::_exit(1);
  }

 private:
  struct Process {
    int number = 0;
    int calls = 0;
  };

  Process& process_of(pid_t pid) {
    auto [entry, added] = processes_.try_emplace(pid);
    if (added) entry->second.number = next_number_++;
    return entry->second;
  }

  void follow() {
    end_.end = true;
    while (true) {
      int status = 0;
      pid_t pid = ::waitpid(-1, &status, __WALL);
      if (g_time_is_up != 0 && !end_.hung) {
        end_.hung = true;
        for (const auto& [each, process] : processes_) ::kill(each, SIGKILL);
      }
      if (pid < 0) {
        if (errno == EINTR) continue;
        return;
      }
      if (WIFSTOPPED(status)) {
        handle_stop(pid, status);
        continue;
      }
      processes_.erase(pid);
      if (pid != program_) continue;
      end_.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
      return;
    }
  }

  void handle_stop(pid_t pid, int status) {
    int signal = WSTOPSIG(status);
    int event = status >> 16;
    unsigned long deliver = 0;
    switch (event) {
      case PTRACE_EVENT_FORK:
      case PTRACE_EVENT_VFORK:
      case PTRACE_EVENT_CLONE: {
        unsigned long child = 0;
        if (::ptrace(PTRACE_GETEVENTMSG, pid, nullptr, &child) == 0) {
          process_of(static_cast<pid_t>(child));
        }
        break;
      }
      case PTRACE_EVENT_EXEC:
        armed_ = true;  // the first one is the start of the program itself
        break;
      case PTRACE_EVENT_SECCOMP:
        if (armed_) handle_call(pid);
        break;
      case PTRACE_EVENT_STOP:
        process_of(pid);  // a new one, before its parent's event
        if (signal != SIGTRAP) {
          ::ptrace(PTRACE_LISTEN, pid, nullptr, nullptr);
          return;
        }
        break;
      default:
        deliver = static_cast<unsigned long>(signal);
    }
    ::ptrace(PTRACE_CONT, pid, nullptr, as_pointer(deliver));
  }

  void handle_call(pid_t pid) {
    struct __ptrace_syscall_info info{};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, pid, as_pointer(sizeof info), &info) <= 0) return;
    Process& process = process_of(pid);
    Report report;
    report.step = {process.number, process.calls++, static_cast<long>(info.seccomp.nr)};
    std::ignore = ::write(reports_, &report, sizeof report);
    const Step& at = fault_.at;
    if (fault_.kind == Fault::Kind::kNone || at.process != report.step.process ||
        at.index != report.step.index) {
      return;
    }
    end_.reached = true;
    if (fault_.kind == Fault::Kind::kKill) {
      ::kill(pid, SIGKILL);
    } else {
      skip_call(pid, fault_.error);
    }
  }

  const Fault& fault_;
  int reports_;
  pid_t program_ = -1;
  bool armed_ = false;
  int next_number_ = 0;
  std::map<pid_t, Process> processes_;
  Report end_;
};

}  // namespace

TracedRun run_traced(const TracedCommand& command, const Fault& fault) {
  int reports[2];
  if (::pipe2(reports, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  pid_t tracer = ::fork();
  if (tracer == 0) {
    ::close(reports[0]);
    Tracer(fault, reports[1]).run(command);
  }
  ::close(reports[1]);
  TracedRun result;
  Report report;
  while (::read(reports[0], &report, sizeof report) == sizeof report) {
    if (!report.end) {
      result.steps.push_back(report.step);
      continue;
    }
    result.code = report.code;
    result.hung = report.hung;
    result.reached = report.reached;
  }
  ::close(reports[0]);
  ::waitpid(tracer, nullptr, 0);
  result.err = read_text(command.output);
  return result;
}

}  // namespace dhow::e2e
