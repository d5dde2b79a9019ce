// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "network/plugin/request.h"

namespace dhow::bridge_plugin {

struct Answer {
  int exit_code = 0;
  std::string output;  // for the standard output
};

// One call of the plugin `dhow-cni`: a bridge with its addresses, masquerading and published ports,
// by messages to the kernel alone. Blocks on the kernel, on other calls for the same folder, and on
// the plugin that gives addresses where the configuration names one. A death at any moment leaves
// what a DEL takes away.
Answer run(const Environment& environment, std::string_view input);

}  // namespace dhow::bridge_plugin
