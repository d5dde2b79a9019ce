// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "network/cni/config.h"
#include "network/plugin/records.h"
#include "network/plugin/request.h"

// What runtimes give dhow-cni to read, and what it has written down: names that are accepted can be
// those of files and interfaces, and records are read as they were written.
namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto config = dhow::bridge_plugin::parse_config(text)) {
    require(dhow::cni::is_plain_name(config->name));
    std::string bridge = dhow::bridge_plugin::bridge_of(*config);
    require(!bridge.empty() && bridge.size() < 16 && bridge.find('/') == std::string::npos);
    require(config->folder.starts_with('/'));
    if (config->subnet)
      require(config->gateway && config->subnet->subnet().contains(*config->gateway));
  }
  if (auto record = dhow::bridge_plugin::parse_record(text)) {
    std::string written = dhow::bridge_plugin::record_text(*record);
    auto again = dhow::bridge_plugin::parse_record(written);
    require(again.has_value());
    require(dhow::bridge_plugin::record_text(*again) == written);
  }
  return 0;
}
