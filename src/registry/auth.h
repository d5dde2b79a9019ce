// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "registry/challenge.h"
#include "registry/credentials.h"
#include "registry/http.h"
#include "registry/scope.h"

namespace dhow::registry {

// Whom a login is with.
struct AuthHost {
  Url url;
  TlsOptions tls;
  std::chrono::milliseconds dial_timeout{30'000};
};

// Logs in to one host in the way that it asks for (distribution's token specification; RFC 7617 for
// Basic), and keeps its tokens until shortly before they expire. Thread safe; calls block when a
// token has to be fetched. Credentials are only sent encrypted, unless the registry itself is plain
// or unverified by configuration, and to nobody but the registry and the token server it names.
class HostAuth {
 public:
  // `http` is borrowed. `credentials` is asked at most once, when the host wants to know.
  HostAuth(HttpClient& http, AuthHost host, std::function<Result<Credentials>()> credentials);

  // The value of Authorization for a request: "" while the host has not asked for any.
  Result<std::string> header(const ScopeSet& scopes, const std::stop_token& stop);

  // Takes the 401 that a request with that header got. True: the request should be sent again, with
  // a new header; false: there is nothing more to offer.
  Result<bool> challenged(const HttpResponse& response, const ScopeSet& scopes,
                          const std::string& used, const std::stop_token& stop);

 private:
  using Clock = std::chrono::steady_clock;
  struct Token {
    std::string value;
    Clock::time_point expires;
  };

  Result<Credentials> credentials();
  bool is_basic();
  Result<Token> fetch(const ScopeSet& scopes, const std::stop_token& stop);
  Result<HttpResponse> ask(const ScopeSet& scopes, const Credentials& known,
                           const std::stop_token& stop);
  Result<HttpResponse> ask_oauth(const ScopeSet& scopes, const Credentials& known,
                                 const std::stop_token& stop);
  Result<Url> realm() const;

  HttpClient& http_;
  AuthHost host_;
  std::function<Result<Credentials>()> source_;
  std::mutex mutex_;
  std::optional<Credentials> credentials_;
  std::optional<Challenge> challenge_;
  std::map<std::string, Token> tokens_;  // by the text of their scopes
};

}  // namespace dhow::registry
