// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <tuple>

#include "network/cni/cache.h"
#include "network/cni/config.h"
#include "network/cni/plugin.h"
#include "network/cni/result.h"
#include "oci/json_value.h"

// Configurations, results, errors and cached attachments of CNI: what is accepted is written as a
// text that is accepted, and says the same.
namespace {

using namespace dhow::cni;  // NOLINT

void require(bool condition) {
  if (!condition) std::abort();
}

void try_network(std::string_view text) {
  auto network = parse_network(text);
  if (!network) return;
  require(is_plain_name(network->name) && is_known(network->version));
  std::string written = network_text(*network);
  auto again = parse_network(written);
  require(again.has_value());
  require(network_text(*again) == written);
  for (const PluginConfig& plugin : network->plugins) {
    require(plugin.type.find('/') == std::string::npos && !plugin.type.empty());
    PluginInput input;
    input.previous = "{}";
    for (const std::string& name : plugin.capabilities) input.capabilities[name] = "1";
    require(dhow::oci::JsonDocument::parse(plugin_input(*network, plugin, input)).has_value());
  }
}

void try_result(std::string_view text) {
  auto result = parse_result(text);
  if (!result) return;
  for (const Version& version : known_versions()) {
    std::string written = result_text(*result, version);
    auto again = parse_result(written);
    require(again.has_value());
    require(result_text(*again, version) == written);
  }
}

void try_cached(std::string_view text) {
  auto cached = parse_cached(text);
  if (!cached) return;
  std::string written = cache_text(*cached);
  auto again = parse_cached(written);
  require(again.has_value());
  require(cache_text(*again) == written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  try_network(text);
  try_result(text);
  try_cached(text);
  if (auto error = parse_plugin_error(text)) require(!error->text().empty());
  std::ignore = parse_versions(text);
  return 0;
}
