// SPDX-License-Identifier: Apache-2.0
#include "engine/events.h"

#include <algorithm>

#include "base/strings.h"
#include "metadata/lease_store.h"

namespace dhow::engine {
namespace {

using metadata::Row;
using metadata::Transaction;

constexpr std::string_view kKeys[] = {"builder", "config", "container", "daemon", "event",
                                      "image",   "label",  "network",   "node",   "plugin",
                                      "scope",   "secret", "service",   "type",   "volume"};

// "exec_start: sh" is asked for as "exec_start".
bool is_action(std::string_view action, std::string_view wanted) {
  return action == wanted ||
         (action.starts_with(wanted) && action.substr(wanted.size()).starts_with(": "));
}

bool has_label(const Event& event, std::string_view wanted) {
  std::size_t equals = wanted.find('=');
  auto found = event.attributes.find(std::string(wanted.substr(0, equals)));
  if (found == event.attributes.end()) return false;
  return equals == std::string_view::npos || found->second == wanted.substr(equals + 1);
}

// An image without its tag stands for all of its tags, as docker has it.
bool is_image(const std::string& have, const std::string& wanted) {
  return have == wanted || have.starts_with(wanted + ":");
}

bool matches_value(const Event& event, std::string_view key, const std::string& wanted) {
  auto attribute = [&](const char* name) {
    auto found = event.attributes.find(name);
    return found == event.attributes.end() ? std::string() : found->second;
  };
  if (key == "event") return is_action(event.action, wanted);
  if (key == "type") return event.type == wanted;
  if (key == "scope") return wanted == "local";
  if (key == "label") return has_label(event, wanted);
  if (key == "image") {
    return (event.type == "image" && is_image(event.actor, wanted)) ||
           is_image(attribute(event.type == "image" ? "name" : "image"), wanted);
  }
  if (event.type != key) return key == "container" && attribute("container") == wanted;
  return event.actor == wanted || attribute("name") == wanted ||
         (key == "container" && wanted.size() >= 2 && event.actor.starts_with(wanted));
}

Status check_filters(const Filters& filters) {
  for (const auto& [key, values] : filters) {
    if (std::ranges::find(kKeys, key) == std::end(kKeys)) {
      return fail(Code::kInvalidArgument, cat("invalid filter '", key, "'"));
    }
  }
  return {};
}

}  // namespace

bool event_matches(const Event& event, const Filters& filters) {
  return std::ranges::all_of(filters, [&](const auto& filter) {
    const auto& [key, values] = filter;
    auto one = [&](const std::string& value) { return matches_value(event, key, value); };
    // Labels must all be there; of everything else one.
    return values.empty() ||
           (key == "label" ? std::ranges::all_of(values, one) : std::ranges::any_of(values, one));
  });
}

Status Events::append(Transaction& transaction, const Event& event) {
  TRY(transaction.run(
      "INSERT INTO event (time, type, action, actor, attributes) VALUES (?, ?, ?, ?, ?)",
      {event.time != 0 ? event.time : metadata::now(), event.type, event.action, event.actor,
       metadata::labels_json(event.attributes)}));
  TRY(transaction.run("DELETE FROM event WHERE number <= last_insert_rowid() - ?", {kKept}));
  return {};
}

void Events::notify() {
  {
    std::lock_guard lock(mutex_);
    ++generation_;
  }
  changed_.notify_all();
}

Status Events::publish(Event event) {
  TRY(database_.write([&](Transaction& transaction) { return append(transaction, event); }));
  notify();
  return {};
}

Result<std::vector<Event>> Events::after(std::int64_t number, std::int64_t since) const {
  // So many at a time: a reader that is slow must not keep a state of the database open.
  constexpr std::int64_t kBatch = 512;
  std::vector<Event> events;
  TRY(database_.read([&](Transaction& transaction) {
    return transaction.query(
        "SELECT number, time, type, action, actor, attributes FROM event"
        " WHERE number > ? AND time >= ? ORDER BY number LIMIT ?",
        {number, since, kBatch}, [&](const Row& row) -> Status {
          Event event;
          event.number = row.integer(0);
          event.time = row.integer(1);
          event.type = row.text(2);
          event.action = row.text(3);
          event.actor = row.text(4);
          TRY_ASSIGN(event.attributes, metadata::parse_labels(row.text(5)));
          events.push_back(std::move(event));
          return {};
        });
  }));
  return events;
}

Status Events::read(const EventQuery& query, const std::function<Status(const Event&)>& each,
                    std::stop_token stop) const {
  TRY(check_filters(query.filters));
  std::uint64_t seen = 0;
  {
    std::lock_guard lock(mutex_);
    seen = generation_;
  }
  std::int64_t last = 0;
  if (!query.since) {
    TRY(database_.read([&](Transaction& transaction) {
      return transaction.query("SELECT coalesce(max(number), 0) FROM event", {},
                               [&](const Row& row) -> Status {
                                 last = row.integer(0);
                                 return {};
                               });
    }));
  }
  while (!stop.stop_requested()) {
    TRY_ASSIGN(std::vector<Event> events, after(last, query.since.value_or(0)));
    for (const Event& event : events) {
      last = event.number;
      if (query.until && event.time > *query.until) return {};
      if (event_matches(event, query.filters)) TRY(each(event));
    }
    if (!events.empty()) continue;
    std::int64_t now = metadata::now();
    if (query.until && now >= *query.until) return {};
    std::unique_lock lock(mutex_);
    auto changed = [&] { return generation_ != seen; };
    if (query.until) {
      changed_.wait_for(lock, stop, std::chrono::nanoseconds(*query.until - now), changed);
    } else {
      changed_.wait(lock, stop, changed);
    }
    seen = generation_;
  }
  return {};
}

}  // namespace dhow::engine
