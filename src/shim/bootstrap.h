// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace dhow::shim {

// The command line of a shim, as containerd gives it (docs/runtime-v2 of containerd).
struct CommandLine {
  std::string name_space;
  std::string address;  // of the engine
  std::string publish_binary;
  std::string id;
  std::string bundle;  // empty: the working folder
  std::string runtime_root;
  std::string action;  // start, delete, serve, io; or empty
  std::vector<std::string> rest;
  bool debug = false;
  bool info = false;
  bool version = false;
};

// One dash or two, a value after a blank or "=". kInvalidArgument names the flag.
Result<CommandLine> parse_command_line(const std::vector<std::string_view>& arguments);

// The `start` action: finds the shim of the container's group, or starts one, and gives what is to
// be printed: where it listens. `input` is what came on standard input.
Result<std::string> start_action(const CommandLine& command_line, const std::string& input);
// The `delete` action, when a shim has died: ends its container and gives the encoded
// DeleteResponse.
Result<std::string> delete_action(const CommandLine& command_line);
// What -info prints: an encoded RuntimeInfo.
std::string runtime_info();

// The socket of a group: the same for the same daemon, namespace and group or id.
std::string socket_path(std::string_view folder, std::string_view daemon,
                        std::string_view name_space, std::string_view group);

}  // namespace dhow::shim
