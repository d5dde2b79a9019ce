// SPDX-License-Identifier: Apache-2.0
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "runtime/seccomp/names.h"
#include "runtime/seccomp/seccomp.h"
#include "sys/unix_socket.h"

namespace dhow::seccomp {
namespace {

int set_filter(unsigned flags, const sock_fprog* program) {
  return static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program));
}

// The kernel looks at the flags before it reads the program, so an unreadable program tells whether
// it knows them. A flag that is good only with a listener is asked about with one.
bool kernel_takes(unsigned flag) {
  if (flag == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) flag |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
  return set_filter(flag, nullptr) < 0 && errno == EFAULT;
}

unsigned without_unsupported(unsigned flags) {
  unsigned kept = 0;
  for (unsigned bit = 1; bit != 0 && bit <= flags; bit <<= 1) {
    if ((flags & bit) != 0 && kernel_takes(bit)) kept |= bit;
  }
  return kept;
}

std::string names_of_flags(unsigned flags) {
  std::vector<std::string> names;
  for (std::string& name : known_flags()) {
    if ((flag_bit(name).value_or(0) & flags) != 0) names.push_back(std::move(name));
  }
  return names.empty() ? cat(flags) : join(names, ", ");
}

std::unexpected<Error> load_error(int error, bool notify) {
  std::string what = "load seccomp filter";
  if (error == EACCES) what += " (needs CAP_SYS_ADMIN or no_new_privs)";
  if (error == EBUSY && notify) what += " (the process has a listener already)";
  return fail_errno(error, what);
}

}  // namespace

Result<std::optional<Fd>> load(const Program& program) {
  const sock_fprog code{static_cast<unsigned short>(program.instructions.size()),
                        const_cast<sock_filter*>(program.instructions.data())};
  const unsigned listener = program.notify ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0U;
  unsigned flags = program.flags;
  int result = set_filter(flags | listener, &code);
  if (result < 0 && errno == EINVAL) {
    flags = without_unsupported(flags);
    if (program.notify && !kernel_takes(listener)) {
      return fail(Code::kUnimplemented,
                  "load seccomp filter: the kernel has no user notification (Linux 5.0)");
    }
    if (program.flags_required && flags != program.flags) {
      return fail(Code::kUnimplemented, cat("load seccomp filter: the kernel does not support ",
                                            names_of_flags(program.flags & ~flags)));
    }
    errno = EINVAL;  // the probes changed it
    if (flags != program.flags) result = set_filter(flags | listener, &code);
  }
  if (result < 0) return load_error(errno, program.notify);
  if (!program.notify) return std::optional<Fd>();
  return std::optional<Fd>(Fd(result));  // the kernel made it close-on-exec
}

Status send_to_agent(const std::string& listener_path, FdRef listener,
                     std::string_view state_json) {
  if (listener_path.empty()) {
    return fail(Code::kInvalidArgument, "seccomp listenerPath is not set");
  }
  auto socket = connect_unix(kCwd, listener_path, SOCK_STREAM);
  if (!socket) {
    return fail(std::move(socket).error().add_context(
        "failed to connect with seccomp agent specified in the seccomp profile"));
  }
  TRY_CONTEXT(send_message(*socket, state_json, {listener}),
              cat("send seccomp listener to ", quoted(listener_path)));
  return {};
}

std::vector<std::string> supported_flags() {
  std::vector<std::string> supported;
  for (std::string& name : known_flags()) {
    const unsigned bit = flag_bit(name).value_or(0);
    if (bit == 0 || kernel_takes(bit)) supported.push_back(std::move(name));
  }
  return supported;
}

}  // namespace dhow::seccomp
