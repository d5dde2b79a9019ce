// SPDX-License-Identifier: Apache-2.0
#include "api/docker/request_params.h"

#include <algorithm>

#include "api/docker/detach_keys.h"
#include "base/rfc3339.h"
#include "base/strings.h"
#include "engine/container_filter.h"
#include "oci/base64.h"
#include "oci/json_reader.h"
#include "registry/hosts.h"

namespace dhow::api::docker {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::unexpected<Error> bad_filters(std::string_view why) {
  return fail(Code::kInvalidArgument, cat("invalid filter: ", why));
}

// {"value":true}, {"value":false} is left out; or a list of texts; or one text.
Result<std::vector<std::string>> filter_values(oci::JsonValue value) {
  std::vector<std::string> values;
  if (value.kind() == oci::JsonKind::kNumber || value.kind() == oci::JsonKind::kBoolean) {
    return bad_filters("a value that is no list");
  }
  if (auto text = value.as_string()) values.emplace_back(*text);
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value.kind() == oci::JsonKind::kArray) {
      auto text = value.item(i).as_string();
      if (!text) return bad_filters("a value that is no text");
      values.emplace_back(*text);
    } else {
      oci::JsonMember member = value.member(i);
      auto wanted = member.value.as_boolean();
      if (!wanted) return bad_filters("a value that is neither true nor false");
      if (*wanted) values.emplace_back(member.name);
    }
  }
  return values;
}

}  // namespace

Result<engine::Filters> parse_filters(std::string_view text,
                                      std::initializer_list<std::string_view> known) {
  engine::Filters filters;
  if (trim(text).empty()) return filters;
  auto document = oci::JsonDocument::parse(text);
  if (!document) return bad_filters(document.error().message());
  oci::JsonValue root = document->root();
  if (root.is_null()) return filters;
  if (root.kind() != oci::JsonKind::kObject) return bad_filters("not an object");
  for (std::size_t i = 0; i < root.size(); ++i) {
    oci::JsonMember member = root.member(i);
    if (std::ranges::find(known, member.name) == known.end()) {
      return fail(Code::kInvalidArgument, cat("invalid filter '", member.name, "'"));
    }
    TRY_ASSIGN(std::vector<std::string> values, filter_values(member.value));
    auto& all = filters[std::string(member.name)];
    all.insert(all.end(), values.begin(), values.end());
  }
  return filters;
}

Result<std::optional<bool>> filter_flag(const engine::Filters& filters, const std::string& key) {
  auto found = filters.find(key);
  if (found == filters.end() || found->second.empty()) return std::optional<bool>();
  if (found->second.size() == 1) {
    std::string value = lower_text(found->second.front());
    if (value == "1" || value == "true" || value == "t") return std::optional(true);
    if (value == "0" || value == "false" || value == "f") return std::optional(false);
  }
  return fail(Code::kInvalidArgument,
              cat("invalid filter '", key, "=[", join(found->second, " "), "]'"));
}

Result<std::int64_t> parse_time(std::string_view text, std::int64_t now) {
  std::size_t dot = text.find('.');
  auto seconds = parse_number<std::int64_t>(text.substr(0, dot));
  if (seconds) {
    std::string fraction(dot == std::string_view::npos ? "" : text.substr(dot + 1));
    if (fraction.size() <= 9) {
      fraction.resize(9, '0');
      std::int64_t time = 0;
      auto nanoseconds = parse_number<std::uint32_t>(fraction);
      if (nanoseconds && !__builtin_mul_overflow(*seconds, kSecond, &time) &&
          !__builtin_add_overflow(time, std::int64_t{*nanoseconds}, &time)) {
        return time;
      }
    }
  }
  if (auto time = parse_rfc3339(text)) return *time;
  if (auto time = engine::parse_local_time(text)) return *time;
  if (auto duration = registry::parse_duration(text)) return now - duration->count() * 1'000'000;
  return fail(Code::kInvalidArgument, cat("invalid time ", quoted(text)));
}

std::optional<RegistryAuth> parse_auth_config(std::string_view json) {
  auto document = oci::JsonDocument::parse(json);
  if (!document || document->root().kind() != oci::JsonKind::kObject) return std::nullopt;
  RegistryAuth auth;
  auto take = [&](std::string_view name, std::string& out) {
    if (auto text = document->root().find(name).as_string()) out = *text;
  };
  take("username", auth.credentials.username);
  take("password", auth.credentials.password);
  take("identitytoken", auth.credentials.identity_token);
  take("registrytoken", auth.credentials.registry_token);
  take("serveraddress", auth.server);
  return auth;
}

RegistryAuth parse_registry_auth(std::string_view header) {
  auto json = oci::base64_decode(header);
  if (!json || header.empty()) return {};
  return parse_auth_config(*json).value_or(RegistryAuth());
}

Result<std::optional<oci::Platform>> parse_platform_text(std::string_view text) {
  if (text.empty()) return std::optional<oci::Platform>();
  TRY_ASSIGN(oci::Platform platform, oci::parse_platform(text, oci::host_platform()));
  return std::optional(std::move(platform));
}

Result<std::optional<oci::Platform>> parse_platform_json(std::string_view text) {
  if (text.empty()) return std::optional<oci::Platform>();
  auto document = oci::JsonDocument::parse(text);
  if (!document || document->root().kind() != oci::JsonKind::kObject) {
    return fail(Code::kInvalidArgument, "failed to parse platform: not a JSON object");
  }
  oci::Platform platform;
  auto take = [&](std::string_view name, std::string& out) {
    if (auto value = document->root().find(name).as_string()) out = *value;
  };
  take("os", platform.os);
  take("architecture", platform.architecture);
  take("variant", platform.variant);
  take("os.version", platform.os_version);
  if (platform.os.empty() || platform.architecture.empty()) {
    return fail(Code::kInvalidArgument, "both OS and Architecture must be provided");
  }
  return std::optional(oci::normalized(std::move(platform)));
}

Status check_json(const Exchange& exchange) {
  std::string_view type = exchange.head().header("Content-Type");
  if (type.empty() && exchange.body().empty()) return {};
  std::string_view plain = trim(type.substr(0, type.find(';')));
  if (lower_text(plain) == "application/json") return {};
  return fail(Code::kInvalidArgument,
              cat("unsupported Content-Type header (", type, "): must be 'application/json'"));
}

Result<std::pair<std::uint32_t, std::uint32_t>> terminal_size(const Query& query) {
  auto height = parse_number<std::uint32_t>(query.get("h"));
  if (!height) {
    return fail(Code::kInvalidArgument, cat("invalid resize height ", quoted(query.get("h"))));
  }
  auto width = parse_number<std::uint32_t>(query.get("w"));
  if (!width) {
    return fail(Code::kInvalidArgument, cat("invalid resize width ", quoted(query.get("w"))));
  }
  return std::pair(*height, *width);
}

Result<std::string> detach_keys(std::string_view text) {
  if (text.empty()) text = "ctrl-p,ctrl-q";
  auto keys = parse_detach_keys(text);
  if (keys) return std::move(*keys);
  return fail(Code::kInvalidArgument, cat("Invalid detach keys (", text, ") provided"));
}

}  // namespace dhow::api::docker
