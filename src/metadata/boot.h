// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace dhow::metadata {

// Names this boot of the machine (/proc/sys/kernel/random/boot_id), for the `boot` columns: what
// was written during another boot and never synced may be damaged. Read once; thread safe.
const std::string& boot_id();

}  // namespace dhow::metadata
