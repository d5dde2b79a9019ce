// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "metadata/database.h"

namespace dhow::engine {

// Something that happened: docker's event. `action` is its word, with ": detail" where docker has
// one ("exec_start: sh -c x", "health_status: healthy").
struct Event {
  std::int64_t number = 0;  // rises with each event, across restarts
  std::string type;         // "container", "image", "volume", "network", "daemon"
  std::string action;
  std::string actor;  // id or name
  std::map<std::string, std::string> attributes;
  std::int64_t time = 0;  // nanoseconds since 1970
};

// Values that a filter takes, by its key; the same key's values are alternatives, keys must all
// hold. Keys with "!" at their end are negations.
using Filters = std::map<std::string, std::vector<std::string>>;

struct EventQuery {
  std::optional<std::int64_t> since;  // nanoseconds since 1970; none: only what comes
  std::optional<std::int64_t> until;  // none: until `stop`
  // container, daemon, event, image, label, network, scope, type, volume. `container`, `image` and
  // the like take names and ids.
  Filters filters;
};

// The events of one database, in order and durable: what was published is there after a restart.
// Thread safe. The newest kKept are kept.
class Events {
 public:
  static constexpr std::int64_t kKept = 65536;

  explicit Events(metadata::Database& database) : database_(database) {}

  // Writes an event and wakes the readers; a time of 0 is replaced by now. Blocks on the database.
  Status publish(Event event);
  // As a part of a transaction; call notify() after it.
  static Status append(metadata::Transaction& transaction, const Event& event);
  // Wakes the readers.
  void notify();

  // Calls `each` with every event that the query asks for, in order: those that are there first,
  // then, unless `until` has passed, those that come, for as long as `stop` is not asked for. A
  // failure of `each` ends it and is returned. An unknown filter is kInvalidArgument in docker's
  // words. Blocks.
  Status read(const EventQuery& query, const std::function<Status(const Event&)>& each,
              std::stop_token stop) const;

 private:
  Result<std::vector<Event>> after(std::int64_t number, std::int64_t since) const;

  metadata::Database& database_;
  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  std::uint64_t generation_ = 0;
};

// Whether an event is one that the filters ask for.
bool event_matches(const Event& event, const Filters& filters);

}  // namespace dhow::engine
