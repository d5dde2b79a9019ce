// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oci/config.h"
#include "oci/json_reader.h"

// The decoders of the parts of a configuration, one overload a type. Private to this folder: the
// door is config_codec.h.
namespace dhow::oci {

void decode(const JsonReader& in, IdMapping& out);
void decode(const JsonReader& in, Mount& out);
void decode(const JsonReader& in, Process& out);
void decode(const JsonReader& in, Resources& out);
void decode(const JsonReader& in, Seccomp& out);
void decode(const JsonReader& in, Linux& out);
void decode(const JsonReader& in, Config& out);

}  // namespace dhow::oci
