// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// The notations of single values on the command line.
namespace dhow::runtime::cli {

// A duration in Go's notation, as nanoseconds: "5s", "1m30s", "100ms", "1.5h", "-1s", "0".
std::optional<std::int64_t> parse_duration(std::string_view text);

// A number, or a name with or without SIG in any case; "RTMIN", "RTMIN+3" and "RTMAX-1" too. Empty
// means SIGTERM. Numbers are not checked against a range: kill(2) does.
// kInvalidArgument: `unknown signal "X"`.
Result<int> parse_signal(std::string_view text);

struct UserIds {
  std::uint32_t uid = 0;
  std::optional<std::uint32_t> gid;
};

// UID or UID:GID, decimal numbers and nothing else: a name would have to be looked up in a file of
// the container, and an id that is not parsed to its end could end up as 0.
Result<UserIds> parse_user(std::string_view text);

// One numeric id; `what` ("additional gid") is for the error.
Result<std::uint32_t> parse_id(std::string_view text, std::string_view what);

// The values of `exec --cgroup`: "PATH" alone, or "CTRL[,CTRL...]:PATH" once for each controller.
Result<std::map<std::string, std::string>> parse_cgroups(const std::vector<std::string>& values);

}  // namespace dhow::runtime::cli
