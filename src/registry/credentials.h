// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace dhow::registry {

// What proves to a registry who asks. One of: a name with its password, an identity token (OAuth's
// refresh token), or a token for the registry itself; empty: nobody in particular. Never to be part
// of a message.
struct Credentials {
  std::string username = {};
  std::string password = {};
  std::string identity_token = {};
  std::string registry_token = {};

  bool empty() const {
    return username.empty() && password.empty() && identity_token.empty() && registry_token.empty();
  }
  bool operator==(const Credentials&) const = default;
};

// Where credentials come from. Thread safe; may block.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;
  // Those for a repository ("library/busybox") on a host ("docker.io", "localhost:5000"); empty
  // ones when there are none.
  virtual Result<Credentials> find(std::string_view host, std::string_view repository) = 0;
};

// Always the same, for one host: those that came with a request.
class FixedCredentials final : public CredentialSource {
 public:
  FixedCredentials(std::string host, Credentials credentials);
  Result<Credentials> find(std::string_view host, std::string_view repository) override;

 private:
  std::string host_;
  Credentials credentials_;
};

// The content of docker's config.json or of containers' auth.json (containers-auth.json(5)).
struct AuthFile {
  std::map<std::string, Credentials> auths;         // by host, URL, or host with a path
  std::string store;                                // "credsStore"
  std::map<std::string, std::string> helpers = {};  // "credHelpers": host to helper
};

// Faults are kInvalidArgument with the place, and never show a value.
Result<AuthFile> parse_auth_file(std::string_view text);

// The credentials of a file for a repository: of the longest path that holds it first
// ("host/a/b", "host/a", "host"), then of a key that means the host in another form
// ("https://host/v1/"). Helpers are not asked.
Credentials find_in_auths(const AuthFile& file, std::string_view host, std::string_view repository);

// Which helper is to be asked for a host; "": none.
std::string helper_for(const AuthFile& file, std::string_view host);

// Asks `docker-credential-<helper> get` (docker-credential-helpers, "Development"), for 30 seconds
// at most. Empty when it has none; kFailedPrecondition when it can't be run or fails.
Result<Credentials> ask_helper(std::string_view helper, std::string_view server);

// The name that docker keeps a host's credentials under: the host, but for docker.io, whose is the
// URL "https://index.docker.io/v1/".
std::string server_name(std::string_view host);

// The files of a user, the first that has something wins. They are read at each call; one that is
// not there is as one that is empty.
class AuthFiles final : public CredentialSource {
 public:
  explicit AuthFiles(std::vector<std::string> paths) : paths_(std::move(paths)) {}
  // $REGISTRY_AUTH_FILE, $XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json,
  // and $DOCKER_CONFIG/config.json or ~/.docker/config.json.
  static std::vector<std::string> default_paths();

  Result<Credentials> find(std::string_view host, std::string_view repository) override;

 private:
  std::vector<std::string> paths_;
};

}  // namespace dhow::registry
