// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dhow::daemon_test {

// A document that a web server has, as seen from the calling thread's network namespace; or why
// there is none.
std::string answer_at(const std::string& address, std::uint16_t port, std::string_view path = "/");

}  // namespace dhow::daemon_test
