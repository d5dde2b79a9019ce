// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/docker/exchange.h"
#include "base/result.h"
#include "engine/events.h"
#include "oci/platform.h"
#include "registry/credentials.h"

// What clients put into requests beside JSON documents. Faults are kInvalidArgument in docker's
// words.
namespace dhow::api::docker {

// The "filters" parameter: {"key":{"value":true}}, or {"key":["value"]} of older clients. A key
// that is not among `known` (which ends with an empty one) is a fault.
Result<engine::Filters> parse_filters(std::string_view text,
                                      std::initializer_list<std::string_view> known);

// A single filter that is a boolean: none when it is not there.
Result<std::optional<bool>> filter_flag(const engine::Filters& filters, const std::string& key);

// A time: seconds since 1970 with a fraction, RFC 3339, or a duration before now ("10m"). In
// nanoseconds since 1970.
Result<std::int64_t> parse_time(std::string_view text, std::int64_t now);

// X-Registry-Auth. What can't be read is as nothing, as with docker.
struct RegistryAuth {
  registry::Credentials credentials;
  std::string server;
};
RegistryAuth parse_registry_auth(std::string_view header);
// The same of a JSON text.
std::optional<RegistryAuth> parse_auth_config(std::string_view json);

// "linux/arm64", of pulls and creates; none for "".
Result<std::optional<oci::Platform>> parse_platform_text(std::string_view text);
// {"os":"linux","architecture":"arm64"}, of everything else; none for "".
Result<std::optional<oci::Platform>> parse_platform_json(std::string_view text);

// Whether a body may be read as JSON: by its Content-Type.
Status check_json(const Exchange& exchange);

// "h" and "w": height and width of a terminal.
Result<std::pair<std::uint32_t, std::uint32_t>> terminal_size(const Query& query);

// The bytes of the keys that end an attachment; "": docker's, ctrl-p and ctrl-q.
Result<std::string> detach_keys(std::string_view text);

}  // namespace dhow::api::docker
