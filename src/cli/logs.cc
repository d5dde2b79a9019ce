// SPDX-License-Identifier: Apache-2.0
// logs, top, port and diff.
#include <algorithm>

#include "base/strings.h"
#include "cli/container_calls.h"
#include "cli/output_verbs.h"
#include "cli/units.h"

namespace dhow::cli {
namespace {

using oci::JsonValue;

// Whether the log of a container has no frames: it says so by its type, engines before API 1.42 by
// the container's configuration.
Result<bool> is_raw(client::Client& client, std::string_view container,
                    const client::HttpHead& head) {
  std::string_view type = head.header("Content-Type");
  if (type == "application/vnd.docker.multiplexed-stream") return false;
  std::string_view version = head.header("Api-Version");
  std::size_t dot = version.find('.');
  auto minor =
      dot == std::string_view::npos ? std::nullopt : parse_number<int>(version.substr(dot + 1));
  if (minor && *minor >= 42 && client.version().empty()) return true;
  TRY_ASSIGN(std::string body, client.call({.path = container_path(container, "/json")}));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(body));
  return document.root().find("Config").find("Tty").as_boolean().value_or(false);
}

}  // namespace

Result<int> run_logs(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  std::string_view container = arguments.positional(0);
  client::Call call;
  call.path = container_path(container, "/logs");
  call.query.add("stdout", "1")
      .add("stderr", "1")
      .add_switch("follow", arguments.boolean("follow"));
  call.query.add_switch("timestamps", arguments.boolean("timestamps"))
      .add_switch("details", arguments.boolean("details"));
  for (std::string_view bound : {"since", "until"}) {
    auto time = api_time(arguments.string(bound));
    if (!time) {
      return fail(Code::kInvalidArgument,
                  cat("invalid value for ", quoted(bound), ": ", time.error().message()));
    }
    call.query.add_given(bound, *time);
  }
  call.query.add("tail", arguments.string("tail", "all"));
  TRY_ASSIGN(client::Exchange exchange, client->open(std::move(call)));
  TRY_ASSIGN(bool raw, is_raw(*client, container, exchange.head()));
  session.flush();
  TRY(copy_output(exchange, raw));
  return 0;
}

Result<int> run_top(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  std::vector<std::string> words;
  for (std::size_t i = 1; i < arguments.positionals().size(); ++i)
    words.emplace_back(arguments.positional(i));
  client::Call call;
  call.path = container_path(arguments.positional(0), "/top");
  call.query.add_given("ps_args", join(words, " "));
  TRY_ASSIGN(std::string body, client->call(std::move(call)));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(body));
  auto line_of = [](JsonValue cells) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i)
      line += cat(i == 0 ? "" : "\t", cells.item(i).as_string().value_or(""));
    return line + "\n";
  };
  std::string text = line_of(document.root().find("Titles"));
  JsonValue processes = document.root().find("Processes");
  for (std::size_t i = 0; i < processes.size(); ++i) text += line_of(processes.item(i));
  session.print(align_columns(text, 20, 3));
  return 0;
}

Result<int> run_port(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  std::string_view container = arguments.positional(0);
  std::string wanted(arguments.positional(1));
  if (!wanted.empty() && wanted.find('/') == std::string::npos) wanted += "/tcp";
  TRY_ASSIGN(std::string body, client->call({.path = container_path(container, "/json")}));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(body));
  JsonValue ports = document.root().find("NetworkSettings").find("Ports");
  struct Line {
    std::int64_t port;
    std::string text;
  };
  std::vector<Line> lines;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    oci::JsonMember member = ports.member(i);
    if (!wanted.empty() && member.name != wanted) continue;
    for (std::size_t j = 0; j < member.value.size(); ++j) {
      std::string ip = text_member(member.value.item(j), "HostIp");
      if (ip.find(':') != std::string::npos) ip = cat("[", ip, "]");
      std::string address = cat(ip, ":", text_member(member.value.item(j), "HostPort"));
      std::int64_t number =
          parse_number<std::int64_t>(member.name.substr(0, member.name.find('/'))).value_or(0);
      lines.push_back({number, wanted.empty() ? cat(member.name, " -> ", address) : address});
    }
  }
  if (lines.empty() && !wanted.empty()) {
    return fail(Code::kNotFound, cat("Error: No public port '", arguments.positional(1),
                                     "' published for ", container));
  }
  std::ranges::stable_sort(lines, {}, &Line::port);
  for (const Line& line : lines) session.print_line(line.text);
  return 0;
}

Result<int> run_diff(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  TRY_ASSIGN(std::string body,
             client->call({.path = container_path(arguments.positional(0), "/changes")}));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(body));
  constexpr std::string_view kKinds[] = {"C", "A", "D"};
  for (std::size_t i = 0; i < document.root().size(); ++i) {
    JsonValue change = document.root().item(i);
    auto kind = static_cast<std::size_t>(number_member(change, "Kind"));
    session.print_line(cat(kind < 3 ? kKinds[kind] : "?", " ", text_member(change, "Path")));
  }
  return 0;
}

}  // namespace dhow::cli
