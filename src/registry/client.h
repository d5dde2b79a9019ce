// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "oci/reference.h"
#include "registry/credentials.h"
#include "registry/hosts.h"
#include "registry/http.h"
#include "registry/repository.h"
#include "registry/retry.h"

namespace dhow::registry {

struct ClientOptions {
  HttpOptions http = {};
  HostsOptions hosts = {};
  RetryOptions retry = {};
  // What is asked when a caller brings no credentials; may be null.
  std::shared_ptr<CredentialSource> credentials = {};
};

// The way to all registries: shares connections among the repositories that it opens, and must
// outlive them. Thread safe.
class Client {
 public:
  explicit Client(ClientOptions options) : options_(std::move(options)), http_(options_.http) {}

  // The repository of an image. Reads the configuration of its hosts; asks no host yet.
  // `credentials`, when given, are asked instead of the client's own.
  Result<Repository> repository(const oci::Reference& reference,
                                std::shared_ptr<CredentialSource> credentials = nullptr);

  // Asks the registry of a domain whether it takes these credentials (distribution-spec,
  // "Determining Support"): kUnauthenticated when it doesn't. Blocks.
  Status log_in(const std::string& domain, const Credentials& credentials,
                std::stop_token stop = {});

  // The content behind a URL of http or https, which need be no registry's. A status that is no
  // success is a failure of its class, in docker's words. Blocks.
  Status download(const std::string& url, BodySink& sink, std::stop_token stop = {});

 private:
  ClientOptions options_;
  HttpClient http_;
};

}  // namespace dhow::registry
