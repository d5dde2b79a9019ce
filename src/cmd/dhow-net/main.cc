// SPDX-License-Identifier: Apache-2.0
// The network of a rootless engine (docs/networks.md); run by dhowd.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <string>
#include <tuple>

#include "base/strings.h"
#include "network/rootless/keeper.h"
#include "sys/file_io.h"
#include "sys/process.h"

namespace {

using dhow::Fd;
using dhow::FdRef;

int complain(std::string_view what) {
  std::ignore = dhow::write_all(FdRef(STDERR_FILENO), dhow::cat("dhow-net: ", what, "\n"));
  return 1;
}

// Belongs to no terminal, and keeps nothing open of who has started it.
void leave_caller() {
  ::setsid();
  std::ignore = ::chdir("/");
  Fd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing.get(), stream);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4 || std::string_view(argv[1]) != "keep") {
    return complain("keeps the network of a rootless engine, and is run by dhowd");
  }
  std::string uplink = argc == 4 ? argv[3] : "";
  auto pipe = dhow::make_pipe();
  if (!pipe) return complain(pipe.error().message());
  auto child = dhow::clone_process({.flags = CLONE_NEWPID, .want_pidfd = false});
  if (!child) return complain(child.error().message());
  if (child->pid == 0) {
    pipe->read.reset();
    leave_caller();
    // Without destructors: the forwarder's thread never ends.
    ::_exit(dhow::network::rootless::keep_network(argv[2], uplink, std::move(pipe->write)) ? 0 : 1);
  }
  pipe->write.reset();
  std::string answer = dhow::read_all(pipe->read).value_or("");
  if (answer == "ok") return 0;
  return complain(answer.empty() ? "it ended at once" : answer);
}
