// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "cli/flags.h"
#include "oci/json.h"

namespace dhow::cli {

// Writes the member IPAM of a network that is to be made: one pool for each --subnet, with the
// --ip-range, --gateway and --aux-address that lie in it. kInvalidArgument in docker's words.
Status write_pools(const Arguments& arguments, oci::JsonWriter& json);

}  // namespace dhow::cli
