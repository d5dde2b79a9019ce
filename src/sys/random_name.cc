// SPDX-License-Identifier: Apache-2.0
#include "sys/random_name.h"

#include <sys/random.h>

#include <array>
#include <cerrno>

#include "base/strings.h"

namespace dhow {

Result<std::string> random_name() {
  std::array<char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return fail_errno(errno, "make a random name");
  }
  return hex_text({bytes.data(), bytes.size()});
}

}  // namespace dhow
