// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <tuple>

#include "base/log.h"
#include "base/strings.h"
#include "cmd/dhowd/daemon.h"
#include "cmd/dhowd/log_lines.h"
#include "cmd/dhowd/options.h"
#include "cmd/dhowd/rootless.h"
#include "engine/programs.h"
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
    // Before: where this program is cannot be told in another mount namespace once nobody is in the
    // one that it was started in.
    dhow::engine::EngineOptions& options = configuration->engine;
    options.shim = dhow::engine::find_program(options.shim, "containerd-shim-dhow-v1");
    options.init = dhow::engine::find_program(options.init, "dhow-init");
    options.network_keeper = dhow::engine::find_program(options.network_keeper, "dhow-net");
    auto entered = dhow::dhowd::enter_user_namespace(configuration->engine.state);
    if (!entered) return report(entered.error());
    options.is_rootless = true;
    configuration->group.clear();  // its number means nothing here
  }
  dhow::dhowd::start_log(configuration->log_level, configuration->json_log);
  dhow::Status served = dhow::dhowd::serve(*configuration, parsed.line);
  return served ? 0 : report(served.error());
}
