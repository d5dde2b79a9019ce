// SPDX-License-Identifier: Apache-2.0
#include "task/shim_process.h"

#include <fcntl.h>
#include <signal.h>
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
  TRY_ASSIGN(std::unique_ptr<Launcher> launcher, Launcher::make(file));
  return ShimImage(std::move(name), std::move(launcher));
}

Result<ShimImage::Started> ShimImage::start(const ShimSite& site, const Fd& bundle,
                                            const std::vector<std::string>& arguments) const {
  TRY_ASSIGN(Fd socket, listen_unix(bundle, kShimSocket, SOCK_STREAM, 0600));
  std::vector<std::string> all = common_arguments(name_, site);
  all.insert(all.end(), arguments.begin(), arguments.end());
  all.emplace_back("serve");
  auto launched = launcher_->start({bundle, socket, kShimLog}, all);
  if (!launched) return fail(std::move(launched).error().add_context("start shim"));
  pid_t pid = *launched;
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
