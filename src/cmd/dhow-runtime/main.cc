// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/strings.h"
#include "runtime/cli/app.h"
#include "runtime/self_seal.h"

namespace {

// A caller may have closed some of the standard streams. What is opened next would get their
// numbers, and become the input or the output of the container.
bool fill_standard_streams() {
  for (int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(number, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is this one: those before it are open by now.
    if (open("/dev/null", O_RDWR) != number) return false;
  }
  return true;
}

int report_start_failure(const dhow::Error& error) {
  std::string line = dhow::cat("dhow-runtime: ", error.message(), "\n");
  std::ignore = write(STDERR_FILENO, line.data(), line.size());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (!fill_standard_streams()) return 1;
  if (auto sealed = dhow::runtime::seal_self(argv); !sealed) {
    return report_start_failure(sealed.error());
  }
  std::vector<std::string_view> command_line(argv, argv + argc);
  return dhow::runtime::cli::run_program(command_line, {});
}
