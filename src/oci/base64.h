// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dhow::oci {

// RFC 4648, section 4, with padding; the URL alphabet of section 5 with `url`.
std::string base64_encode(std::string_view bytes, bool url = false);
// Either alphabet, with padding or without; none for anything else.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace dhow::oci
