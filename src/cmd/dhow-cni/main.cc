// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <tuple>

#include "network/plugin/plugin.h"
#include "sys/file_io.h"

namespace {

std::string variable(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

int main() {
  constexpr std::size_t kMaxInput = std::size_t{4} << 20;
  dhow::bridge_plugin::Environment environment;
  environment.command = variable("CNI_COMMAND");
  environment.container = variable("CNI_CONTAINERID");
  environment.netns = variable("CNI_NETNS");
  environment.interface = variable("CNI_IFNAME");
  environment.args = variable("CNI_ARGS");
  environment.path = variable("CNI_PATH");
  if (environment.command.empty()) {
    constexpr std::string_view kAbout =
        "dhow-cni: a plugin for container networks (CNI), called by a container engine\n";
    std::ignore = dhow::write_all(dhow::FdRef(STDERR_FILENO), kAbout);
    return 1;
  }
  auto input = dhow::read_all(dhow::FdRef(STDIN_FILENO), kMaxInput);
  auto answer = dhow::bridge_plugin::run(environment, input.value_or(""));
  if (!dhow::write_all(dhow::FdRef(STDOUT_FILENO), answer.output)) return 1;
  return answer.exit_code;
}
