// SPDX-License-Identifier: Apache-2.0
#include "registry/host_session.h"

#include <algorithm>

#include "base/strings.h"

namespace dhow::registry {

HostSession::HostSession(HttpClient& http, Host host, std::string repository,
                         std::shared_ptr<CredentialSource> credentials,
                         std::string credentials_name)
    : http_(http), host_(std::move(host)), repository_(std::move(repository)) {
  auto find = [own = host_.credentials, source = std::move(credentials),
               name = std::move(credentials_name), path = repository_]() -> Result<Credentials> {
    if (own) return *own;
    if (source == nullptr) return Credentials();
    return source->find(name, path);
  };
  auth_ = std::make_unique<HostAuth>(
      http_, AuthHost{.url = host_.base, .tls = host_.tls, .dial_timeout = host_.dial_timeout},
      std::move(find));
}

Url HostSession::url(std::string_view path) const {
  Url url = host_.base;
  url.path += cat("/", repository_, "/", path);
  if (!host_.ns.empty()) url.add_query("ns", host_.ns);
  return url;
}

Result<Url> HostSession::follow(const HttpResponse& response, std::string_view location) {
  if (location.empty()) {
    return fail(Code::kUnavailable,
                cat("the answer of ", quoted(response.url.safe_text()), " names no location"));
  }
  TRY_ASSIGN(Url url, response.url.resolve(location));
  if (response.url.scheme == "https" && url.scheme == "http") {
    if (url.host != response.url.host) {
      return fail(Code::kFailedPrecondition,
                  cat("the answer of ", quoted(response.url.safe_text()), " leads to ",
                      quoted(url.safe_text()), ", which is not encrypted"));
    }
    // A registry behind a proxy that does the encryption often does not know of it.
    url.scheme = "https";
    url.port = response.url.port;
  }
  return url;
}

bool HostSession::is_own(const Url& url) const {
  if (url.same_origin(host_.base)) return true;
  if (!plain_) return false;
  Url plain = host_.base;
  plain.scheme = "http";
  return url.same_origin(plain);
}

Result<HttpResponse> HostSession::send(HttpRequest request, const ScopeSet& scopes,
                                       const std::stop_token& stop) {
  request.tls = host_.tls;
  request.dial_timeout = host_.dial_timeout;
  if (plain_ && request.url.same_origin(host_.base)) request.url.scheme = "http";
  bool own = is_own(request.url);
  if (own) {
    for (const auto& [name, value] : host_.headers.all()) {
      request.headers.add(name, value);
      request.private_headers.push_back(name);
    }
  }
  // One more for a token that has gone bad, and one for TLS that is not there.
  for (int attempt = 0;; ++attempt) {
    std::string authorization;
    if (own) {
      TRY_ASSIGN(authorization, auth_->header(scopes, stop));
    }
    if (!authorization.empty()) request.headers.set("Authorization", authorization);
    HttpFault fault = HttpFault::kNone;
    Result<HttpResponse> response = http_.send(request, stop, &fault);
    if (!response.has_value()) {
      bool no_tls = fault == HttpFault::kConnect || fault == HttpFault::kHandshake;
      // Once it could be had, its absence is no reason to do without.
      bool may_be_plain = own && host_.plain_fallback && !encrypted_;
      if (!may_be_plain || !no_tls || request.url.scheme != "https") return response;
      request.url.scheme = "http";
      Result<HttpResponse> plain = http_.send(request, stop, &fault);
      if (!plain.has_value()) return response;  // why the better way failed is what counts
      plain_ = true;
      response = std::move(plain);
    }
    if (own && request.url.scheme == "https") encrypted_ = true;
    // Not the storage that it redirected to.
    bool asks = response->status == 401 && own && is_own(response->url);
    if (!asks || attempt == 2) return response;
    TRY_ASSIGN(bool more, auth_->challenged(*response, scopes, authorization, stop));
    if (!more) return response;
  }
}

std::expected<HttpResponse, Failure> HostSession::ask(HttpRequest request, const ScopeSet& scopes,
                                                      const std::stop_token& stop,
                                                      std::initializer_list<int> accepted) {
  std::string method = request.method;
  Result<HttpResponse> response = send(std::move(request), scopes, stop);
  if (!response.has_value()) return std::unexpected(transport_failure(response.error()));
  if (response->ok() || std::ranges::find(accepted, response->status) != accepted.end()) {
    return std::move(*response);
  }
  return std::unexpected(status_failure(method, *response));
}

}  // namespace dhow::registry
