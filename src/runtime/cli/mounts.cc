// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "oci/config_codec.h"
#include "runtime/cli/command.h"
#include "sys/file_io.h"

namespace dhow::runtime::cli {

Result<int> handle_mounts(const Invocation& call) {
  const std::vector<std::string_view>& words = call.arguments.positionals();
  std::string_view action = words[0];
  std::string_view id = words[1];
  std::string_view file = words[2];
  if (action != "add" && action != "remove") {
    return fail(Code::kInvalidArgument,
                cat("unknown action ", quoted(action), ": want add or remove"));
  }
  TRY(check_id(id));
  Result<std::string> text = file == "-" ? read_all(call.streams.in) : read_file(file);
  if (!text) return fail(text.error());
  TRY_ASSIGN(std::vector<oci::Mount> mounts, oci::parse_mounts(*text));
  if (action == "add") {
    TRY(runtime::add_mounts(call.context, id, mounts));
  } else {
    TRY(runtime::remove_mounts(call.context, id, mounts));
  }
  return 0;
}

}  // namespace dhow::runtime::cli
