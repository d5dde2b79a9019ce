// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <tuple>

#include "base/log.h"
#include "base/strings.h"
#include "cmd/dhowd/daemon.h"
#include "cmd/dhowd/log_lines.h"
#include "cmd/dhowd/options.h"
#include "cmd/dhowd/rootless.h"
#include "sys/file_io.h"

namespace {

int report(const dhow::Error& error) {
  std::ignore =
      dhow::write_all(dhow::FdRef(STDERR_FILENO), dhow::cat("dhowd: ", error.message(), "\n"));
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  dhow::dhowd::Parsed parsed = dhow::dhowd::parse_command_line(argc, argv);
  if (parsed.exit_code) return *parsed.exit_code;
  auto configuration = dhow::dhowd::load_configuration(parsed.line);
  if (!configuration) return report(configuration.error());
  if (parsed.line.check) {
    std::ignore = dhow::write_all(dhow::FdRef(STDOUT_FILENO), "configuration OK\n");
    return 0;
  }
  if (::geteuid() != 0) {
    auto entered = dhow::dhowd::enter_user_namespace(configuration->engine.state);
    if (!entered) return report(entered.error());
    configuration->group.clear();  // its number means nothing here
  }
  dhow::dhowd::start_log(configuration->log_level, configuration->json_log);
  dhow::Status served = dhow::dhowd::serve(*configuration, parsed.line);
  return served ? 0 : report(served.error());
}
