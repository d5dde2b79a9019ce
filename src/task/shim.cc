// SPDX-License-Identifier: Apache-2.0
#include "task/shim.h"

#include <sys/socket.h>

#include <cerrno>

#include "base/strings.h"
#include "sys/process.h"
#include "sys/unix_socket.h"

namespace dhow::task {

Result<std::shared_ptr<Shim>> Shim::connect(rpc::EventThread& thread, const Key& key,
                                            Bootstrap bootstrap) {
  std::string_view path = bootstrap.address;
  constexpr std::string_view kUnix = "unix://";
  if (path.starts_with(kUnix)) path.remove_prefix(kUnix.size());
  // Not blocking: a backlog may be full, of a shim that does not accept.
  auto socket = connect_unix(kCwd, path, SOCK_STREAM | SOCK_NONBLOCK);
  if (!socket) {
    Code code =
        socket.error().sys_errno() == EAGAIN ? Code::kResourceExhausted : Code::kUnavailable;
    return fail(code, cat("shim of ", key.id, ": ", socket.error().message()));
  }
  TRY_ASSIGN(auto client, rpc::Client::open(thread, std::move(*socket), key.name_space));
  return std::shared_ptr<Shim>(new Shim(key, std::move(bootstrap), std::move(client)));
}

void Shim::learn_pid(std::chrono::milliseconds limit) {
  auto answer = call<rpc::task::ConnectResponse>(rpc::task::ConnectRequest{key_.id}, limit);
  if (!answer || answer->shim_pid == 0) return;
  auto pid = static_cast<pid_t>(answer->shim_pid);
  auto stat = read_process_stat(pid);
  if (!stat) return;
  bootstrap_.pid = pid;
  bootstrap_.start_time = stat->start_time;
}

bool Shim::fall_back(const Error& error) {
  if (error.code() != Code::kUnimplemented || bootstrap_.version != 3) return false;
  bootstrap_.version = 2;
  return true;
}

}  // namespace dhow::task
