// SPDX-License-Identifier: Apache-2.0
#include "registry/credentials.h"

#include <stdlib.h>

#include <optional>

#include "base/strings.h"
#include "oci/base64.h"
#include "oci/json_value.h"
#include "sys/file_io.h"
#include "sys/spawn.h"

namespace dhow::registry {
namespace {

using oci::JsonKind;
using oci::JsonMember;
using oci::JsonValue;

constexpr std::size_t kMaxAuthFile = 16U << 20;
constexpr int kHelperTimeout = 30'000;  // milliseconds
constexpr std::string_view kHubServer = "https://index.docker.io/v1/";
// What helpers give as the name when the secret is an identity token.
constexpr std::string_view kTokenUser = "<token>";

std::unexpected<Error> fault(std::string_view place, std::string_view why) {
  return fail(Code::kInvalidArgument, cat(place, ": ", why));
}

Status read_text(JsonValue object, std::string_view name, std::string_view place,
                 std::string& out) {
  JsonValue value = object.find(name);
  if (value.is_null()) return {};
  auto text = value.as_string();
  if (!text) return fault(cat(place, ".", name), "not a string");
  out = *text;
  return {};
}

// "auth" is the base64 of "name:password".
Status read_auth(std::string_view encoded, std::string_view place, Credentials& out) {
  auto plain = oci::base64_decode(encoded);
  auto colon = plain ? plain->find(':') : std::string::npos;
  if (colon == std::string::npos) return fault(cat(place, ".auth"), "not a name and a password");
  out.username = plain->substr(0, colon);
  out.password = plain->substr(colon + 1);
  // Old clients padded it.
  while (out.password.ends_with('\0')) out.password.pop_back();
  return {};
}

Status read_entry(const JsonMember& entry, std::string_view place, Credentials& out) {
  if (entry.value.kind() != JsonKind::kObject) return fault(place, "not an object");
  std::string encoded;
  TRY(read_text(entry.value, "auth", place, encoded));
  TRY(read_text(entry.value, "username", place, out.username));
  TRY(read_text(entry.value, "password", place, out.password));
  TRY(read_text(entry.value, "identitytoken", place, out.identity_token));
  TRY(read_text(entry.value, "registrytoken", place, out.registry_token));
  if (!encoded.empty()) TRY(read_auth(encoded, place, out));
  if (out.username == kTokenUser && out.identity_token.empty()) {
    out.identity_token = std::exchange(out.password, {});
  }
  return {};
}

// docker.io has several names.
std::string_view canonical_host(std::string_view host) {
  return host == "index.docker.io" || host == "registry-1.docker.io" ? "docker.io" : host;
}

// "https://host/v1/" and "host/v2" name a host; anything else stays.
std::string_view key_without_url(std::string_view key) {
  bool url = false;
  for (std::string_view scheme : {"https://", "http://"}) {
    if (!key.starts_with(scheme)) continue;
    key.remove_prefix(scheme.size());
    url = true;
  }
  auto slash = key.find('/');
  std::string_view path = slash == std::string_view::npos ? "" : key.substr(slash);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (url || path.empty() || path == "/v1" || path == "/v2") key = key.substr(0, slash);
  return key;
}

bool is_helper_name(std::string_view name) {
  if (name.empty() || name.starts_with('-')) return false;
  for (char c : name) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '-' || c == '.' || c == '_';
    if (!plain) return false;
  }
  return true;
}

}  // namespace

FixedCredentials::FixedCredentials(std::string host, Credentials credentials)
    : host_(std::move(host)), credentials_(std::move(credentials)) {}

Result<Credentials> FixedCredentials::find(std::string_view host, std::string_view) {
  return canonical_host(host) == canonical_host(host_) ? credentials_ : Credentials();
}

Result<AuthFile> parse_auth_file(std::string_view text) {
  AuthFile file;
  if (trim(text).empty()) return file;
  TRY_ASSIGN(oci::JsonDocument document, oci::JsonDocument::parse(text));
  JsonValue root = document.root();
  if (root.kind() != JsonKind::kObject) return fault("$", "not an object");
  JsonValue auths = root.find("auths");
  if (!auths.is_null() && auths.kind() != JsonKind::kObject)
    return fault("$.auths", "not an object");
  for (std::size_t i = 0; i < auths.size(); ++i) {
    JsonMember entry = auths.member(i);
    TRY(read_entry(entry, cat("$.auths[", quoted(entry.name), "]"),
                   file.auths[std::string(entry.name)]));
  }
  TRY(read_text(root, "credsStore", "$", file.store));
  JsonValue helpers = root.find("credHelpers");
  if (!helpers.is_null() && helpers.kind() != JsonKind::kObject) {
    return fault("$.credHelpers", "not an object");
  }
  for (std::size_t i = 0; i < helpers.size(); ++i) {
    std::string name(helpers.member(i).name);
    TRY(read_text(helpers, name, "$.credHelpers", file.helpers[name]));
  }
  return file;
}

