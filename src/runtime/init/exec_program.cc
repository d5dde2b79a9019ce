// SPDX-License-Identifier: Apache-2.0
#include "runtime/init/exec_program.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "base/strings.h"
#include "runtime/init/process_setup.h"
#include "runtime/sync.h"
#include "sys/dir_fd.h"
#include "sys/file_io.h"

namespace dhow::init {
namespace {

constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string_view variable(const std::vector<std::string>& env, std::string_view name,
                          std::string_view otherwise) {
  // The last one wins, as for a shell that reads them in order.
  for (auto entry = env.rbegin(); entry != env.rend(); ++entry) {
    std::string_view text = *entry;
    if (text.starts_with(name) && text.substr(name.size()).starts_with('=')) {
      return text.substr(name.size() + 1);
    }
  }
  return otherwise;
}

// 0 when the file can be executed by the caller, else the errno that says why not.
int executable_fault(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return errno;
  if (S_ISDIR(info.st_mode)) return EISDIR;
  if (::access(path.c_str(), X_OK) == 0) return 0;
  // A seccomp filter may know execve but not access: then execve decides.
  return errno == EACCES || errno == ENOENT || errno == ELOOP ? errno : 0;
}

// The home folder of `uid` by the container's /etc/passwd. Only a regular file is read: anything
// else there (a fifo that blocks, a device) is the image's doing.
std::string home_of(std::uint32_t uid) {
  auto fd = open_at(kCwd, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY);
  struct stat info{};
  if (!fd || ::fstat(fd->get(), &info) != 0 || !S_ISREG(info.st_mode)) return "/";
  auto content = read_all(*fd, std::size_t{16} << 20);
  if (!content) return "/";
  for (std::string_view line : split(*content, '\n')) {
    auto fields = split(line, ':');
    if (fields.size() >= 6 && parse_number<std::uint32_t>(fields[2]) == uid && !fields[5].empty()) {
      return std::string(fields[5]);
    }
  }
  return "/";
}

Status load_seccomp(const Credentials& credentials) {
  if (credentials.seccomp == nullptr) return {};
  auto listener = seccomp::load(*credentials.seccomp);
  if (!listener) return fail(std::move(listener).error());
  if (!*listener) return {};
  // From here on some calls stop until the agent answers them, so the runtime takes the descriptor
  // out of this process (pidfd_getfd); only write and read are needed on this side.
  TRY(runtime::send_sync(credentials.sync, runtime::MessageType::kSeccompFd, (*listener)->get()));
  TRY(runtime::expect_sync(credentials.sync, runtime::MessageType::kGo,
                           "hand over seccomp listener"));
  return {};
}

// The runtime sets the limits while it and this process have the same owner: later only
// CAP_SYS_RESOURCE would allow it (prlimit(2)), which the runtime may lack.
Status ask_for_limits(const Credentials& credentials) {
  if (credentials.process.rlimits.empty() || credentials.process.user.uid == 0) return {};
  TRY(runtime::send_sync(credentials.sync, runtime::MessageType::kLimits));
  TRY(runtime::expect_sync(credentials.sync, runtime::MessageType::kGo, "set resource limits"));
  return {};
}

std::vector<std::string> program_environment(const Credentials& credentials) {
  const oci::Process& process = credentials.process;
  std::vector<std::string> env = process.env;
  if (variable(env, "HOME", "").empty()) {
    std::erase_if(env, [](const std::string& entry) { return entry.starts_with("HOME="); });
    env.push_back(cat("HOME=", home_of(process.user.uid)));
  }
  if (credentials.listen_fds > 0) {
    env.push_back(cat("LISTEN_FDS=", credentials.listen_fds));
    env.push_back("LISTEN_PID=1");
  }
  if (credentials.notify_socket) env.push_back("NOTIFY_SOCKET=/run/notify/notify.sock");
  return env;
}

}  // namespace

Result<std::string> look_up_program(const std::string& name, const std::vector<std::string>& env) {
  if (name.find('/') != std::string::npos) {
    int fault = executable_fault(name);
    if (fault == 0) return name;
    std::string what = cat("exec: ", quoted(name));
    if (fault == ENOENT || fault == ENOTDIR || fault == ELOOP) what += cat(": stat ", name);
    if (fault == EISDIR) {
      // What execve would say. Docker makes 126 of either half, podman of the second one only.
      what += ": is a directory";
      fault = EACCES;
    }
    return fail_errno(fault, what);
  }
  int last = ENOENT;
  for (std::string_view folder : split(variable(env, "PATH", kDefaultPath), ':')) {
    if (name.empty()) break;
    std::string path = cat(folder.empty() ? std::string_view(".") : folder, "/", name);
    int fault = executable_fault(path);
    if (fault == 0) return path;
    if (fault == EACCES) last = EACCES;
  }
  if (last == EACCES) return fail_errno(EACCES, cat("exec: ", quoted(name)));
  return fail(Error(Code::kNotFound, ENOENT,
                    cat("exec: ", quoted(name), ": executable file not found in $PATH")));
}

Status change_directory(const std::string& cwd) {
  if (::chdir(cwd.c_str()) != 0) {
    return fail_errno(errno, cat("chdir to cwd (", quoted(cwd), ") set in config.json failed"));
  }
  char path[PATH_MAX];
  // The raw call: glibc turns a path outside the root into an error that says nothing.
  long size = ::syscall(SYS_getcwd, path, sizeof path);
  if (size > 0 && path[0] == '/') return {};
  if (size < 0 && errno != ENOENT) return {};  // too long, or filtered: no sign of an escape
  return fail(Code::kPermissionDenied,
              "current working directory is outside of container mount namespace root -- possible "
              "container breakout detected");
}

Status set_attributes(const oci::Process& process, const oci::Linux& linux, Role role) {
  if (process.no_new_privileges) TRY(set_no_new_privileges());
  if (process.scheduler) TRY(set_scheduler(*process.scheduler));
  if (process.io_priority) TRY(set_io_priority(*process.io_priority));
  if (linux.personality) TRY(set_personality(*linux.personality));
  if (linux.memory_policy) TRY(set_memory_policy(*linux.memory_policy));
  // It is for exec'd processes alone (runtime-spec, config.md, execCPUAffinity).
  const auto& affinity = process.exec_cpu_affinity;
  if (!affinity || role == Role::kInit) return set_cpu_affinity("");
  return affinity->final.empty() ? Status{} : set_cpu_affinity(affinity->final);
}

bool keeps_groups(const oci::Config& config) {
  return config.annotations.contains("run.oci.keep_original_groups");
}

Result<Program> take_credentials(const Credentials& credentials) {
  const oci::Process& process = credentials.process;
  Program program;
  // HOME comes from the container's passwd, which a Landlock policy need not let the program read.
  program.env = program_environment(credentials);
  TRY(give_stdio_to(process.user.uid));
  if (!process.selinux_label.empty()) {
    TRY(set_selinux_exec_label(credentials.proc, process.selinux_label));
  }
  // After what opens files of procfs, which a policy on files denies.
  if (credentials.landlock != nullptr) {
    TRY_ASSIGN(DirFd root, DirFd::open("/"));
    TRY(runtime::apply_landlock(*credentials.landlock, root));
  }
  if (!process.no_new_privileges) TRY(load_seccomp(credentials));
  // Without any in the configuration the process gets none, not what the runtime happens to have.
  auto capabilities = CapabilitySets::from(process.capabilities ? &*process.capabilities : nullptr);
  TRY(capabilities.drop_bounding());
  // As root first: the folder may be on a file system that only root may enter.
  bool entered = ::chdir(process.cwd.c_str()) == 0;
  TRY(capabilities.keep_over_setuid());
  TRY(ask_for_limits(credentials));
  TRY(set_user(credentials.proc, process.user, credentials.keep_groups));
  TRY(capabilities.apply());
  if (entered) {
    TRY(change_directory("."));
  } else {
    TRY(change_directory(process.cwd));
  }
  TRY_ASSIGN(program.path, look_up_program(process.args[0], process.env));
  if (process.no_new_privileges) TRY(load_seccomp(credentials));
  return program;
}

void reset_signals() {
  // The real-time ones too. Those that can't be set (SIGKILL, SIGSTOP, the C library's own) refuse.
  for (int signal = 1; signal <= SIGRTMAX; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

Error execute_program(const Program& program, const std::vector<std::string>& args) {
  std::vector<char*> arguments;
  std::vector<char*> environment;
  for (const std::string& text : args) arguments.push_back(const_cast<char*>(text.c_str()));
  for (const std::string& text : program.env)
    environment.push_back(const_cast<char*>(text.c_str()));
  arguments.push_back(nullptr);
  environment.push_back(nullptr);
  ::execve(program.path.c_str(), arguments.data(), environment.data());
  return Error::from_errno(errno, cat("exec ", program.path));
}

}  // namespace dhow::init
