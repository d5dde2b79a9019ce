// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oci/config.h"

namespace dhow::engine {

// The user that a container's processes run as, and its home.
struct ContainerUser {
  oci::User user;
  std::string home = "/";
};

// Reads "user", "user:group", by names or numbers ("": root), by the files of the container's root
// (contents of /etc/passwd and /etc/group; "": there is none), with further groups. A name that is
// not there is kInvalidArgument in docker's words. Blocks on nothing.
Result<ContainerUser> resolve_user(std::string_view text, std::string_view passwd,
                                   std::string_view group, const std::vector<std::string>& more);

}  // namespace dhow::engine
