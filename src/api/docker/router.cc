// SPDX-License-Identifier: Apache-2.0
#include "api/docker/router.h"

#include <exception>
#include <optional>
#include <utility>

#include "api/docker/errors.h"
#include "base/log.h"
#include "base/strings.h"

namespace dhow::api::docker {
namespace {

struct VersionedPath {
  std::optional<std::pair<int, int>> version;
  std::string_view path;
};

// "/v1.41/images/json" is 1.41 and "/images/json". "/v" with anything but a number is a path like
// any other.
VersionedPath take_version(std::string_view path) {
  if (!path.starts_with("/v")) return {std::nullopt, path};
  std::size_t slash = path.find('/', 1);
  std::string_view text = path.substr(2, slash == std::string_view::npos ? slash : slash - 2);
  std::size_t dot = text.find('.');
  if (dot == std::string_view::npos || slash == std::string_view::npos) return {std::nullopt, path};
  auto major = parse_number<unsigned short>(text.substr(0, dot));
  auto minor = parse_number<unsigned short>(text.substr(dot + 1));
  if (!major || !minor) return {std::nullopt, path};
  return {std::pair<int, int>(*major, *minor), path.substr(slash)};
}

Result<ApiVersion> check_version(std::pair<int, int> asked) {
  std::string text = cat(asked.first, ".", asked.second);
  if (asked < std::pair(1, kOldestApi.minor)) {
    return fail(Code::kInvalidArgument,
                cat("client version ", text, " is too old. Minimum supported API version is ",
                    version_text(kOldestApi), ", please upgrade your client to a newer version"));
  }
  if (asked > std::pair(1, kNewestApi.minor)) {
    return fail(Code::kInvalidArgument,
                cat("client version ", text, " is too new. Maximum supported API version is ",
                    version_text(kNewestApi)));
  }
  return ApiVersion{asked.second};
}

Plan refusal(Error error) {
  Plan plan;
  plan.quick = true;
  plan.version = kNewestApi;
  plan.handler = [error = std::move(error)](const ExchangePtr& exchange) {
    exchange->respond(error_response(error));
  };
  return plan;
}

std::vector<std::string_view> parts_of(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  // "/networks/" is "/networks".
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return split(path, '/');
}

void answer(const ExchangePtr& exchange, const Handler& handler, const Match& match) {
  Status status;
  try {
    status = handler(exchange, match);
  } catch (const std::exception& exception) {
    status = fail(Code::kInternal, exception.what());
  }
  if (status) return;
  if (!exchange->begun()) return exchange->respond(error_response(status.error()));
  log::debug(cat(exchange->path(), ": ", status.error().message()));
  exchange->abort();
}

}  // namespace

std::string version_text(ApiVersion version) { return cat("1.", version.minor); }

bool match_parts(const std::vector<std::string>& pattern,
                 const std::vector<std::string_view>& parts, Match& match) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == "{*}") {
      // What is behind it in the pattern has one part each.
      std::size_t behind = pattern.size() - i - 1;
      if (parts.size() < at + behind + 1) return false;
      std::string open;
      for (; at + behind < parts.size(); ++at) {
        if (!open.empty()) open += '/';
        open += parts[at];
      }
      if (open.empty()) return false;
      match.push_back(std::move(open));
      continue;
    }
    if (at >= parts.size()) return false;
    if (pattern[i] == "{}") {
      if (parts[at].empty()) return false;
      match.emplace_back(parts[at]);
    } else if (pattern[i] != parts[at]) {
      return false;
    }
    ++at;
  }
  return at == parts.size();
}

void Router::add(Route route) {
  Known known;
  for (std::string_view part : parts_of(route.pattern)) known.parts.emplace_back(part);
  known.route = std::move(route);
  routes_.push_back(std::move(known));
}

Plan Router::plan(const RequestHead& head) const {
  auto decoded = url_decode(std::string_view(head.target).substr(0, head.target.find('?')), false);
  if (!decoded) return refusal(Error(Code::kInvalidArgument, "invalid URL escape"));
  if (!head.http_1_0 && head.header("Host").empty() && head.method != "OPTIONS") {
    bool present = false;
    for (const auto& [name, value] : head.headers) present = present || lower_text(name) == "host";
    if (!present) return refusal(Error(Code::kInvalidArgument, "missing required Host header"));
  }
  auto [asked, path] = take_version(*decoded);
  ApiVersion version = kNewestApi;
  if (asked) {
    auto checked = check_version(*asked);
    if (!checked) return refusal(std::move(checked).error());
    version = *checked;
  }
  Plan plan;
  plan.version = version;
  plan.path = path;
  if (head.method == "OPTIONS") {
    plan.quick = true;
    plan.handler = [](const ExchangePtr& exchange) { exchange->respond(Response::empty(200)); };
    return plan;
  }
  std::vector<std::string_view> parts = parts_of(path);
  for (const Known& known : routes_) {
    Match match;
    if (known.route.method != head.method || !match_parts(known.parts, parts, match)) continue;
    plan.streams_body = known.route.streams_body;
    plan.quick = known.route.quick;
    plan.handler = [&known, match = std::move(match)](const ExchangePtr& exchange) {
      answer(exchange, known.route.handler, match);
    };
    return plan;
  }
  return refusal(Error(Code::kNotFound, "page not found"));
}

}  // namespace dhow::api::docker
