// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/result.h"

namespace dhow::unpack {

// Bytes that come in pieces. One reader, one thread at a time; a call may block for the network.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // The next piece, valid until the next call; "" at the end, and again after it. A failure is
  // final.
  virtual Result<std::string_view> next() = 0;
  // Whether the end comes only after all bytes were found to have the digest that was asked for:
  // the reader need not hash them again.
  virtual bool is_verified() const { return false; }
};

}  // namespace dhow::unpack
