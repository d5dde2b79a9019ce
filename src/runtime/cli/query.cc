// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include "base/strings.h"
#include "runtime/cli/command.h"
#include "runtime/cli/output.h"
#include "sys/file_io.h"

namespace dhow::runtime::cli {
namespace {

// The user names of the containers' owners, from the host's /etc/passwd: a static program has no
// business with NSS modules.
std::vector<std::string> owner_names(std::span<const ContainerInfo> containers) {
  std::string passwd = read_file("/etc/passwd").value_or("");
  std::vector<std::string> names;
  for (const ContainerInfo& container : containers) {
    names.push_back(user_name(passwd, container.owner_uid));
  }
  return names;
}

}  // namespace

Result<int> handle_state(const Invocation& call) {
  TRY(check_id(call.id()));
  TRY_ASSIGN(ContainerInfo container, runtime::state(call.context, call.id()));
  std::string owner = call.as_crun() ? owner_names({&container, 1}).front() : "";
  TRY(call.print(state_json(call.personality.style, container, owner)));
  return 0;
}

Result<int> handle_list(const Invocation& call) {
  std::string_view format = call.arguments.string("format", "table");
  if (format != "table" && format != "json") {
    return fail(Code::kInvalidArgument,
                call.as_crun() ? cat("invalid format `", format, "`") : "invalid format option");
  }
  TRY_ASSIGN(std::vector<ContainerInfo> containers, runtime::list(call.context));
  if (call.arguments.boolean("quiet")) {
    std::string text;
    for (const ContainerInfo& container : containers) text += cat(container.id, "\n");
    TRY(call.print(text));
    return 0;
  }
  std::vector<std::string> owners = owner_names(containers);
  Style style = call.personality.style;
  TRY(call.print(format == "json" ? list_json(style, containers, owners)
                                  : list_table(style, containers, owners)));
  return 0;
}

Result<int> handle_events(const Invocation& call) {
  constexpr std::int64_t kMillisecond = 1'000'000;
  constexpr std::int64_t kDefault = 5000 * kMillisecond;
  std::int64_t interval = call.arguments.duration("interval", kDefault);
  if (interval <= 0) {
    return fail(Code::kInvalidArgument, "duration interval must be greater than 0");
  }
  std::int64_t milliseconds =
      std::clamp<std::int64_t>(interval / kMillisecond, 1, std::numeric_limits<int>::max());
  TRY(check_id(call.id()));
  Status printed;
  auto emit = [&](std::string_view line) {
    if (!printed) return;
    printed = call.print(line.ends_with('\n') ? std::string(line) : cat(line, "\n"));
  };
  TRY(runtime::events(call.context, call.id(), static_cast<int>(milliseconds),
                      call.arguments.boolean("stats"), emit));
  TRY(printed);
  return 0;
}

Result<int> handle_features(const Invocation& call) {
  TRY(call.print(cat(runtime::features_json(call.context), "\n")));
  return 0;
}

}  // namespace dhow::runtime::cli
