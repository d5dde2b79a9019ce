// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace dhow::cli {

// SHA-256 (FIPS 180-4) of a text, in hexadecimal. For names: docker's folders of contexts have
// such. Our own, as OpenSSL's, which the engine uses for content, would triple the size of a
// program that hashes a word now and then.
std::string sha256_hex(std::string_view text);

}  // namespace dhow::cli
