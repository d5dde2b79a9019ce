// SPDX-License-Identifier: Apache-2.0
#include "runtime/init/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "sys/unix_socket.h"

namespace dhow::init {

Status give_terminal(const Fd& console_socket, const rootfs::Rootfs::Console& console,
                     const oci::Process& process) {
  if (process.console_size) {
    struct winsize size{};
    size.ws_row = static_cast<unsigned short>(process.console_size->height);
    size.ws_col = static_cast<unsigned short>(process.console_size->width);
    if (::ioctl(console.slave.get(), TIOCSWINSZ, &size) != 0) {
      return fail_errno(errno, "set console size");
    }
  }
  TRY_CONTEXT(send_message(console_socket, "/dev/ptmx", {console.master}), "console socket");
  if (::ioctl(console.slave.get(), TIOCSCTTY, 0) != 0) {
    return fail_errno(errno, "set controlling terminal");
  }
  for (int stream = 0; stream <= 2; ++stream) {
    if (::dup2(console.slave.get(), stream) < 0) return fail_errno(errno, "set standard streams");
  }
  return {};
}

}  // namespace dhow::init
