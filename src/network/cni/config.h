// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "network/cni/capabilities.h"
#include "network/cni/version.h"

namespace dhow::cni {

// One plugin of a network.
struct PluginConfig {
  std::string type;  // name of its program
  // Capabilities that it says it has.
  std::set<std::string> capabilities;
  std::string text;  // its JSON object, with all that we do not know
};

// A network: plugins that are called one after another (CNI specification 1.1, section 1).
struct NetworkConfig {
  std::string name;
  // That it is to be spoken with, of those in `versions` the newest that we know.
  Version version = kOldest;
  std::vector<Version> versions;  // the oldest first
  bool disable_check = false;
  bool disable_gc = false;
  std::vector<PluginConfig> plugins;
};

// Reads a network's configuration: a list (.conflist), or one plugin, which is a list of one
// (.conf, .json). Plugins of files of their own are not looked for. kInvalidArgument with the place
// of the fault.
Result<NetworkConfig> parse_network(std::string_view json);

// Reads the file, and what is in the folder of the network's name beside it (*.conf, unless
// loadOnlyInlinedPlugins is set). Blocks; files above 1 MiB are refused.
Result<NetworkConfig> load_network(const std::string& path);

// The files *.conf, *.conflist and *.json of a folder, in the order of their names; none when there
// is no such folder.
Result<std::vector<std::string>> network_files(const std::string& folder);

// The first network of that name in the folder ("": the first of all). A file that cannot be read
// is in the way only when no other is that network. kNotFound.
Result<NetworkConfig> find_network(const std::string& folder, std::string_view name);

// The network as a list that stands for itself: with all of its plugins, loadOnlyInlinedPlugins
// set.
std::string network_text(const NetworkConfig& config);

// What the specification lets be the name of a network or of a container: letters, digits, "_",
// "." and "-", and a letter or digit in front.
bool is_plain_name(std::string_view text);
// What the kernel lets be the name of an interface.
bool is_interface_name(std::string_view text);

// What a plugin is given beside its own configuration.
struct PluginInput {
  std::string previous;  // JSON text of the result before it; "": none
  CapabilityArgs capabilities;
  // "cni.dev/valid-attachments" of GC as a JSON text; "": none.
  std::string valid_attachments;
};

// What a plugin reads from its standard input.
std::string plugin_input(const NetworkConfig& network, const PluginConfig& plugin,
                         const PluginInput& input);

}  // namespace dhow::cni
