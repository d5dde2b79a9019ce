// SPDX-License-Identifier: Apache-2.0
#include "cli/credentials.h"

#include <fcntl.h>

#include "base/strings.h"
#include "oci/base64.h"
#include "oci/json.h"
#include "oci/json_value.h"
#include "sys/file_io.h"
#include "sys/spawn.h"

namespace dhow::cli {
namespace {

constexpr std::string_view kHub = "https://index.docker.io/v1/";

std::string helper_for(const ConfigFile& config, std::string_view key) {
  auto found = config.credential_helpers.find(std::string(key));
  return found != config.credential_helpers.end() ? found->second : config.credentials_store;
}

// Runs `docker-credential-NAME VERB` with the text as its input (docker-credential-helpers'
// protocol).
Result<SpawnOutput> run_helper(const std::string& name, std::string_view verb,
                               std::string_view input) {
  SpawnOptions options;
  options.arguments = {"docker-credential-" + name, std::string(verb)};
  options.input = input;
  return spawn_and_wait(options);
}

Result<Credentials> ask_helper(const std::string& name, std::string_view key) {
  TRY_ASSIGN(SpawnOutput output, run_helper(name, "get", key));
  if (output.exit_code != 0) {
    std::string_view reason = trim(output.output);
    if (reason == "credentials not found in native keychain") return Credentials{};
    return fail(Code::kUnauthenticated, cat("docker-credential-", name, " get: ", reason));
  }
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(output.output));
  Credentials found;
  found.user = document.root().find("Username").as_string().value_or("");
  std::string secret(document.root().find("Secret").as_string().value_or(""));
  if (found.user == "<token>") {
    found.user.clear();
    found.identity_token = secret;
  } else {
    found.password = secret;
  }
  return found;
}

// The file with other auths: a member of `auths` set to a JSON text, or taken out when it is "".
Status change_auths(const std::string& folder, std::string_view key, std::string_view entry) {
  return change_config_file(folder, [&](oci::JsonValue root, oci::JsonWriter& json) {
    json.key("auths").begin_object();
    oci::JsonValue auths = root.find("auths");
    for (std::size_t i = 0; i < auths.size(); ++i) {
      if (auths.member(i).name == key) continue;
      json.key(auths.member(i).name);
      copy_json(auths.member(i).value, json);
    }
    if (!entry.empty()) json.key(key).raw(entry);
    json.end_object();
    copy_members(root, "auths", json);
  });
}

}  // namespace

std::string registry_key(std::string_view registry) {
  bool hub = registry.empty() || registry == "docker.io" || registry == "index.docker.io" ||
             registry == "registry-1.docker.io" || registry == kHub;
  if (hub) return std::string(kHub);
  for (std::string_view scheme : {"https://", "http://"}) {
    if (registry.starts_with(scheme)) registry.remove_prefix(scheme.size());
  }
  return std::string(registry.substr(0, registry.find('/')));
}

std::string registry_of_image(std::string_view image) {
  std::size_t slash = image.find('/');
  std::string_view first = image.substr(0, slash);
  bool host = slash != std::string_view::npos &&
              (first == "localhost" || first.find_first_of(".:") != std::string_view::npos);
  return registry_key(host ? first : "");
}

Result<Credentials> find_credentials(const ConfigFile& config, std::string_view key) {
  if (std::string helper = helper_for(config, key); !helper.empty()) return ask_helper(helper, key);
  for (const auto& [name, auth] : config.auths) {
    if (registry_key(name) != key && name != key) continue;
    Credentials found;
    found.identity_token = auth.identity_token;
    found.registry_token = auth.registry_token;
    std::string pair = oci::base64_decode(auth.auth).value_or("");
    std::size_t colon = pair.find(':');
    if (colon != std::string::npos) {
      found.user = pair.substr(0, colon);
      found.password = pair.substr(colon + 1);
      // Old versions of docker put a NUL at the end.
      found.password.resize(std::min(found.password.find('\0'), found.password.size()));
    }
    return found;
  }
  return Credentials{};
}

Status store_credentials(const ConfigFile& config, const std::string& folder, std::string_view key,
                         const Credentials& credentials) {
  std::string helper = helper_for(config, key);
  if (!helper.empty()) {
    bool token = !credentials.identity_token.empty();
    oci::JsonWriter json;
    json.begin_object()
        .member("ServerURL", key)
        .member("Username", token ? "<token>" : std::string_view(credentials.user));
    json.member("Secret", token ? credentials.identity_token : credentials.password).end_object();
    TRY_ASSIGN(SpawnOutput output, run_helper(helper, "store", json.text()));
    if (output.exit_code != 0)
      return fail(Code::kUnknown,
                  cat("docker-credential-", helper, " store: ", trim(output.output)));
    return change_auths(folder, key, "{}");
  }
  oci::JsonWriter json;
  json.begin_object();
  if (!credentials.user.empty()) {
    json.member("auth", oci::base64_encode(cat(credentials.user, ":", credentials.password)));
  }
  if (!credentials.identity_token.empty()) json.member("identitytoken", credentials.identity_token);
  json.end_object();
  return change_auths(folder, key, json.text());
}

Status erase_credentials(const ConfigFile& config, const std::string& folder,
                         std::string_view key) {
  if (std::string helper = helper_for(config, key); !helper.empty()) {
    TRY_ASSIGN(SpawnOutput output, run_helper(helper, "erase", key));
    if (output.exit_code != 0)
      return fail(Code::kUnknown,
                  cat("docker-credential-", helper, " erase: ", trim(output.output)));
  }
  return change_auths(folder, key, "");
}

std::string registry_header(const Credentials& credentials, std::string_view key) {
  oci::JsonWriter json;
  json.begin_object();
  if (!credentials.user.empty())
    json.member("username", credentials.user).member("password", credentials.password);
  if (!credentials.identity_token.empty()) json.member("identitytoken", credentials.identity_token);
  if (!credentials.registry_token.empty()) json.member("registrytoken", credentials.registry_token);
  if (!credentials.empty()) json.member("serveraddress", key);
  json.end_object();
  return oci::base64_encode(json.text(), true);
}

}  // namespace dhow::cli
