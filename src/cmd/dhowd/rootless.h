// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"

namespace dhow::dhowd {

// Takes this process, of an ordinary user, into a user namespace where it is root and has the
// user's subordinate ids, and into a mount namespace (user_namespaces(7)). When shims of the engine
// with this state folder live, or the keeper of its network, it is the user namespace that they are
// in: who is beside it may do nothing to their containers. Single-threaded callers only. Blocks;
// runs newuidmap(1) and newgidmap(1). kFailedPrecondition says what is missing, and how to get it.
Status enter_user_namespace(const std::string& state);

}  // namespace dhow::dhowd
