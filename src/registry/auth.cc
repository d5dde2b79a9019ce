// SPDX-License-Identifier: Apache-2.0
#include "registry/auth.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "oci/base64.h"
#include "oci/json_value.h"

namespace dhow::registry {
namespace {

constexpr std::string_view kClientId = "dhow";
// What a token server that doesn't say how long a token is good for means (token specification).
constexpr std::int64_t kDefaultSeconds = 60;

std::string parameter(const Challenge& challenge, const std::string& name) {
  auto found = challenge.parameters.find(name);
  return found == challenge.parameters.end() ? "" : found->second;
}

std::string basic(const Credentials& credentials) {
  return "Basic " + oci::base64_encode(cat(credentials.username, ":", credentials.password));
}

// Bearer before Basic: where both are offered, the password goes to one place less often.
std::optional<Challenge> choose(const HttpResponse& response) {
  std::optional<Challenge> chosen;
  for (Challenge& challenge : parse_challenges(response.headers.get_all("WWW-Authenticate"))) {
    if (challenge.scheme == "bearer" && !parameter(challenge, "realm").empty()) return challenge;
    if (challenge.scheme == "basic" && !chosen) chosen = std::move(challenge);
  }
  return chosen;
}

}  // namespace

HostAuth::HostAuth(HttpClient& http, AuthHost host,
                   std::function<Result<Credentials>()> credentials)
    : http_(http), host_(std::move(host)), source_(std::move(credentials)) {}

Result<Credentials> HostAuth::credentials() {
  if (!credentials_) {
    TRY_ASSIGN(credentials_, source_());
  }
  return *credentials_;
}

Result<Url> HostAuth::realm() const {
  TRY_ASSIGN(Url url, Url::parse(parameter(*challenge_, "realm")));
  if (url.scheme == "http" && host_.url.scheme == "https" && !host_.tls.skip_verify) {
    return fail(Code::kFailedPrecondition,
                cat("log in to ", quoted(host_.url.authority()), ": its token server ",
                    quoted(url.safe_text()), " is not encrypted"));
  }
  return url;
}

Result<HttpResponse> HostAuth::ask_oauth(const ScopeSet& scopes, const Credentials& known,
                                         const std::stop_token& stop) {
  TRY_ASSIGN(Url url, realm());
  std::string form = cat("grant_type=refresh_token&client_id=", kClientId,
                         "&service=", percent_encode(parameter(*challenge_, "service")),
                         "&scope=", percent_encode(scopes.text()),
                         "&refresh_token=", percent_encode(known.identity_token));
  TextBody body(form);
  // Not redirected: the body is a secret.
  return http_.send({.method = "POST",
                     .url = std::move(url),
                     .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
                     .body = &body,
                     .tls = host_.tls,
                     .dial_timeout = host_.dial_timeout,
                     .max_redirects = 0},
                    stop);
}

Result<HttpResponse> HostAuth::ask(const ScopeSet& scopes, const Credentials& known,
                                   const std::stop_token& stop) {
  if (!known.identity_token.empty()) return ask_oauth(scopes, known, stop);
  TRY_ASSIGN(Url url, realm());
  if (std::string service = parameter(*challenge_, "service"); !service.empty()) {
    url.add_query("service", service);
  }
  for (const std::string& scope : scopes.texts()) url.add_query("scope", scope);
  HttpRequest request{.url = std::move(url), .tls = host_.tls, .dial_timeout = host_.dial_timeout};
  if (!known.username.empty()) {
    request.url.add_query("account", known.username);
    request.headers.set("Authorization", basic(known));
  }
  return http_.send(std::move(request), stop);
}

Result<HostAuth::Token> HostAuth::fetch(const ScopeSet& wanted, const std::stop_token& stop) {
  ScopeSet scopes = wanted;
  scopes.add(parameter(*challenge_, "scope"));
  TRY_ASSIGN(Credentials known, credentials());
  TRY_ASSIGN(HttpResponse response, ask(scopes, known, stop));
  if ((response.status == 401 || response.status == 403) && !known.empty() && scopes.only_pulls()) {
    // Credentials that have gone bad are no reason not to get what everybody gets.
    auto anonymous = ask(scopes, {}, stop);
    if (anonymous.has_value() && anonymous->ok()) {
      log::warning(cat("the token server of ", quoted(host_.url.authority()),
                       " refused the credentials; going on without"));
      response = std::move(*anonymous);
    }
  }
  if (!response.ok()) {
    return std::unexpected(http_error(known.identity_token.empty() ? "GET" : "POST", response)
                               .add_context(cat("log in to ", quoted(host_.url.authority()))));
  }
  auto document = oci::JsonDocument::parse(response.body);
  std::string token;
  std::int64_t seconds = kDefaultSeconds;
  if (document.has_value()) {
    for (const char* name : {"access_token", "token"}) {
      if (auto text = document->root().find(name).as_string(); text && token.empty()) token = *text;
    }
    seconds = document->root().find("expires_in").as_int64().value_or(kDefaultSeconds);
  }
  if (token.empty()) {
    return fail(Code::kUnauthenticated, cat("log in to ", quoted(host_.url.authority()),
                                            ": the token server's answer holds no token"));
  }
  // The specification's least, less a tenth for the way and for clocks that differ.
  seconds = std::clamp<std::int64_t>(seconds, kDefaultSeconds, std::int64_t{365} * 24 * 3600);
  return Token{std::move(token), Clock::now() + std::chrono::seconds(seconds - seconds / 10)};
}

Result<std::string> HostAuth::header(const ScopeSet& scopes, const std::stop_token& stop) {
  std::lock_guard lock(mutex_);
  if (!challenge_) return std::string();
  TRY_ASSIGN(Credentials known, credentials());
  if (challenge_->scheme == "basic") return known.username.empty() ? std::string() : basic(known);
  if (!known.registry_token.empty()) return "Bearer " + known.registry_token;
  auto found = tokens_.find(scopes.text());
  if (found == tokens_.end() || found->second.expires <= Clock::now()) {
    TRY_ASSIGN(Token token, fetch(scopes, stop));
    found = tokens_.insert_or_assign(scopes.text(), std::move(token)).first;
  }
  return "Bearer " + found->second.value;
}

bool HostAuth::is_basic() {
  std::lock_guard lock(mutex_);
  return challenge_ && challenge_->scheme == "basic";
}

Result<bool> HostAuth::challenged(const HttpResponse& response, const ScopeSet& scopes,
                                  const std::string& used, const std::stop_token& stop) {
  auto offered = choose(response);
  if (!offered) return false;
  {
    std::lock_guard lock(mutex_);
    challenge_ = std::move(offered);
    // The token is not good, whatever was said about its life.
    auto found = tokens_.find(scopes.text());
    if (found != tokens_.end() && used == "Bearer " + found->second.value) tokens_.erase(found);
  }
  TRY_ASSIGN(std::string next, header(scopes, stop));
  // In containerd's words, which clients of docker look for.
  if (next.empty() && used.empty() && is_basic()) {
    return fail(Code::kUnauthenticated, "no basic auth credentials");
  }
  return !next.empty() && next != used;
}

}  // namespace dhow::registry
