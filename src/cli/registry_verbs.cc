// SPDX-License-Identifier: Apache-2.0
// login, logout and search.
#include <unistd.h>

#include "base/strings.h"
#include "cli/container_calls.h"
#include "cli/credentials.h"
#include "cli/rows.h"
#include "cli/tables.h"
#include "cli/terminal.h"
#include "cli/units.h"
#include "sys/file_io.h"

namespace dhow::cli {
namespace {

using oci::JsonValue;
using enum FlagKind;

Result<Credentials> asked_credentials(Session& session, const Arguments& arguments) {
  Credentials given;
  given.user = arguments.string("username");
  given.password = arguments.string("password");
  if (arguments.has("password")) {
    if (arguments.boolean("password-stdin")) {
      return fail(Code::kInvalidArgument,
                  "conflicting options: cannot specify both --password and --password-stdin");
    }
    session.complain_line(
        "WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
  }
  if (arguments.boolean("password-stdin")) {
    if (given.user.empty())
      return fail(Code::kInvalidArgument,
                  "the --password-stdin option requires --username to be set");
    TRY_ASSIGN(given.password, read_all(FdRef(STDIN_FILENO), 1 << 20));
    while (given.password.ends_with('\n') || given.password.ends_with('\r'))
      given.password.pop_back();
    return given;
  }
  bool complete = !given.user.empty() && !given.password.empty();
  if (!complete && !session.input_is_terminal()) {
    return fail(Code::kInvalidArgument,
                "Error: Cannot perform an interactive login from a non TTY device");
  }
  if (given.user.empty()) {
    session.flush();
    TRY_ASSIGN(given.user, read_line("Username: ", true));
    if (given.user.empty()) return fail(Code::kInvalidArgument, "username is required");
  }
  if (given.password.empty()) {
    session.flush();
    TRY_ASSIGN(given.password, read_line("Password: ", false));
    if (given.password.empty()) return fail(Code::kInvalidArgument, "password is required");
  }
  return given;
}

Result<int> run_login(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  TRY_ASSIGN(const ConfigFile* config, session.config());
  std::string key = registry_key(arguments.positional(0));
  Credentials credentials;
  if (arguments.string("username").empty() && !arguments.has("password")) {
    TRY_ASSIGN(credentials, find_credentials(*config, key));
    if (!credentials.empty()) session.print("Authenticating with existing credentials...\n");
  }
  if (credentials.empty()) {
    TRY_ASSIGN(credentials, asked_credentials(session, arguments));
  }
  oci::JsonWriter json;
  json.begin_object().member("username", credentials.user).member("password", credentials.password);
  if (!credentials.identity_token.empty()) json.member("identitytoken", credentials.identity_token);
  json.member("serveraddress", key).end_object();
  TRY_ASSIGN(std::string answer,
             client->call({.method = "POST", .path = "/auth", .body = json.text()}));
  if (!answer.empty()) {
    TRY_ASSIGN(auto document, oci::JsonDocument::parse(answer));
    std::string token = text_member(document.root(), "IdentityToken");
    if (!token.empty()) {
      credentials.identity_token = token;
      credentials.password.clear();
    }
  }
  std::string folder = session.config_folder();
  TRY(store_credentials(*config, folder, key, credentials));
  bool plain = config->credentials_store.empty() && !config->credential_helpers.contains(key);
  if (plain) {
    session.complain_line(cat("\nWARNING! Your credentials are stored unencrypted in '", folder,
                              "/config.json'.\nConfigure a credential helper to remove this "
                              "warning: set credsStore there."));
  }
  session.print("Login Succeeded\n");
  return 0;
}

Result<int> run_logout(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(const ConfigFile* config, session.config());
  std::string key = registry_key(arguments.positional(0));
  session.print_line(cat("Removing login credentials for ", key));
  TRY(erase_credentials(*config, session.config_folder(), key));
  return 0;
}

constexpr Column kSearchColumns[] = {
    {"Description", "DESCRIPTION",
     [](JsonValue row, const RowOptions& options) -> Value {
       std::string text = text_member(row, "description");
       for (char& c : text) {
         if (c == '\n' || c == '\r') c = ' ';
       }
       return options.truncate ? ellipsis(text, 45) : text;
     }},
    {"IsAutomated", "AUTOMATED",
     [](JsonValue row, const RowOptions&) -> Value {
       return row.find("is_automated").as_boolean().value_or(false) ? "[OK]" : "";
     }},
    {"IsOfficial", "OFFICIAL",
     [](JsonValue row, const RowOptions&) -> Value {
       return row.find("is_official").as_boolean().value_or(false) ? "[OK]" : "";
     }},
    {"Name", "NAME",
     [](JsonValue row, const RowOptions&) -> Value { return text_member(row, "name"); }},
    {"StarCount", "STARS",
     [](JsonValue row, const RowOptions&) -> Value {
       return cat(number_member(row, "star_count"));
     }},
};

constexpr RowKind kSearchRows{"*registry.searchContext", kSearchColumns};

Result<int> run_search(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  TRY_ASSIGN(const ConfigFile* config, session.config());
  RowOptions options;
  options.truncate = !arguments.boolean("no-trunc");
  TRY_ASSIGN(RowFormat format,
             RowFormat::make(arguments.string("format"),
                             "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}"));
  client::Call call;
  call.path = "/images/search";
  call.query.add("term", arguments.positional(0))
      .add_given("filters", filters_text(arguments.list("filter")));
  if (std::int64_t limit = arguments.integer("limit"); limit > 0)
    call.query.add("limit", cat(limit));
  std::string key = registry_of_image(arguments.positional(0));
  TRY_ASSIGN(Credentials credentials, find_credentials(*config, key));
  if (!credentials.empty())
    call.headers.push_back({"X-Registry-Auth", registry_header(credentials, key)});
  TRY_ASSIGN(std::string body, client->call(std::move(call)));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(body));
  TRY_ASSIGN(std::string output, format.render(kSearchRows, document.root(), options));
  session.print(output);
  return 0;
}

constexpr Flag kLoginFlags[] = {
    {"password", kString, 'p', "TEXT", "password or token; --password-stdin keeps it out of sight"},
    {"password-stdin", kBool, 0, "", "read the password from standard input"},
    {"username", kString, 'u', "NAME", "user"},
};
constexpr Flag kSearchFlags[] = {
    {"filter", kFilter, 'f', "KEY=VALUE", "only those that match: stars=, is-official="},
    {"format", kString, 0, "FORMAT",
     "\"table\", \"table TEMPLATE\", \"json\", or a template of Go"},
    {"limit", kInt, 0, "N", "most results"},
    {"no-trunc", kBool, 0, "", "cut nothing short"},
};

constexpr Command kRegistryCommands[] = {
    {.names = "login",
     .summary = "Log in to a registry",
     .usage = "[OPTIONS] [SERVER]",
     .details = "The credentials are kept in config.json, or by the credential helper that it "
                "names (credsStore, credHelpers).",
     .handler = run_login,
     .max_arguments = 1,
     .flags = kLoginFlags},
    {.names = "logout",
     .summary = "Log out from a registry",
     .usage = "[SERVER]",
     .handler = run_logout,
     .max_arguments = 1},
    {.names = "search",
     .summary = "Search Docker Hub for images",
     .usage = "[OPTIONS] TERM",
     .handler = run_search,
     .min_arguments = 1,
     .max_arguments = 1,
     .flags = kSearchFlags},
};

}  // namespace

std::span<const Command> registry_commands() { return kRegistryCommands; }

}  // namespace dhow::cli
