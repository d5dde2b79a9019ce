// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "oci/json.h"
#include "oci/json_value.h"

namespace dhow::oci {

// Writes a value that was read as it is, so that what we know nothing of is passed on. A fraction
// is written with as many digits as it takes to read the same.
void copy_value(JsonWriter& out, JsonValue value);

// The same as a text of its own.
std::string value_json(JsonValue value);

}  // namespace dhow::oci
