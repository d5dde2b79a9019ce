// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/result.h"

namespace dhow::engine {

// What is asked of a container can't be: `why` names the field and the reason.
inline std::unexpected<Error> invalid(std::string why) {
  return fail(Code::kInvalidArgument, std::move(why));
}

}  // namespace dhow::engine
