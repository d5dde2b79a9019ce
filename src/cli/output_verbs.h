// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <span>

#include "base/result.h"
#include "cli/rows.h"
#include "cli/session.h"

// Handlers of the commands that show what there is.
namespace dhow::cli {

Result<int> run_ps(Session& session, const Arguments& arguments);
Result<int> run_logs(Session& session, const Arguments& arguments);
Result<int> run_inspect(Session& session, const Arguments& arguments);
Result<int> run_inspect_container(Session& session, const Arguments& arguments);
Result<int> run_inspect_image(Session& session, const Arguments& arguments);
Result<int> run_inspect_network(Session& session, const Arguments& arguments);
Result<int> run_inspect_volume(Session& session, const Arguments& arguments);
Result<int> run_top(Session& session, const Arguments& arguments);
Result<int> run_port(Session& session, const Arguments& arguments);
Result<int> run_diff(Session& session, const Arguments& arguments);
Result<int> run_stats(Session& session, const Arguments& arguments);

// The kind of rows of `ps` and `system df -v`.
const RowKind& container_rows();
// "0.0.0.0:80->80/tcp, 443/tcp" of the Ports of a container in a list.
std::string ports_text(oci::JsonValue ports);

// The command line that would make the container again, from its inspect document.
Result<std::string> run_command_text(std::string_view program, oci::JsonValue container,
                                     oci::JsonValue image);

// JSON with another indentation; everything else stays as it is.
std::string indented_json(std::string_view json, std::string_view prefix, std::string_view indent);

// Shows what `fetch_one` gives for each name, JSON texts, as --format says; faults come after all.
Result<int> inspect_each(Session& session, std::string_view format,
                         std::span<const std::string_view> names,
                         const std::function<Result<std::string>(std::string_view)>& fetch_one);

}  // namespace dhow::cli
