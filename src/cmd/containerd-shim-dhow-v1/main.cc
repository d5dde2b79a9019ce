// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/strings.h"
#include "runtime/self_seal.h"
#include "shim/bootstrap.h"
#include "shim/serve.h"
#include "sys/file_io.h"

namespace {

using dhow::Result;
using dhow::shim::CommandLine;

int fail_with(const dhow::Error& error) {
  std::string line = dhow::cat("containerd-shim-dhow-v1: ", error.message(), "\n");
  std::ignore = write(STDERR_FILENO, line.data(), line.size());
  return 1;
}

// A caller may have closed some of the standard streams; what is opened next would get their
// numbers.
bool fill_standard_streams() {
  for (int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(number, F_GETFD) >= 0 || errno != EBADF) continue;
    if (open("/dev/null", O_RDWR) != number) return false;
  }
  return true;
}

int print(const Result<std::string>& text) {
  if (!text) return fail_with(text.error());
  auto written = dhow::write_all(dhow::FdRef(STDOUT_FILENO), *text);
  return written ? 0 : fail_with(written.error());
}

int finish(const dhow::Status& status) {
  int code = status ? 0 : fail_with(status.error());
  // Without destructors of what is static: nothing of it outlives the process.
  _exit(code);
}

int run(const CommandLine& command_line) {
  if (command_line.version) return print(std::string("containerd-shim-dhow-v1 " DHOW_VERSION "\n"));
  if (command_line.info) return print(dhow::shim::runtime_info());
  if (command_line.action == "start") {
    constexpr std::size_t kMostInput = std::size_t{1} << 20;
    auto input = dhow::read_all(dhow::FdRef(STDIN_FILENO), kMostInput);
    return print(dhow::shim::start_action(command_line, input.value_or("")));
  }
  if (command_line.action == "delete") return print(dhow::shim::delete_action(command_line));
  if (command_line.action == "serve") return finish(dhow::shim::serve(command_line));
  bool is_keeper = command_line.action == "io" && command_line.rest.size() == 1;
  if (is_keeper) return finish(dhow::shim::keep_streams(command_line.rest[0]));
  return fail_with(
      dhow::Error(dhow::Code::kInvalidArgument, "expected start, delete, serve, or io with a URI"));
}

}  // namespace

int main(int argc, char** argv) {
  if (!fill_standard_streams()) return 1;
  if (auto sealed = dhow::runtime::seal_self(argv); !sealed) return fail_with(sealed.error());
  std::vector<std::string_view> arguments(argv, argv + argc);
  auto command_line = dhow::shim::parse_command_line(arguments);
  if (!command_line) return fail_with(command_line.error());
  return run(*command_line);
}
