// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"

namespace dhow::client {

// Starts this user's engine, which ends by itself when it has been idle, and blocks until it
// listens. Its program `dhowd` is looked for beside the caller's own, then in $PATH. Its standard
// error goes to dhowd.log in the folder of the socket, which is made when it is missing. When
// another one is starting at the same time, that one may be what listens in the end: success is to
// be checked by connecting.
Status start_engine(const std::string& socket_path);

}  // namespace dhow::client
