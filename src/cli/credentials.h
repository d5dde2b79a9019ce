// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/config_file.h"

namespace dhow::cli {

struct Credentials {
  std::string user;
  std::string password;
  std::string identity_token;
  std::string registry_token;
  bool empty() const { return user.empty() && identity_token.empty() && registry_token.empty(); }
};

// The name of the registry of an image: "docker.io" is "https://index.docker.io/v1/", as docker
// keeps it.
std::string registry_key(std::string_view registry);
std::string registry_of_image(std::string_view image);

// From the credential helper for the registry, the credential store or the file; empty when there
// are none. A helper is a program docker-credential-NAME in $PATH; blocks for it.
Result<Credentials> find_credentials(const ConfigFile& config, std::string_view key);
// Keeps them, or forgets them; other members of config.json stay as they are.
Status store_credentials(const ConfigFile& config, const std::string& folder, std::string_view key,
                         const Credentials& credentials);
Status erase_credentials(const ConfigFile& config, const std::string& folder, std::string_view key);

// The value of X-Registry-Auth: base64url of JSON.
std::string registry_header(const Credentials& credentials, std::string_view key);

}  // namespace dhow::cli
