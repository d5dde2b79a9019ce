// SPDX-License-Identifier: Apache-2.0
#include "cli/container_calls.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <tuple>

#include "base/strings.h"
#include "cli/credentials.h"
#include "oci/json_value.h"
#include "oci/reference.h"
#include "sys/file_io.h"

namespace dhow::cli {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

Result<std::string> create_once(client::Client& client, const CreateRequest& request) {
  client::Call call;
  call.method = "POST";
  call.path = "/containers/create";
  call.query.add_given("name", request.name).add_given("platform", request.platform);
  call.body = request.body;
  return client.call(std::move(call));
}

Result<std::string> create_or_pull(Session& session, const Arguments& arguments,
                                   const CreateRequest& request) {
  TRY_ASSIGN(client::Client * client, session.client());
  std::string_view when = arguments.string("pull", "missing");
  PullOptions options;
  options.platform = request.platform;
  options.quiet = arguments.boolean("quiet");
  options.target = ProgressDisplay::Target::kErrors;
  if (when == "always") TRY(pull_image(session, request.image, options));
  auto answer = create_once(*client, request);
  bool missing = !answer && answer.error().code() == Code::kNotFound &&
                 (contains(answer.error().message(), "No such image") ||
                  contains(answer.error().message(), "does not provide the specified platform"));
  if (!missing || when != "missing") return answer;
  auto name = oci::parse_image_name(request.image);
  if (!name) return answer;
  if (!options.quiet)
    session.complain_line(cat("Unable to find image '", name->familiar(), "' locally"));
  TRY(pull_image(session, request.image, options));
  return create_once(*client, request);
}

}  // namespace

std::string container_path(std::string_view name, std::string_view rest) {
  return cat("/containers/", client::percent_encoded(name), rest);
}

std::string image_path(std::string_view name, std::string_view rest) {
  // Slashes and colons stay: the engine's routes take them.
  std::string path = "/images/";
  for (char c : name) {
    if (c == '/' || c == ':' || c == '@') {
      path += c;
    } else {
      path += client::percent_encoded({&c, 1});
    }
  }
  return path += rest;
}

std::string filters_text(const std::vector<std::string_view>& filters) {
  // One member a name, with a member a value.
  std::vector<std::pair<std::string, std::vector<std::string>>> grouped;
  for (std::string_view filter : filters) {
    std::size_t equals = filter.find('=');
    if (filter.empty()) continue;
    std::string name = lower_text(trim(filter.substr(0, equals)));
    std::string value(trim(filter.substr(equals + 1)));
    // "label!=x" is the filter "label!".
    auto found = std::ranges::find(grouped, name, &decltype(grouped)::value_type::first);
    if (found == grouped.end()) found = grouped.insert(grouped.end(), {name, {}});
    if (std::ranges::find(found->second, value) == found->second.end())
      found->second.push_back(value);
  }
  if (grouped.empty()) return {};
  oci::JsonWriter json;
  json.begin_object();
  for (const auto& [name, values] : grouped) {
    json.key(name).begin_object();
    for (const std::string& value : values) json.member_boolean(value, true);
    json.end_object();
  }
  json.end_object();
  return json.text();
}

Status pull_image(Session& session, std::string_view image, const PullOptions& options) {
  TRY_ASSIGN(client::Client * client, session.client());
  TRY_ASSIGN(const ConfigFile* config, session.config());
  TRY_ASSIGN(oci::Reference name,
             options.all_tags ? oci::parse_reference(image) : oci::parse_image_name(image));
  std::string key = registry_of_image(name.name());
  TRY_ASSIGN(Credentials credentials, find_credentials(*config, key));
  client::Call call;
  call.method = "POST";
  call.path = "/images/create";
  call.query.add("fromImage", name.familiar_name());
  std::string tag = name.digest.empty() ? name.tag : name.digest.text();
  call.query.add_given("tag", options.all_tags ? "" : tag).add_given("platform", options.platform);
  if (!credentials.empty())
    call.headers.push_back({"X-Registry-Auth", registry_header(credentials, key)});
  TRY_ASSIGN(client::Exchange exchange, client->open(std::move(call)));
  return show_progress(session, exchange, options.target, options.quiet);
}

Result<std::string> create_container(Session& session, const Arguments& arguments,
                                     const CreateRequest& request) {
  std::string_view when = arguments.string("pull", "missing");
  if (when != "always" && when != "missing" && when != "never" && !when.empty()) {
    return fail(Code::kInvalidArgument,
                cat("invalid pull option: '", when,
                    "': must be one of \"always\", \"missing\" or \"never\""));
  }
  std::string_view id_file = arguments.string("cidfile");
  if (!id_file.empty() && ::access(std::string(id_file).c_str(), F_OK) == 0) {
    return fail(
        Code::kAlreadyExists,
        cat("container ID file found, make sure the other container isn't running or delete ",
            id_file));
  }
  Fd output;
  if (!id_file.empty()) {
    TRY_ASSIGN(output, open_at(kCwd, id_file, O_WRONLY | O_CREAT | O_EXCL, 0644));
  }
  auto answer = create_or_pull(session, arguments, request);
  if (!answer && output) ::unlink(std::string(id_file).c_str());
  if (!answer) return answer;
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(*answer));
  std::string id(document.root().find("Id").as_string().value_or(""));
  oci::JsonValue warnings = document.root().find("Warnings");
  for (std::size_t i = 0; i < warnings.size(); ++i) {
    session.complain_line(cat("WARNING: ", warnings.item(i).as_string().value_or("")));
  }
  if (output) TRY(write_all(output, id));
  return id;
}

Result<int> exit_code_of(client::Exchange& wait) {
  TRY_ASSIGN(std::string body, wait.read_all());
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(body));
  if (auto message = document.root().find("Error").find("Message").as_string();
      message && !message->empty()) {
    return fail(Code::kUnknown, std::string(*message));
  }
  return static_cast<int>(document.root().find("StatusCode").as_int64().value_or(125));
}

void resize_terminal(client::Client& client, const std::string& path, TerminalSize size) {
  if (size.rows == 0 && size.columns == 0) return;
  client::Call call;
  call.method = "POST";
  call.path = path + "/resize";
  call.query.add("h", cat(size.rows)).add("w", cat(size.columns));
  std::ignore = client.call_status(std::move(call));  // it may have ended
}

void forward_signal(client::Client& client, std::string_view container, std::string_view signal,
                    std::vector<client::Exchange>& pending) {
  client::Call call;
  call.method = "POST";
  call.path = container_path(container, "/kill");
  call.query.add("signal", signal);
  if (auto sent = client.send(std::move(call))) pending.push_back(std::move(*sent));
}

Status check_input_terminal(const Session& session, bool input, bool terminal) {
  if (!input || !terminal || session.input_is_terminal()) return {};
  return fail(Code::kInvalidArgument, "the input device is not a TTY");
}

int start_failure_code(std::string_view message) {
  if (contains(message, "executable file not found") ||
      contains(message, "no such file or directory"))
    return 127;
  if (contains(message, "permission denied") || contains(message, "is a directory")) return 126;
  return 125;
}

}  // namespace dhow::cli
