// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "client/endpoint.h"
#include "sys/fd.h"

namespace dhow::client {

// A connection to an engine that is reached by a program: `ssh HOST dhow system dial-stdio`, or
// dhow-tls. It is a child of ours, in a session of its own so that no key that is typed ends it,
// and goes with us. Blocks until dhow-tls has made its handshake; what ssh has to say it says on
// standard error. kUnauthenticated or kUnavailable with dhow-tls's reason.
Result<Fd> open_tunnel(const Endpoint& endpoint);

// The program of that name beside this one, or in $PATH; "": there is none.
std::string find_program(std::string_view name);

}  // namespace dhow::client
