// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "logging/reader.h"

namespace dhow::logging {

// One line of a file, without its newline. nullopt when it is not of the format. Never allocates
// more than a few times the line.
std::optional<Line> parse_json_line(std::string_view text);
std::optional<Line> parse_cri_line(std::string_view text);

}  // namespace dhow::logging
