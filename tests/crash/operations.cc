// SPDX-License-Identifier: Apache-2.0
// What a user of the engine does.
#include <signal.h>

#include "base/strings.h"
#include "crash/load.h"
#include "crash/output.h"
#include "crash/truth.h"
#include "oci/json_value.h"

namespace dhow::crash_test {
namespace {

std::string path_of(const Entry& entry, std::string_view what) {
  return cat("/containers/", entry.id, what);
}

std::string_view policy_of(Kind kind) {
  switch (kind) {
    case Kind::kAlways:
      return "always";
    case Kind::kUnlessStopped:
      return "unless-stopped";
    case Kind::kOnFailure:
      return "on-failure";
    default:
      return "no";
  }
}

std::string command_of(const Entry& entry, bool slow) {
  if (entry.kind == Kind::kLong) {
    return "trap 'exit 5' TERM; echo up; while :; do sleep 1000 & wait $!; done";
  }
  return cat("i=0; while [ $i -lt ", entry.lines, " ]; do echo line $i; i=$((i+1)); ",
             slow ? "[ $i != 5 ] || sleep 0.1; " : "", "done; exit ", entry.code);
}

std::string create_body(const Entry& entry, bool slow) {
  return cat(R"({"Image":"busybox","Cmd":["sh","-c",")", command_of(entry, slow),
             R"("],"Volumes":{"/anonymous":{}},"HostConfig":{"NetworkMode":"none","Binds":[")",
             kSharedVolume, R"(:/named"],"AutoRemove":)",
             entry.kind == Kind::kAutoRemove ? "true" : "false", R"(,"RestartPolicy":{"Name":")",
             policy_of(entry.kind), R"("}}})");
}

std::string text_of(const Answer& answer, std::string_view name) {
  auto document = oci::JsonDocument::parse(answer.body);
  if (!document) return "";
  return std::string(document->root().find(name).as_string().value_or(""));
}

std::optional<std::int64_t> number_of(const Answer& answer, std::string_view name) {
  auto document = oci::JsonDocument::parse(answer.body);
  if (!document) return std::nullopt;
  return document->root().find(name).as_int64();
}

}  // namespace

void User::create() {
  Entry& entry = entries_.emplace_back();
  entry.name = cat("user", number_, "-", ++made_);
  constexpr Kind kKinds[] = {Kind::kShort,  Kind::kShort,         Kind::kShort,
                             Kind::kLong,   Kind::kLong,          Kind::kAutoRemove,
                             Kind::kAlways, Kind::kUnlessStopped, Kind::kOnFailure};
  entry.kind = kKinds[below(std::size(kKinds))];
  entry.lines = static_cast<int>(5 + below(200));
  entry.code = static_cast<int>(1 + below(100));
  client::Query query;
  query.add("name", entry.name);
  Answer answer = api_.post("/containers/create", query, create_body(entry, below(2) == 0));
  if (!answer.came) return;
  if (!answer.good()) {
    fault(entry, cat("create: ", answer.body));
    entries_.pop_back();
    return;
  }
  entry.id = text_of(answer, "Id");
  entry.created = true;
}

void User::start(Entry& entry) {
  ++entry.starts_asked;
  entry.stop_answered = false;
  Answer answer = api_.post(path_of(entry, "/start"));
  if (answer.came && answer.status == 304) --entry.starts_asked;
  if (!answer.came || answer.status != 204) return;
  ++entry.starts_answered;
}

void User::wait(Entry& entry) {
  // What never ends, or begins anew, is not waited for; nor what is frozen.
  if (!entry.ends() || entry.paused) {
    entry.wait_due = false;
    return;
  }
  entry.wait_due = true;
  Answer answer = api_.post(path_of(entry, "/wait"));
  if (!answer.came) return;
  entry.wait_due = false;
  if (!answer.good()) return fault(entry, cat("wait: ", answer.body));
  auto code = number_of(answer, "StatusCode");
  if (!code || !entry.may_exit(static_cast<int>(*code))) {
    fault(entry, cat("wait: ", answer.body, ", not ", entry.code));
  }
}

void User::stop(Entry& entry) {
  entry.end_asked = true;
  client::Query query;
  query.add("t", "0");
  Answer answer = api_.post(path_of(entry, "/stop"), below(2) == 0 ? query : client::Query());
  if (!answer.came) return;
  entry.paused = false;
  if (answer.status == 204) entry.stop_answered = true;
}

void User::kill(Entry& entry) {
  entry.end_asked = true;
  std::ignore = api_.post(path_of(entry, "/kill"));
}

