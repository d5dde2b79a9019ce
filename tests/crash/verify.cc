// SPDX-License-Identifier: Apache-2.0
#include "crash/verify.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <thread>

#include "base/strings.h"
#include "crash/events.h"
#include "crash/output.h"
#include "crash/truth.h"
#include "oci/json_value.h"

namespace dhow::crash_test {
namespace {

using oci::JsonValue;

constexpr auto kPatience = std::chrono::seconds(30);
constexpr auto kPause = std::chrono::milliseconds(20);

struct Look {
  std::vector<std::string> faults;
  bool complete;  // every question was answered
};

// What the API says of a container.
struct Told {
  std::string name;
  std::string phase;
  std::int64_t pid = 0;
  int code = 0;
  bool has_process() const { return phase == "running" || phase == "paused"; }
};
using ToldById = std::map<std::string, Told>;

class Comparison {
 public:
  Comparison(const Daemon& daemon, Api& api, const std::vector<Entries*>& users, std::size_t images)
      : daemon_(daemon), api_(api), users_(users), images_(images) {}

  Look run() {
    if (!ask()) return {std::move(faults_), false};
    for (Entries* entries : users_) settle(*entries);
    for (Entries* entries : users_) {
      for (Entry& entry : *entries) compare_with_entry(entry);
    }
    for (const auto& [id, told] : told_) {
      if (!known_.contains(id)) say(id, "is listed, and nobody has made it");
    }
    compare_with_truth();
    compare_with_events();
    return {std::move(faults_), complete_};
  }

 private:
  void say(std::string_view id, std::string_view what) {
    faults_.push_back(cat(id.substr(0, 12), " ", what));
  }

  // Without an answer nothing can be said to be right.
  void say_unanswered(std::string_view id, std::string_view what) {
    complete_ = false;
    say(id, what);
  }

  bool ask() {
    client::Query query;
    query.add("all", "1");
    Answer list = api_.get("/containers/json", query);
    auto document = oci::JsonDocument::parse(list.body);
    if (!list.good() || !document) {
      faults_.push_back(cat("list: status ", list.status, ": ", list.body));
      return false;
    }
    for (std::size_t i = 0; i < document->root().size(); ++i) {
      std::string id(document->root().item(i).find("Id").as_string().value_or(""));
      Answer answer = api_.get(cat("/containers/", id, "/json"));
      if (answer.came && answer.status == 404) continue;  // it has just gone
      auto inspected = oci::JsonDocument::parse(answer.body);
      if (!answer.good() || !inspected) {
        say_unanswered(id, cat("inspect: status ", answer.status, ": ", answer.body));
        continue;
      }
      JsonValue state = inspected->root().find("State");
      Told& told = told_[id];
      told.name = inspected->root().find("Name").as_string().value_or("/").substr(1);
      told.phase = state.find("Status").as_string().value_or("");
      told.pid = state.find("Pid").as_int64().value_or(0);
      told.code = static_cast<int>(state.find("ExitCode").as_int64().value_or(-1));
      JsonValue mounts = inspected->root().find("Mounts");
      if (mounts.size() != 2) say(id, cat("has ", mounts.size(), " mounts"));
      for (std::size_t k = 0; k < mounts.size(); ++k) {
        volumes_.insert(std::string(mounts.item(k).find("Name").as_string().value_or("")));
      }
    }
    return true;
  }

  ToldById::const_iterator find(const Entry& entry) const {
    if (entry.created) return told_.find(entry.id);
    return std::ranges::find_if(told_,
                                [&](const auto& one) { return one.second.name == entry.name; });
  }

  // What had no answer is as it turned out.
  void settle(Entries& entries) {
    entries.remove_if([this](const Entry& entry) {
      return find(entry) == told_.end() && (!entry.created || entry.may_vanish());
    });
    for (Entry& entry : entries) {
      auto told = find(entry);
      if (told == told_.end()) continue;
      entry.id = told->first;
      entry.created = true;
      entry.removal_asked = false;
      if (entry.other_name == told->second.name) entry.name = entry.other_name;
      entry.other_name.clear();
      entry.paused = told->second.phase == "paused";
      known_.insert(entry.id);
    }
  }

  void compare_with_entry(Entry& entry) {
    auto found = told_.find(entry.id);
    if (found == told_.end()) return say(entry.id, cat(entry.name, ": is not listed"));
    const Told& told = found->second;
    if (told.name != entry.name) say(entry.id, cat("is ", told.name, ", not ", entry.name));
    if (told.phase == "created" && entry.starts_answered > 0) say(entry.id, "has not been started");
    if (told.phase == "exited") {
      if (!entry.may_exit(told.code)) {
        say(entry.id, cat("has ended with ", told.code, ", not ", entry.code, ": ", entry.told()));
      }
      bool back = entry.kind == Kind::kAlways ||
                  (entry.restarts() && !entry.end_asked && entry.starts_asked > 0);
      if (back) say(entry.id, "has ended, and has to be restarted");
    }
    if (entry.kind == Kind::kUnlessStopped && entry.stop_answered && told.phase != "exited") {
      say(entry.id, cat("was stopped, and is ", told.phase));
    }
    if (entry.kind == Kind::kAutoRemove && told.phase == "exited") say(entry.id, "has to go");
    if (!told.has_process() && told.phase != "restarting") check_log(entry);
  }

