// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/volumes.h"
#include "oci/json.h"

namespace dhow::api::docker {

// Docker's Volume; with UsageData when its size was measured.
void write_volume(oci::JsonWriter& json, const engine::VolumeInfo& volume);

}  // namespace dhow::api::docker
