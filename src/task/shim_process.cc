// SPDX-License-Identifier: Apache-2.0
#include "task/shim_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <tuple>

#include "base/cleanup.h"
#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/spawn.h"
#include "sys/unix_socket.h"

namespace dhow::task {
namespace {

constexpr int kSocketNumber = 3;  // where our shim finds its socket

std::vector<std::string> common_arguments(std::string_view program, const ShimSite& site) {
  return {std::string(program), "-namespace",        site.key.name_space, "-id",      site.key.id,
          "-address",           site.events_address, "-bundle",           site.bundle};
}

// What containerd gives to shims beside the caller's environment.
std::vector<std::string> foreign_environment(const ShimSite& site) {
  // In front of what is inherited: the first of a name counts.
  std::vector<std::string> environment = {
      "TTRPC_ADDRESS=" + site.events_address, "GRPC_ADDRESS=" + site.events_address,
      "NAMESPACE=" + site.key.name_space, "MAX_SHIM_VERSION=2", "GOMAXPROCS=2"};
  for (char** each = ::environ; each != nullptr && *each != nullptr; ++each) {
    environment.emplace_back(*each);
  }
  return environment;
}

SpawnOptions foreign_action(const ShimSite& site, const std::string& program,
                            std::string_view action, std::chrono::milliseconds limit) {
  SpawnOptions options;
  options.path = program;
  options.arguments = common_arguments(program, site);
  options.arguments.emplace_back(action);
  options.environment = foreign_environment(site);
  options.working_dir = site.bundle;
  options.timeout_ms = static_cast<int>(limit.count());
  return options;
}

Result<SpawnOutput> run_action(const SpawnOptions& options) {
  std::string what = cat("shim ", options.path, " ", options.arguments.back());
  auto output = spawn_and_wait(options);
  if (!output) return fail(std::move(output.error().add_context(what)));
  if (output->timed_out) {
    return fail(Code::kDeadlineExceeded,
                cat(what, ": not done within ", *options.timeout_ms, " ms"));
  }
  if (output->exit_code != 0) {
    return fail(Code::kUnknown, cat(what, ": exit status ", output->exit_code, ": ",
                                    trim(output->error_text), trim(output->output)));
  }
  return output;
}

// posix_spawn, since it clones with CLONE_VM and CLONE_VFORK: no page table is copied.
class Spawn {
 public:
  Spawn() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setflags(&attributes_,
                               POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;
  ~Spawn() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  void open(int number, const char* path, int flags, mode_t mode) {
    ::posix_spawn_file_actions_addopen(&actions_, number, path, flags, mode);
  }
  void hand_over(const Fd& fd, int number) {
    ::posix_spawn_file_actions_adddup2(&actions_, fd.get(), number);
  }
  void enter(const Fd& folder) { ::posix_spawn_file_actions_addfchdir_np(&actions_, folder.get()); }

  Result<pid_t> run(const std::string& path, const std::vector<std::string>& arguments) {
    std::vector<char*> pointers;
    for (const std::string& each : arguments) pointers.push_back(const_cast<char*>(each.c_str()));
    pointers.push_back(nullptr);
    pid_t pid = 0;
    int error =
        ::posix_spawn(&pid, path.c_str(), &actions_, &attributes_, pointers.data(), ::environ);
    if (error != 0) return fail_errno(error, cat("start shim ", arguments[0]));
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

Result<ShimImage> ShimImage::load(const std::string& program) {
  TRY_ASSIGN(Fd from, open_at(kCwd, program, O_RDONLY));
  std::string name = program.substr(program.rfind('/') + 1);
  Fd file(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) return fail_errno(errno, "make memory file");
  struct stat facts{};
  if (::fstat(from.get(), &facts) != 0) return fail_errno(errno, cat("stat ", program));
  off_t left = facts.st_size;
  while (left > 0) {
    ssize_t sent = ::sendfile(file.get(), from.get(), nullptr, static_cast<std::size_t>(left));
    if (sent <= 0) return fail_errno(sent < 0 ? errno : EIO, cat("copy ", program, " to memory"));
    left -= sent;
  }
  int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (::fchmod(file.get(), 0500) != 0 || ::fcntl(file.get(), F_ADD_SEALS, seals) != 0) {
    return fail_errno(errno, cat("seal ", program, " in memory"));
  }
  // Out of the way of the numbers that the shim gets.
  TRY_ASSIGN(Fd high, file.duplicate(kSocketNumber + 1));
  return ShimImage(std::move(name), std::move(high));
}

Result<ShimImage::Started> ShimImage::start(const ShimSite& site, const Fd& bundle,
                                            const std::vector<std::string>& arguments) const {
  TRY_ASSIGN(Fd socket, listen_unix(bundle, kShimSocket, SOCK_STREAM, 0600));
  std::vector<std::string> all = common_arguments(name_, site);
  all.insert(all.end(), arguments.begin(), arguments.end());
  all.emplace_back("serve");
  Spawn spawn;
  spawn.enter(bundle);
  spawn.hand_over(socket, kSocketNumber);
  spawn.open(0, "/dev/null", O_RDONLY, 0);
  spawn.open(1, kShimLog, O_WRONLY | O_CREAT | O_APPEND, 0600);
  spawn.open(2, kShimLog, O_WRONLY | O_APPEND, 0);
  TRY_ASSIGN(pid_t pid, spawn.run(proc_fd_path(file_), all));
  // It is a child that nobody else waits for, so its number is its own.
  Started started;
  TRY_ASSIGN(started.process, PidFd::open(pid));
  TRY_ASSIGN(ProcessStat stat, read_process_stat(pid));
  started.bootstrap = {.version = 3,
                       .address = cat("unix://", site.bundle, "/", kShimSocket),
                       .protocol = "ttrpc",
                       .program = {},
                       .pid = pid,
                       .start_time = stat.start_time};
  return started;
}

Result<Bootstrap> start_foreign(const ShimSite& site, const Fd& bundle, const std::string& program,
                                const std::optional<rpc::Any>& options,
                                std::chrono::milliseconds limit) {
  // containerd reads the shim's log from a fifo of that name, which the shim waits for. With a file
  // it neither waits nor does it matter whether an engine is there.
  TRY(open_at(bundle, "log", O_WRONLY | O_CREAT, 0600));
  SpawnOptions action = foreign_action(site, program, "start", limit);
  std::string input = options ? rpc::encode(*options) : "";
  action.input = input;
  TRY_ASSIGN(SpawnOutput output, run_action(action));
  auto bootstrap = parse_start_output(output.output);
  if (!bootstrap) {
    return fail(std::move(bootstrap.error().add_context(cat("shim ", program, " start"))));
  }
  bootstrap->program = program;
  return bootstrap;
}

Result<Exit> run_delete(const ShimSite& site, const std::string& program,
                        std::chrono::milliseconds limit) {
  SpawnOptions action = foreign_action(site, program, "delete", limit);
  // One that goes on without its engine would end what the next engine makes of that name.
  action.dies_with_caller = true;
  TRY_ASSIGN(SpawnOutput output, run_action(action));
  TRY_ASSIGN(auto deleted, rpc::decode<rpc::task::DeleteResponse>(output.output));
  return Exit{deleted.exit_status, deleted.exited_at.value_or(rpc::timestamp_now())};
}

bool kill_shim(const Bootstrap& bootstrap, std::chrono::milliseconds limit) {
  if (bootstrap.pid <= 0) return false;
  auto process = PidFd::open(bootstrap.pid);
  if (!process) return false;
  // Looked at after it was opened: a number that has come to mean another process is found out.
  auto stat = read_process_stat(bootstrap.pid);
  if (!stat || stat->start_time != bootstrap.start_time) return false;
  if (!process->send_signal(SIGKILL)) return false;
  std::ignore = process->wait_exit(static_cast<int>(limit.count()));  // a hung one dies later
  return true;
}

}  // namespace dhow::task
