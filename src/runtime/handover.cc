// SPDX-License-Identifier: Apache-2.0
#include "runtime/handover.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::runtime {
namespace {

Status write_pid_file(const std::string& path, pid_t pid) {
  std::size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  auto dir = open_at(kCwd, folder, O_RDONLY | O_DIRECTORY);
  if (!dir) return fail(std::move(dir).error().add_context("pid file"));
  TRY_CONTEXT(replace_file(*dir, name, cat(pid), 0644), cat("pid file ", quoted(path)));
  return {};
}

Status send_pidfd(const std::string& path, const PidFd& pidfd) {
  auto socket = connect_unix(kCwd, path, SOCK_STREAM);
  if (!socket) return fail(std::move(socket).error().add_context("pidfd socket"));
  TRY_CONTEXT(send_message(*socket, "pidfd", {pidfd.fd()}), "pidfd socket");
  return {};
}

}  // namespace

Status check_console(std::string_view program, bool socket, bool terminal, bool detach) {
  if (detach && terminal && !socket) {
    return fail(Code::kInvalidArgument, cat("cannot allocate tty if ", program,
                                            " will detach without setting console socket"));
  }
  if ((!detach || !terminal) && socket) {
    return fail(Code::kInvalidArgument,
                cat("cannot use console socket if ", program, " will not detach or allocate tty"));
  }
  return {};
}

Result<std::optional<Fd>> connect_console(const std::string& console_socket, int console) {
  if (console >= 0) {
    Fd copy(::fcntl(console, F_DUPFD_CLOEXEC, 3));
    if (!copy) return fail_errno(errno, "copy the console's socket");
    return std::optional(std::move(copy));
  }
  if (console_socket.empty()) return std::optional<Fd>();
  auto socket = connect_unix(kCwd, console_socket, SOCK_STREAM);
  if (!socket) return fail(std::move(socket).error().add_context("console socket"));
  return std::optional(std::move(*socket));
}

Status check_preserved_fds(unsigned count) {
  for (unsigned fd = 3; fd < 3 + count; ++fd) {
    if (::fcntl(static_cast<int>(fd), F_GETFD) < 0) {
      return fail(Code::kInvalidArgument,
                  cat("please check that preserved-fd ", fd, " (of ", count, ") is present"));
    }
  }
  return {};
}

Status announce_process(const std::string& pidfd_socket, const std::string& pid_file, pid_t pid,
                        const PidFd& pidfd) {
  if (!pidfd_socket.empty()) TRY(send_pidfd(pidfd_socket, pidfd));
  if (!pid_file.empty()) TRY(write_pid_file(pid_file, pid));
  return {};
}

void retract_process(const std::string& pid_file) {
  if (!pid_file.empty()) ::unlink(pid_file.c_str());
}

}  // namespace dhow::runtime
