// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "oci/image_codec.h"
#include "oci/json_value.h"
#include "registry/host_session.h"
#include "registry/link.h"
#include "registry/manifest_media.h"
#include "registry/repository.h"

namespace dhow::registry {
namespace {

constexpr std::size_t kMaxPage = 16U << 20;  // bytes
constexpr int kMaxPages = 10'000;

bool can_list(const HostSession& host) { return host.host().resolve; }
bool has_referrers(const HostSession& host) { return host.host().referrers; }

Failure odd_answer(const HttpResponse& response, std::string_view why) {
  return {.error =
              Error(Code::kUnavailable, cat("GET ", quoted(response.url.safe_text()), ": ", why))};
}

// The next page, if there is one. Only path and query of the link count, so that it stays with the
// host that the login is for, whatever that believes its name to be.
Result<std::optional<Url>> next_page(const HttpResponse& response) {
  std::string link = next_link(response.headers.get_all("Link"));
  if (link.empty()) return std::optional<Url>();
  TRY_ASSIGN(Url url, response.url.resolve(link));
  url.scheme = response.url.scheme;
  url.host = response.url.host;
  url.port = response.url.port;
  if (url == response.url) return fail(Code::kUnavailable, "a page that is followed by itself");
  return std::optional<Url>(std::move(url));
}

// Calls `page` for each page of a list until it returns false.
std::expected<void, Failure> over_pages(
    HostSession& host, Url url, const ScopeSet& scopes, const std::stop_token& stop,
    const std::function<std::expected<bool, Failure>(const HttpResponse&, bool last)>& page) {
  for (int count = 0; count < kMaxPages; ++count) {
    auto response = host.ask({.url = url, .body_limit = kMaxPage}, scopes, stop);
    if (!response.has_value()) return std::unexpected(std::move(response.error()));
    Result<std::optional<Url>> next = next_page(*response);
    if (!next.has_value()) return std::unexpected(odd_answer(*response, next.error().message()));
    auto more = page(*response, !next->has_value());
    if (!more.has_value()) return std::unexpected(std::move(more.error()));
    if (!*more || !next->has_value()) return {};
    url = std::move(**next);
  }
  return std::unexpected(
      Failure{.error = Error(Code::kOutOfRange, cat("a list of more than ", kMaxPages, " pages"))});
}

}  // namespace

std::string next_link(const std::vector<std::string_view>& values) {
  for (std::string_view value : values) {
    while (!value.empty()) {
      auto open = value.find('<');
      auto close = value.find('>');
      if (open == std::string_view::npos || close == std::string_view::npos || close < open) break;
      std::string_view target = value.substr(open + 1, close - open - 1);
      // Up to the next link.
      auto end = value.find('<', close);
      std::string_view parameters =
          value.substr(close + 1, end == std::string_view::npos ? end : end - close - 1);
      for (std::string_view parameter : split(parameters, ';')) {
        parameter = trim(parameter);
        if (parameter.ends_with(',')) parameter = trim(parameter.substr(0, parameter.size() - 1));
        if (parameter == "rel=\"next\"" || parameter == "rel=next") return std::string(target);
      }
      if (end == std::string_view::npos) break;
      value.remove_prefix(end);
    }
  }
  return {};
}

std::string referrers_tag(const Digest& digest) {
  return cat(digest.algorithm().substr(0, 32), "-", digest.hex().substr(0, 64));
}

Result<TagList> Repository::tags(std::size_t limit, std::string_view last,
                                 std::stop_token stop) const {
  TagList list;
  auto attempt = [&](HostSession& host) -> std::expected<void, Failure> {
    list = {};
    Url url = host.url("tags/list");
    if (limit != 0) url.add_query("n", std::to_string(limit));
    if (!last.empty()) url.add_query("last", last);
    auto page = [&](const HttpResponse& response, bool end) -> std::expected<bool, Failure> {
      auto document = oci::JsonDocument::parse(response.body);
      if (!document.has_value()) {
        return std::unexpected(odd_answer(response, document.error().message()));
      }
      oci::JsonValue tags = document->root().find("tags");
      for (std::size_t i = 0; i < tags.size(); ++i) {
        auto tag = tags.item(i).as_string();
        if (!tag || !oci::is_tag(*tag)) continue;  // what no tag is can't be pulled
        if (limit != 0 && list.tags.size() == limit) {
          list.more = true;
          return false;
        }
        list.tags.emplace_back(*tag);
      }
      if (limit == 0 || list.tags.size() < limit) return true;
      list.more = !end;
      return false;
    };
    return over_pages(host, std::move(url), ScopeSet::pull(reference_.path), stop, page);
  };
  TRY(over_hosts(can_list, "list the tags", stop, attempt));
  return list;
}

Result<std::vector<oci::Descriptor>> Repository::referrers(const Digest& digest,
                                                           std::string_view artifact_type,
                                                           std::stop_token stop) const {
  std::vector<oci::Descriptor> found;
  auto add = [&](oci::Index index) {
    for (oci::Descriptor& manifest : index.manifests) {
      if (!artifact_type.empty() && manifest.artifact_type != artifact_type) continue;
      found.push_back(std::move(manifest));
    }
  };
  auto by_tag = [&](HostSession& host) -> std::expected<void, Failure> {
    auto manifest = get_manifest(host, referrers_tag(digest), stop);
    if (!manifest.has_value()) {
      if (manifest.error().error.code() == Code::kNotFound) return {};
      return std::unexpected(std::move(manifest.error()));
    }
    auto index = oci::parse_index(manifest->content, manifest->descriptor.media_type);
    if (!index.has_value()) return std::unexpected(Failure{.error = index.error()});
    add(std::move(*index));
    return {};
  };
  auto attempt = [&](HostSession& host) -> std::expected<void, Failure> {
    found.clear();
    Url url = host.url(cat("referrers/", digest.text()));
    if (!artifact_type.empty()) url.add_query("artifactType", artifact_type);
    bool is_list = true;
    auto page = [&](const HttpResponse& response, bool) -> std::expected<bool, Failure> {
      is_list = oci::is_index_type(media_type_of(response));
      if (!is_list) return false;
      auto index = oci::parse_index(response.body, media_type_of(response));
      if (!index.has_value()) {
        return std::unexpected(odd_answer(response, index.error().message()));
      }
      add(std::move(*index));
      return true;
    };
    auto done = over_pages(host, std::move(url), ScopeSet::pull(reference_.path), stop, page);
    if (done.has_value()) return is_list ? done : by_tag(host);
    Code code = done.error().error.code();
    bool unknown =
        code == Code::kNotFound || code == Code::kInvalidArgument || code == Code::kUnimplemented;
    return unknown ? by_tag(host) : done;
  };
  TRY(over_hosts(has_referrers, cat("list the referrers of ", digest.text()), stop, attempt));
  return found;
}

}  // namespace dhow::registry
