// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/cli/personality.h"
#include "runtime/runtime.h"

// What the commands print, as text: no input or output happens here.
namespace dhow::runtime::cli {

// Rows of cells in aligned columns, two styles: as runc each column is at least 12 wide with 3
// blanks between, the last one ragged.
std::string align_columns(std::span<const std::vector<std::string>> rows);

// The state of one container. `owner` is the user name (runc leaves it empty here).
std::string state_json(Style style, const ContainerInfo& container, std::string_view owner);

// The list of containers as one JSON array; `owners` has a name for each.
std::string list_json(Style style, std::span<const ContainerInfo> containers,
                      std::span<const std::string> owners);
std::string list_table(Style style, std::span<const ContainerInfo> containers,
                       std::span<const std::string> owners);

// An array of process ids.
std::string pids_json(Style style, std::span<const pid_t> pids);

// The lines of a table printed by ps(1) whose PID column names one of `pids`, with its header.
Result<std::string> filter_ps(std::string_view table, std::span<const pid_t> pids);

// The name of a user in a passwd(5) text, or "#<uid>".
std::string user_name(std::string_view passwd, std::uint32_t uid);

}  // namespace dhow::runtime::cli
