// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "oci/config.h"

namespace dhow::oci {

// The version of the OCI runtime specification that is implemented and announced.
inline constexpr char kOciVersion[] = "1.3.0";

// What the specification calls the state of a container (runtime.md, "State").
struct State {
  std::string id;
  std::string status;  // creating, created, running or stopped
  std::string bundle;  // absolute path
  pid_t pid = 0;       // of the init process, as the host sees it; 0: there is none (left out)
  StringMap annotations;
};

// The state as one line of JSON without a newline: what a hook reads on its standard input.
std::string state_json(const State& state);

// The message for the agent behind `listenerPath`, as one line of JSON without a newline: the
// "container process state" of config-linux.md. `pid` is the process that loads the filter, as the
// host sees it. The one file descriptor sent along is the notify descriptor of seccomp.
std::string seccomp_state_json(const State& state, pid_t pid, std::string_view metadata);

}  // namespace dhow::oci
