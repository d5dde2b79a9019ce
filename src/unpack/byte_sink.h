// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/result.h"

namespace dhow::unpack {

// Takes bytes in pieces, in their order. One writer, one thread at a time; a call may block.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual Status write(std::string_view piece) = 0;
};

}  // namespace dhow::unpack
