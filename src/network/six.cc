// SPDX-License-Identifier: Apache-2.0
#include "network/six.h"

#include <tuple>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::network {
namespace {

std::string setting(std::string_view interface, std::string_view name) {
  return cat("/proc/sys/net/ipv6/conf/", interface, "/", name);
}

}  // namespace

Status allow_six(std::string_view interface) {
  TRY(write_existing(setting(interface, "accept_dad"), "0"));
  TRY(write_existing(setting(interface, "accept_ra"), "0"));
  return write_existing(setting(interface, "disable_ipv6"), "0");
}

void forbid_six(std::string_view interface) {
  // A kernel without IPv6 has none of it.
  std::ignore = write_existing(setting(interface, "disable_ipv6"), "1");
}

}  // namespace dhow::network
