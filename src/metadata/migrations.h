// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

namespace dhow::metadata {

// Number N brings version N of the schema to N + 1: the files of migrations/, in their order.
extern const std::span<const char* const> kMigrations;

}  // namespace dhow::metadata
