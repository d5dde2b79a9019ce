// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace dhow::unpack {

// A content as one gzip member or zstd frame.
std::string gzip(const std::string& content);
std::string zstd(const std::string& content);

}  // namespace dhow::unpack
