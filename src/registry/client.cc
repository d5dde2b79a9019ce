// SPDX-License-Identifier: Apache-2.0
#include "registry/client.h"

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
  HostSession session(http_, std::move(host), {},
                      std::make_shared<FixedCredentials>(domain, credentials), domain);
  auto answer = session.ask(std::move(request), {}, stop);
  if (!answer) return std::unexpected(std::move(answer).error().error);
  return {};
}

}  // namespace dhow::registry
