// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>

#include "base/strings.h"
#include "cli/container_calls.h"
#include "cli/rows.h"
#include "cli/system_verbs.h"
#include "cli/units.h"
#include "client/frames.h"

namespace dhow::cli {
namespace {

using oci::JsonValue;

std::string event_line(JsonValue event) {
  std::int64_t nanoseconds = number_member(event, "timeNano");
  std::int64_t seconds =
      nanoseconds != 0 ? nanoseconds / 1'000'000'000 : number_member(event, "time");
  JsonValue actor = event.find("Actor");
  std::string line =
      cat(rfc3339_text(seconds, nanoseconds % 1'000'000'000, true), " ", text_member(event, "Type"),
          " ", text_member(event, "Action"), " ", text_member(actor, "ID"));
  JsonValue attributes = actor.find("Attributes");
  if (attributes.size() == 0) return line;
  std::vector<std::string> pairs;
  for (std::size_t i = 0; i < attributes.size(); ++i) {
    pairs.push_back(
        cat(attributes.member(i).name, "=", attributes.member(i).value.as_string().value_or("")));
  }
  std::ranges::sort(pairs);
  return cat(line, " (", join(pairs, ", "), ")");
}

}  // namespace

Result<int> run_events(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  std::string_view format = arguments.string("format");
  std::optional<Template> shape;
  if (!format.empty() && format != "json") {
    auto parsed = Template::parse(format);
    if (!parsed)
      return std::unexpected(std::move(parsed).error().add_context("Error parsing format"));
    shape.emplace(std::move(*parsed));
  }
  client::Call call;
  call.path = "/events";
  for (std::string_view bound : {"since", "until"}) {
    TRY_ASSIGN(std::string time, api_time(arguments.string(bound)));
    call.query.add_given(bound, time);
  }
  call.query.add_given("filters", filters_text(arguments.list("filter")));
  TRY_ASSIGN(client::Exchange exchange, client->open(std::move(call)));
  client::JsonStream stream;
  std::vector<char> buffer(32768);
  while (true) {
    TRY_ASSIGN(std::size_t count, exchange.read(buffer));
    if (count == 0) return 0;
    TRY(stream.feed({buffer.data(), count}, [&](std::string_view text) -> Status {
      TRY_ASSIGN(auto document, oci::JsonDocument::parse(text));
      std::string line;
      if (shape) {
        TRY(shape->execute(value_from_json(document.root()), line));
      } else {
        line = format == "json" ? std::string(text) : event_line(document.root());
      }
      session.print_line(line);
      return {};
    }));
    session.flush();
  }
}

// For `docker -H ssh://…`, which runs it on the other side.
Result<int> run_dial_stdio(Session& session, const Arguments&) {
  TRY_ASSIGN(client::Client * client, session.client());
  TRY_ASSIGN(client::Exchange exchange, client->send({.method = "HEAD", .path = "/_ping"}));
  TRY(exchange.await_head());
  StreamOptions options;
  options.input = options.output = true;
  options.terminal = true;  // bytes as they are
  TRY_ASSIGN(StreamEnd end, run_streams(exchange, options));
  return end == StreamEnd::kFinished ? 0 : 1;
}

}  // namespace dhow::cli