// As the kernel does when there is no memory left.
void User::kill_shim(Entry& entry) {
  entry.end_asked = true;
  std::ignore = signal_shim(entry.id, SIGKILL);
}

void User::pause(Entry& entry) {
  if (entry.kind != Kind::kLong) return;
  bool pausing = !entry.paused;
  entry.paused = true;  // both may be
  Answer answer = api_.post(path_of(entry, pausing ? "/pause" : "/unpause"));
  if (!answer.came) return;
  entry.paused = answer.good() ? pausing : !pausing;
}

void User::rename(Entry& entry) {
  entry.other_name = cat("user", number_, "-", ++made_);
  client::Query query;
  query.add("name", entry.other_name);
  Answer answer = api_.post(path_of(entry, "/rename"), query);
  if (!answer.came) return;
  if (answer.good()) entry.name = entry.other_name;
  entry.other_name.clear();
}

void User::remove(Entry& entry, bool force) {
  if (!force && entry.kind == Kind::kLong && entry.starts_asked > 0 && below(4) != 0) return;
  entry.removal_asked = true;
  if (force) entry.end_asked = true;
  client::Query query;
  query.add_switch("force", force).add("v", "1");
  Answer answer = api_.call("DELETE", path_of(entry, ""), query);
  if (!answer.came) return;
  if (answer.good() || answer.status == 404) {
    if (answer.status == 404 && entry.kind != Kind::kAutoRemove)
      fault(entry, "rm: it is not there");
    entries_.remove_if([&](const Entry& one) { return &one == &entry; });
    return;
  }
  entry.removal_asked = false;
}

void User::read_logs(Entry& entry) {
  client::Query query;
  query.add("stdout", "1").add("stderr", "1");
  Answer answer = api_.get(path_of(entry, "/logs"), query);
  if (!answer.good()) return;
  if (auto text = unframed(answer.body); !text) {
    fault(entry, cat("logs: ", text.error().message()));
  } else if (entry.kind != Kind::kLong && !entry.end_asked) {
    Runs runs = count_runs(*text, entry.lines);
    if (!runs.fault.empty()) fault(entry, cat("logs: ", runs.fault));
  }
}

void User::attach(Entry& entry) {
  client::Query query;
  query.add("stream", "1").add("stdout", "1").add("stderr", "1");
  Api::Stream stream = api_.open(path_of(entry, "/attach"), query);
  if (!stream.good()) return;
  bool first = entry.starts_asked == 0;  // what else it may be attached to is not known
  int before = entry.starts_answered;
  start(entry);
  if (entry.starts_answered == before || !first) return;
  Answer answer = stream.rest();
  // The daemon's end looks like that of the stream. It comes after the gate was closed.
  if (!answer.came || !gate_.is_open() || entry.end_asked) return;
  auto text = unframed(answer.body);
  if (!text) return fault(entry, cat("attach: ", text.error().message()));
  Runs runs = count_runs(*text, entry.lines);
  if (runs.whole != 1 || runs.cut != 0 || !runs.fault.empty()) {
    fault(entry, cat("attach: ", runs.whole, " whole runs, ", runs.cut, " cut; ", runs.fault));
  }
}

void User::execute(Entry& entry) {
  if (entry.kind != Kind::kLong) return;
  Answer made = api_.post(
      path_of(entry, "/exec"), {},
      R"({"AttachStdout":true,"AttachStderr":true,"Cmd":["sh","-c","echo one; echo two; exit 9"]})");
  if (!made.good()) return;
  std::string exec = cat("/exec/", text_of(made, "Id"));
  Api::Stream stream = api_.open(exec + "/start", {}, R"({"Detach":false,"Tty":false})");
  if (!stream.good()) return;
  Answer answer = stream.rest();
  // A stop that had no answer may come to its end meanwhile.
  if (!answer.came || !gate_.is_open() || entry.end_asked) return;
  auto text = unframed(answer.body);
  if (!text || *text != "one\ntwo\n") {
    return fault(entry, cat("exec: ", text ? quoted(*text) : text.error().message()));
  }
  Answer state = api_.get(exec + "/json");
  if (!state.good()) return;
  if (auto code = number_of(state, "ExitCode"); code != 9) {
    fault(entry, cat("exec: ", state.body));
  }
}

void User::look() {
  client::Query query;
  query.add("all", "1");
  Answer answer = api_.get("/containers/json", query);
  if (answer.came && !answer.good()) gate_.report(cat("list: ", answer.body));
}

}  // namespace dhow::crash_test
