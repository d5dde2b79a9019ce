// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "oci/json.h"
#include "oci/json_value.h"

namespace dhow::cni {

// Writes a value that was read as it is: what a configuration holds that we do not know goes to
// the plugin all the same. A fraction is written with as many digits as it takes to read the same.
void write_value(oci::JsonWriter& out, oci::JsonValue value);

// The same as a text of its own.
std::string value_text(oci::JsonValue value);

}  // namespace dhow::cni
