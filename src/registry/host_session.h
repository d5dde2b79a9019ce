// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <expected>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "registry/auth.h"
#include "registry/hosts.h"
#include "registry/http.h"
#include "registry/retry.h"

namespace dhow::registry {

// One host as it is asked for one repository: its addresses, its headers, its login. Thread safe.
class HostSession {
 public:
  // `http` is borrowed. `credentials` is asked when the host's configuration has none.
  HostSession(HttpClient& http, Host host, std::string repository,
              std::shared_ptr<CredentialSource> credentials, std::string credentials_name);

  const Host& host() const { return host_; }
  const std::string& repository() const { return repository_; }
  // How it is called in messages: "mirror.io:5000".
  std::string name() const { return host_.base.authority(); }

  // Below the repository, as "manifests/latest", with "ns=" for a mirror.
  Url url(std::string_view path) const;
  // The URL that a Location or a Link of that answer means.
  static Result<Url> follow(const HttpResponse& response, std::string_view location);

  // One request, with a login when the host asks for it. Nothing of the host's secrets goes to a
  // URL of another origin. Any status is an answer.
  Result<HttpResponse> send(HttpRequest request, const ScopeSet& scopes,
                            const std::stop_token& stop);
  // As send(); a status of no 2xx is a failure, but for those in `accepted`.
  std::expected<HttpResponse, Failure> ask(HttpRequest request, const ScopeSet& scopes,
                                           const std::stop_token& stop,
                                           std::initializer_list<int> accepted = {});

 private:
  bool is_own(const Url& url) const;

  HttpClient& http_;
  Host host_;
  std::string repository_;
  std::unique_ptr<HostAuth> auth_;
  std::atomic<bool> plain_ = false;      // no TLS could be had
  std::atomic<bool> encrypted_ = false;  // it could
};

}  // namespace dhow::registry