Credentials find_in_auths(const AuthFile& file, std::string_view host,
                          std::string_view repository) {
  host = canonical_host(host);
  std::string key = repository.empty() ? std::string(host) : cat(host, "/", repository);
  for (;;) {
    if (auto found = file.auths.find(key); found != file.auths.end() && !found->second.empty()) {
      return found->second;
    }
    auto slash = key.rfind('/');
    if (slash == std::string::npos) break;
    key.resize(slash);
  }
  for (const auto& [name, credentials] : file.auths) {
    if (!credentials.empty() && canonical_host(key_without_url(name)) == host) return credentials;
  }
  return {};
}

std::string helper_for(const AuthFile& file, std::string_view host) {
  host = canonical_host(host);
  for (const auto& [name, helper] : file.helpers) {
    if (canonical_host(key_without_url(name)) == host) return helper;
  }
  return file.store;
}

std::string server_name(std::string_view host) {
  return std::string(canonical_host(host) == "docker.io" ? kHubServer : host);
}

Result<Credentials> ask_helper(std::string_view helper, std::string_view server) {
  std::string program = cat("docker-credential-", helper);
  std::string what = cat("ask ", quoted(program), " for the credentials of ", quoted(server));
  if (!is_helper_name(helper)) {
    return fail(Code::kInvalidArgument, cat(what, ": not the name of a helper"));
  }
  SpawnOptions options;
  options.arguments = {program, "get"};
  options.input = server;
  options.timeout_ms = kHelperTimeout;
  auto run = spawn_and_wait(options);
  if (!run.has_value()) {
    return fail(Code::kFailedPrecondition, cat(what, ": ", run.error().message()));
  }
  if (run->timed_out) {
    return fail(Code::kFailedPrecondition,
                cat(what, ": no answer for ", kHelperTimeout / 1000, " seconds"));
  }
  if (run->exit_code != 0) {
    // The only text of the protocol that says that there are none.
    if (run->output.find("credentials not found") != std::string::npos) return Credentials();
    std::string_view said = trim(run->output.empty() ? run->error_text : run->output);
    return fail(Code::kFailedPrecondition,
                cat(what, ": exit status ", run->exit_code, said.empty() ? "" : ": ",
                    said.substr(0, said.find('\n')).substr(0, 200)));
  }
  auto document = oci::JsonDocument::parse(run->output);
  auto name = document.has_value() ? document->root().find("Username").as_string() : std::nullopt;
  auto secret = document.has_value() ? document->root().find("Secret").as_string() : std::nullopt;
  if (!name || !secret) {
    return fail(Code::kFailedPrecondition, cat(what, ": its answer has no name and secret"));
  }
  if (*name == kTokenUser) return Credentials{.identity_token = std::string(*secret)};
  return Credentials{.username = std::string(*name), .password = std::string(*secret)};
}

std::vector<std::string> AuthFiles::default_paths() {
  auto variable = [](const char* name) -> std::string {
    const char* value = ::getenv(name);
    return value == nullptr ? "" : value;
  };
  std::vector<std::string> paths;
  auto add = [&](const std::string& base, std::string_view rest) {
    if (!base.empty()) paths.push_back(base + std::string(rest));
  };
  std::string home = variable("HOME");
  add(variable("REGISTRY_AUTH_FILE"), "");
  add(variable("XDG_RUNTIME_DIR"), "/containers/auth.json");
  add(home, "/.config/containers/auth.json");
  std::string docker = variable("DOCKER_CONFIG");
  add(docker.empty() && !home.empty() ? home + "/.docker" : docker, "/config.json");
  return paths;
}

Result<Credentials> AuthFiles::find(std::string_view host, std::string_view repository) {
  for (const std::string& path : paths_) {
    auto text = read_file(path, kMaxAuthFile);
    if (!text.has_value() && text.error().code() == Code::kNotFound) continue;
    if (!text.has_value()) return std::unexpected(text.error());
    auto file = parse_auth_file(*text);
    if (!file.has_value()) {
      return std::unexpected(std::move(file).error().add_context(cat("read ", quoted(path))));
    }
    if (std::string helper = helper_for(*file, host); !helper.empty()) {
      TRY_ASSIGN(Credentials found, ask_helper(helper, server_name(host)));
      if (!found.empty()) return found;
    }
    if (Credentials found = find_in_auths(*file, host, repository); !found.empty()) return found;
  }
  return Credentials();
}

}  // namespace dhow::registry
