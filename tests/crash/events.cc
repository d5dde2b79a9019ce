// SPDX-License-Identifier: Apache-2.0
#include "crash/events.h"

#include <algorithm>
#include <chrono>

#include "base/strings.h"
#include "oci/json_value.h"

namespace dhow::crash_test {
namespace {

using oci::JsonValue;

void add(Life& life, std::string_view action, JsonValue attributes) {
  auto wrong = [&](std::string_view why) {
    if (life.fault.empty()) life.fault = cat("its event ", action, " comes ", why);
  };
  // A stop is told by whoever has waited for the end, which with --rm is the removal.
  if (life.destroyed && action != "stop") wrong("after its removal");
  if (action == "create") {
    if (life.created) wrong("twice");
    life.created = true;
  } else if (action == "start") {
    if (life.running) wrong("while it runs");
    life.running = true;
  } else if (action == "die") {
    if (life.created && !life.running) wrong("while it does not run");
    life.running = false;
    auto code = attributes.find("exitCode").as_string();
    life.code = code ? parse_number<int>(*code).value_or(-1) : -1;
  } else if (action == "destroy") {
    if (life.running) wrong("while it runs");
    life.destroyed = true;
  }
}

}  // namespace

Result<Lives> read_lives(Api& api) {
  auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                 std::chrono::system_clock::now().time_since_epoch())
                 .count();
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::string fraction = cat(kSecond + now % kSecond).substr(1);
  client::Query query;
  query.add("since", "1").add("until", cat(now / kSecond, ".", fraction));
  query.add("filters", R"({"type":["container"]})");
  Answer answer = api.get("/events", query);
  if (!answer.good()) return fail(Code::kUnavailable, cat("events: status ", answer.status));
  Lives lives;
  for (std::string_view line : split(answer.body, '\n')) {
    if (line.empty()) continue;
    TRY_ASSIGN(auto document, oci::JsonDocument::parse(line));
    JsonValue actor = document.root().find("Actor");
    std::string id(actor.find("ID").as_string().value_or(""));
    add(lives[id], document.root().find("Action").as_string().value_or(""),
        actor.find("Attributes"));
  }
  return lives;
}

}  // namespace dhow::crash_test
