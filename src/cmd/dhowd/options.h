// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "engine/engine.h"
#include "tls/tls.h"

namespace dhow::dhowd {

// What the daemon is told by its configuration: a file, and the command line over it.
struct Configuration {
  engine::EngineOptions engine;
  std::vector<std::string>
      hosts;  // "unix:///path", "tcp://10.0.0.1:2376"; empty: STATE/docker.sock
  // Of tcp:// addresses. Not said: there has to be TLS; false: there is none, and whoever reaches
  // the address is as good as root.
  std::optional<bool> tls;
  bool tls_verify = false;  // clients must show a certificate of the authority
  tls::Files tls_files;
  std::string group = "docker";  // of the socket; used where there is such a group
  log::Level log_level = log::Level::kInfo;
  bool json_log = false;
  std::vector<std::string> insecure_registries;
  bool strict_layers = false;                 // as engine::ImagesOptions::strict_layers
  std::vector<std::string> registry_folders;  // as /etc/containerd/certs.d
};

// What the command line says.
struct CommandLine {
  std::string file;  // "": the default one, which may be missing
  std::string root;
  std::string state;
  std::vector<std::string> hosts;
  std::string log_level;
  std::optional<bool> tls;
  bool tls_verify = false;
  tls::Files tls_files;
  int idle_exit = 0;  // seconds; 0: never
  int ready_fd = -1;
  bool check = false;
};

// The arguments; or the code to exit with, when all is said: --help, --version, a fault.
struct Parsed {
  CommandLine line;
  std::optional<int> exit_code;
};
Parsed parse_command_line(int argc, char** argv);

// The defaults, the file and the command line put together. Faults are kInvalidArgument with file,
// key and reason.
Result<Configuration> load_configuration(const CommandLine& line);

// Checks what is said of TLS for a socket of the network, and fills in what follows from it.
// `what`: the socket, for messages. Who has sockets passed to it calls this as well.
Status settle_network(Configuration& out, std::string_view what);

// Puts what a file says over what is there. `file` is its path, for messages.
Status read_configuration(std::string_view text, const std::string& file, Configuration& out);

}  // namespace dhow::dhowd
