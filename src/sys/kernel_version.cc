// SPDX-License-Identifier: Apache-2.0
#include "sys/kernel_version.h"

#include <sys/utsname.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace dhow {
namespace {

// "5.10.0-28-amd64" as 5, 10.
std::pair<int, int> parse_version(std::string_view text) {
  int parts[2] = {0, 0};
  for (int& part : parts) {
    std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    part = parse_number<int>(text.substr(0, digits)).value_or(0);
    text.remove_prefix(std::min(digits + 1, text.size()));
  }
  return {parts[0], parts[1]};
}

}  // namespace

bool kernel_is_at_least(std::string_view version) {
  utsname name{};
  return ::uname(&name) == 0 && parse_version(name.release) >= parse_version(version);
}

}  // namespace dhow