  void check_log(const Entry& entry) {
    if (entry.starts_asked == 0) return;
    client::Query query;
    query.add("stdout", "1").add("stderr", "1");
    Answer answer = api_.get(cat("/containers/", entry.id, "/logs"), query);
    if (!answer.good()) {
      // One that never ran has none.
      if (entry.starts_answered > 0) say(entry.id, cat("logs: ", answer.status, answer.body));
      return;
    }
    if (std::string fault = log_fault(entry, answer.body); !fault.empty()) {
      say(entry.id, cat("log: ", fault));
    }
  }

  void same(std::string_view what, const Names& there, const Names& wanted) {
    for (const std::string& one : there) {
      if (!wanted.contains(one)) say(one, cat(what, " is left"));
    }
    for (const std::string& one : wanted) {
      if (!there.contains(one)) say(one, cat(what, " is missing"));
    }
  }

  // One with a name stays, one without goes with its container.
  void compare_volumes(const Truth& truth) {
    Answer list = api_.get("/volumes", {});
    auto document = oci::JsonDocument::parse(list.body);
    if (!list.good() || !document) {
      return say_unanswered("volumes", cat("list: status ", list.status));
    }
    Names listed;
    JsonValue volumes = document->root().find("Volumes");
    for (std::size_t i = 0; i < volumes.size(); ++i) {
      listed.insert(std::string(volumes.item(i).find("Name").as_string().value_or("")));
    }
    if (truth.volumes.contains(kSharedVolume)) volumes_.insert(kSharedVolume);
    same("volume", listed, volumes_);
    same("folder of a volume", truth.volumes, volumes_);
  }

  void compare_with_truth() {
    Truth truth = look_at(daemon_);
    compare_volumes(truth);
    Names all;
    Names living;
    for (const auto& [id, told] : told_) {
      all.insert(id);
      if (told.has_process()) living.insert(id);
    }
    same("folder", truth.folders, all);
    same("bundle", truth.bundles, living);
    same("folder of files", truth.files, living);
    same("shim", truth.shims, living);
    same("cgroup", truth.cgroups, living);
    same("state of the runtime", truth.runtime, living);
    Names with_processes;
    for (const auto& [id, pids] : truth.processes) {
      with_processes.insert(id);
      auto told = told_.find(id);
      if (told == told_.end() || !told->second.has_process()) continue;
      if (!pids.contains(static_cast<pid_t>(told->second.pid))) {
        say(id, cat("has no process ", told->second.pid));
      }
    }
    same("process", with_processes, living);
    if (truth.snapshots.size() != all.size() + images_) {
      // In the same words while it stays so.
      auto wanted = static_cast<std::int64_t>(all.size() + images_);
      faults_.push_back(cat(static_cast<std::int64_t>(truth.snapshots.size()) - wanted,
                            " snapshots more than containers and images"));
    }
    for (const std::string& one : truth.helpers) faults_.push_back(cat("process is left: ", one));
    for (const std::string& one : truth.remains) faults_.push_back(cat("file is left: ", one));
    for (const std::string& one : truth.mounts) faults_.push_back(cat("mount is left: ", one));
    for (const std::string& one : truth.state_files) {
      constexpr std::string_view kKnown[] = {"docker.sock", "engine.lock", "events.sock",
                                             "tasks",       "runtime",     "containers"};
      if (std::ranges::find(kKnown, one) == std::end(kKnown)) {
        faults_.push_back(cat("state/", one, " is left"));
      }
    }
  }

  // Of containers whose first event is not kept any more nothing can be said.
  void compare_with_events() {
    auto lives = read_lives(api_);
    if (!lives) return say_unanswered("events", lives.error().message());
    for (const auto& [id, life] : *lives) {
      if (!life.created) continue;
      if (!life.fault.empty()) say(id, life.fault);
      auto found = told_.find(id);
      if (found == told_.end()) {
        if (!life.destroyed) say(id, "is not listed, and no event says that it was removed");
        continue;
      }
      const Told& told = found->second;
      if (life.destroyed) say(id, "is listed, and an event says that it was removed");
      if (life.running != told.has_process()) {
        say(id,
            cat("is ", told.phase, ", and by its events it ", life.running ? "runs" : "does not"));
      }
      // A start that fails has a code, and no end.
      constexpr int kFailedStart = 128;
      if (told.phase == "exited" && told.code != kFailedStart && life.code != told.code) {
        say(id, cat("has ended with ", told.code, ", by its events with ", life.code));
      }
    }
  }

  const Daemon& daemon_;
  Api& api_;
  const std::vector<Entries*>& users_;
  const std::size_t images_;
  ToldById told_;
  Names known_;
  Names volumes_;  // of the containers
  std::vector<std::string> faults_;
  bool complete_ = true;
};

}  // namespace

std::vector<std::string> lasting_differences(const Daemon& daemon, Api& api,
                                             const std::vector<Entries*>& users, std::size_t images,
                                             Rightness rightness) {
  auto look = [&] { return Comparison(daemon, api, users, images).run(); };
  auto end = std::chrono::steady_clock::now() + kPatience;
  Look first = look();
  while (!first.faults.empty() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(kPause);
    Look next = look();
    if (!first.complete || rightness == Rightness::kAllAtOnce) {
      first = std::move(next);
    } else if (next.complete) {
      std::erase_if(first.faults, [&](const std::string& one) {
        return std::ranges::find(next.faults, one) == next.faults.end();
      });
    }
  }
  return std::move(first.faults);
}

}  // namespace dhow::crash_test
