// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace dhow::logging {

// Starts a program that carries bytes to somewhere, with one end of a socket pair as its standard
// input; the result is the other end, which does not block. The program is nobody's child, so that
// it can bring away what was given to it when the caller has ended. For callers with one thread.
Result<Fd> open_tunnel(const std::vector<std::string>& arguments);

}  // namespace dhow::logging
