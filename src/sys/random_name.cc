// SPDX-License-Identifier: Apache-2.0
#include "sys/random_name.h"

#include <sys/random.h>

#include <array>
#include <cerrno>

#include "base/strings.h"

namespace dhow {

namespace {

template <std::size_t kSize>
Result<std::string> random_digits() {
  std::array<char, kSize> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return fail_errno(errno, "make a random name");
  }
  return hex_text({bytes.data(), bytes.size()});
}

}  // namespace

Result<std::string> random_name() { return random_digits<16>(); }

Result<std::string> random_id() { return random_digits<32>(); }

}  // namespace dhow
