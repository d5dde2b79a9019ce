// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "oci/config_codec.h"
#include "oci/validate.h"

namespace {

using dhow::Code;

void require(bool condition) {
  if (!condition) std::abort();
}

// A fault of what somebody else wrote is that, and says where it is.
template <typename Result>
void check_fault(const Result& result) {
  if (result.has_value()) return;
  const std::string& message = result.error().message();
  require(result.error().code() == Code::kInvalidArgument);
  require(message.starts_with('$') || message.starts_with("invalid JSON at line "));
  require(message.find('\0') == std::string::npos);
}

// What a validated configuration promises to the code that acts on it.
void check_promises(const dhow::oci::Config& config) {
  require(config.root.has_value() && !config.root->path.empty());
  require(config.process.has_value() && !config.process->args.empty());
  require(config.process->cwd.starts_with('/'));
  for (const auto& mount : config.mounts) {
    require(!mount.destination.empty());
    require(mount.destination.find('\0') == std::string::npos);
  }
  for (const auto& [name, value] : config.linux.sysctl) {
    std::string file = dhow::oci::sysctl_file(name);
    require(!file.empty() && ("/" + file + "/").find("/../") == std::string::npos);
  }
  for (const auto& [name, target] : config.linux.net_devices) require(name.size() < 16);
  if (config.linux.resources) {
    for (const auto& [name, value] : config.linux.resources->unified) {
      require(name.find('/') == std::string::npos && !name.starts_with('.'));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto config = dhow::oci::parse_config(text);
  check_fault(config);
  if (config.has_value()) {
    auto status = dhow::oci::validate(*config);
    check_fault(status);
    if (status.has_value()) check_promises(*config);
  }
  auto process = dhow::oci::parse_process(text);
  check_fault(process);
  if (process.has_value()) check_fault(dhow::oci::validate_process(*process, "$"));
  auto resources = dhow::oci::parse_resources(text);
  check_fault(resources);
  if (resources.has_value()) check_fault(dhow::oci::validate_resources(*resources, "$"));
  auto mounts = dhow::oci::parse_mounts(text);
  check_fault(mounts);
  if (mounts.has_value()) check_fault(dhow::oci::validate_mounts(*mounts, "$"));
  return 0;
}
