// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace dhow::engine {

// A document in YAML as JSON, as tools in Go read it: a plain scalar is null, a boolean or a number
// where it looks like one (YAML 1.2, core schema), and any other is a text; the keys of mappings
// are texts. kInvalidArgument with the line, also for several documents in one, and for what would
// grow beyond 2 MiB or 64 levels by its aliases.
Result<std::string> json_of_yaml(std::string_view yaml);

}  // namespace dhow::engine
