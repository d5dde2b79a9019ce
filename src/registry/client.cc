// SPDX-License-Identifier: Apache-2.0
#include "registry/client.h"

#include "base/strings.h"
#include "registry/host_session.h"

namespace dhow::registry {

Result<Repository> Client::repository(const oci::Reference& reference,
                                      std::shared_ptr<CredentialSource> credentials) {
  if (credentials == nullptr) credentials = options_.credentials;
  TRY_ASSIGN(std::vector<Host> hosts, find_hosts(options_.hosts, reference.domain));
  std::vector<std::shared_ptr<HostSession>> sessions;
  for (Host& host : hosts) {
    // A mirror is somebody else, who has no business with the credentials of the registry.
    std::string name = host.ns.empty() ? reference.domain : host.base.authority();
    sessions.push_back(std::make_shared<HostSession>(http_, std::move(host), reference.path,
                                                     credentials, std::move(name)));
  }
  return Repository(reference, http_, std::move(sessions), options_.retry);
}

Status Client::log_in(const std::string& domain, const Credentials& credentials,
                      std::stop_token stop) {
  TRY_ASSIGN(Host host, default_host(options_.hosts, domain));
  HttpRequest request;
  request.url = host.base;
  request.url.path += "/";
  const std::string place = cat(request.url.authority(), request.url.path);
  HostSession session(http_, std::move(host), {},
                      std::make_shared<FixedCredentials>(domain, credentials), domain);
  auto answer = session.ask(std::move(request), {}, stop);
  if (answer) return {};
  Error error = std::move(answer).error().error;
  // In docker's words, where it is the registry itself that refuses: over TLS or, on loopback,
  // without.
  std::string_view text = error.message();
  for (std::string_view scheme : {"https://", "http://"}) {
    std::string tried = cat(scheme, place);
    if (error.code() != Code::kUnauthenticated || !text.starts_with("GET " + quoted(tried)))
      continue;
    return fail(Code::kUnauthenticated,
                cat("login attempt to ", tried, " failed with status: 401 Unauthorized"));
  }
  return std::unexpected(std::move(error));
}

Status Client::download(const std::string& url, BodySink& sink, std::stop_token stop) {
  HttpRequest request;
  TRY_ASSIGN(request.url, Url::parse(url));
  request.sink = &sink;
  TRY_ASSIGN(HttpResponse response, http_.send(std::move(request), std::move(stop)));
  if (response.ok()) return {};
  return fail(code_from_status(response.status),
              cat("failed to GET ", url, " with status ", response.status, ": ",
                  trim(response.body).substr(0, 1000)));
}

}  // namespace dhow::registry
