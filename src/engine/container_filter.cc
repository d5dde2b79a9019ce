// SPDX-License-Identifier: Apache-2.0
#include "engine/container_filter.h"

#include <algorithm>
#include <ctime>

#include "base/rfc3339.h"
#include "base/strings.h"
#include "metadata/lease_store.h"
#include "network/ports.h"

namespace dhow::engine {
namespace {

constexpr std::string_view kListKeys[] = {
    "ancestor", "before", "expose", "exited",  "health",  "id",    "is-task", "isolation",
    "label",    "label!", "name",   "network", "publish", "since", "status",  "volume"};
constexpr std::string_view kStates[] = {"created",  "running", "paused", "restarting",
                                        "removing", "exited",  "dead"};
constexpr std::string_view kHealth[] = {"none", "starting", "healthy", "unhealthy"};
constexpr std::int64_t kFilterSecond = 1'000'000'000;

std::unexpected<Error> wrong(std::string_view key, std::string_view value) {
  return fail(Code::kInvalidArgument, cat("invalid filter '", key, "=", value, "'"));
}

bool is_one_of(const auto& list, std::string_view text) {
  return std::ranges::find(list, text) != std::end(list);
}

bool matches_label(const TextMap& labels, const std::string& text) {
  return LabelQuery::parse(text).matches(labels);
}

// Either form of a name: docker's own has a slash before it.
bool matches_container_name(const NameFilter& names, const std::string& name) {
  return names.matches(name) || names.matches("/" + name);
}

// "80", "80/udp" or "8000-8010/tcp".
std::optional<ListFilter::PortRange> parse_port_range(std::string_view text) {
  std::size_t slash = text.find('/');
  auto numbers = network::parse_number_range(text.substr(0, slash));
  std::string protocol(slash == std::string_view::npos ? "tcp" : text.substr(slash + 1));
  bool is_known = protocol == "tcp" || protocol == "udp" || protocol == "sctp";
  if (!numbers || !is_known) return std::nullopt;
  return ListFilter::PortRange{numbers->first, numbers->second, std::move(protocol)};
}

std::string plural(std::int64_t count, std::string_view unit) {
  return cat(count, " ", unit, count == 1 ? "" : "s");
}

// As docker's units.HumanDuration.
std::string duration_text(std::int64_t seconds) {
  if (seconds < 1) return "Less than a second";
  if (seconds < 60) return plural(seconds, "second");
  std::int64_t minutes = seconds / 60;
  if (minutes == 1) return "About a minute";
  if (minutes < 60) return plural(minutes, "minute");
  std::int64_t hours = (seconds + 1800) / 3600;
  if (hours == 1) return "About an hour";
  if (hours < 48) return plural(hours, "hour");
  if (hours < 24 * 7 * 2) return plural(hours / 24, "day");
  if (hours < 24 * 30 * 2) return plural(hours / 24 / 7, "week");
  if (hours < 24 * 365 * 2) return plural(hours / 24 / 30, "month");
  return plural(seconds / 3600 / 24 / 365, "year");
}

}  // namespace

std::string status_text(const ContainerState& state, std::int64_t now) {
  auto since = [&](std::int64_t time) { return duration_text((now - time) / kFilterSecond); };
  switch (state.phase) {
    case Phase::kRunning: {
      std::string text = cat("Up ", since(state.started));
      if (!state.health) return text;
      return state.health->status == "starting" ? text + " (health: starting)"
                                                : cat(text, " (", state.health->status, ")");
    }
    case Phase::kPaused:
      return cat("Up ", since(state.started), " (Paused)");
    case Phase::kRestarting:
      return cat("Restarting (", state.exit_code, ") ", since(state.finished), " ago");
    case Phase::kRemoving:
      return "Removal In Progress";
    case Phase::kDead:
      return "Dead";
    case Phase::kCreated:
      return "Created";
    case Phase::kExited:
      return cat("Exited (", state.exit_code, ") ", since(state.finished), " ago");
  }
  return {};
}

std::optional<std::int64_t> parse_local_time(std::string_view text) {
  std::size_t dot = text.find('.');
  std::string whole(text.substr(0, dot));
  std::string fraction(dot == std::string_view::npos ? "" : text.substr(dot + 1));
  fraction.resize(std::max<std::size_t>(fraction.size(), 9), '0');
  auto nanoseconds = parse_number<std::uint32_t>(fraction);
  if (!nanoseconds || fraction.size() > 9) return std::nullopt;
  for (const char* format : {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"}) {
    std::tm parts{};
    const char* rest = ::strptime(whole.c_str(), format, &parts);
    if (rest == nullptr || *rest != '\0') continue;
    parts.tm_isdst = -1;  // as it was then
    std::int64_t time = 0;
    if (__builtin_mul_overflow(std::mktime(&parts), kFilterSecond, &time)) return std::nullopt;
    return time + *nanoseconds;
  }
  return std::nullopt;
}

std::optional<std::int64_t> parse_filter_time(std::string_view text, std::int64_t now) {
  if (auto time = parse_rfc3339(text)) return time;
  if (auto time = parse_local_time(text)) return time;
  std::size_t dot = text.find('.');
  if (auto seconds = parse_number<std::int64_t>(text.substr(0, dot)))
    return *seconds * kFilterSecond;
  std::int64_t ago = 0;
  while (!text.empty()) {
    std::size_t digits = text.find_first_not_of("0123456789");
    if (digits == 0 || digits == std::string_view::npos) return std::nullopt;
    auto number = parse_number<std::int64_t>(text.substr(0, digits));
    text.remove_prefix(digits);
    std::int64_t unit = text.starts_with("ms") ? kFilterSecond / 1000
                        : text.front() == 's'  ? kFilterSecond
                        : text.front() == 'm'  ? 60 * kFilterSecond
                        : text.front() == 'h'  ? 3600 * kFilterSecond
                                               : 0;
    if (!number || unit == 0) return std::nullopt;
    ago += *number * unit;
    text.remove_prefix(text.starts_with("ms") ? 2 : 1);
  }
  return now - ago;
}

Result<ListFilter> ListFilter::parse(
    const Filters& filters,
    const std::function<Result<std::int64_t>(const std::string&)>& created_of,
    const std::function<std::set<std::string>(const std::string&)>& images) {
  ListFilter out;
  for (const auto& [key, values] : filters) {
    if (!is_one_of(kListKeys, key)) {
      return fail(Code::kInvalidArgument, cat("invalid filter '", key, "'"));
    }
    for (const std::string& value : values) {
      if (key == "status") {
        if (!is_one_of(kStates, value)) return wrong(key, value);
        out.wants_all_ = true;
      } else if (key == "health") {
        if (!is_one_of(kHealth, value)) return wrong(key, value);
      } else if (key == "exited") {
        if (!parse_number<int>(value)) return wrong(key, value);
        out.wants_all_ = true;
      } else if (key == "before" || key == "since") {
        TRY_ASSIGN(std::int64_t time, created_of(value));
        (key == "before" ? out.before_ : out.since_) = time;
        out.wants_all_ = true;
      } else if (key == "ancestor") {
        out.ancestors_.merge(images(value));
      } else if (key == "expose" || key == "publish") {
        auto range = parse_port_range(value);
        if (!range) return wrong(key, value);
        (key == "expose" ? out.exposed_ : out.published_).push_back(std::move(*range));
      } else if (key == "is-task" && value != "true" && value != "false" && value != "1" &&
                 value != "0") {
        return wrong(key, value);
      }
    }
  }
  out.filters_ = filters;
  out.names_ = NameFilter::of(filters);
  return out;
}

bool ListFilter::PortRange::has(std::uint16_t port, std::string_view its_protocol) const {
  return port >= first && port <= last && its_protocol == protocol;
}

// As docker has it: one that is exposed by the number that it has in the container, or published by
// the one that it has at the host.
bool ListFilter::matches_ports(const ContainerRecord& record, const View& view) const {
  if (exposed_.empty() && published_.empty()) return true;
  for (const std::string& text : record.config.config.exposed_ports) {
    auto port = network::parse_port(text);
    bool fits = port && std::ranges::any_of(exposed_, [&](const PortRange& range) {
                  return range.has(port->first, port->second);
                });
    if (fits) return true;
  }
  for (const PortStatus& port : view.ports()) {
    auto has = [&](std::uint16_t number) {
      return [&, number](const PortRange& range) { return range.has(number, port.protocol); };
    };
    if (std::ranges::any_of(exposed_, has(port.container_port))) return true;
    if (port.host_port != 0 && std::ranges::any_of(published_, has(port.host_port))) return true;
  }
  return false;
}

bool ListFilter::matches(const ContainerRecord& record, const View& view) const {
  const ContainerState& state = record.progress.state;
  const ContainerConfig& config = record.config.config;
  if (before_ && record.created >= *before_) return false;
  if (since_ && record.created <= *since_) return false;
  if (!matches_container_name(names_, record.name)) return false;
  if (!matches_ports(record, view)) return false;
  return std::ranges::all_of(filters_, [&](const auto& filter) {
    const auto& [key, values] = filter;
    if (values.empty() || key == "before" || key == "since") return true;
    if (key == "expose" || key == "publish" || key == "name") return true;
    if (key == "network") {
      std::vector<NetworkStatus> networks = view.networks();
      return std::ranges::any_of(networks, [&](const NetworkStatus& network) {
        return std::ranges::any_of(values, [&](const std::string& value) {
          return network.name == value || (!value.empty() && network.network_id.starts_with(value));
        });
      });
    }
    if (key == "label") {
      return std::ranges::all_of(
          values, [&](const std::string& value) { return matches_label(config.labels, value); });
    }
    return std::ranges::any_of(values, [&, &key = key](const std::string& value) {
      if (key == "label!") return !matches_label(config.labels, value);
      if (key == "id") return record.id.starts_with(value);
      if (key == "status") return phase_name(state.phase) == value;
      if (key == "exited") {
        return state.phase == Phase::kExited && state.finished != 0 &&
               parse_number<int>(value) == state.exit_code;
      }
      if (key == "health") return (state.health ? state.health->status : "none") == value;
      if (key == "ancestor") return ancestors_.contains(record.facts.image_id);
      if (key == "volume") {
        return std::ranges::any_of(record.mounts(), [&](const WantedMount& mount) {
          return mount.source == value || mount.destination == value;
        });
      }
      if (key == "is-task") return value == "false" || value == "0";
      return key == "isolation" && (value == "default" || value.empty());
    });
  });
}

Status check_until(const Filters& filters) {
  auto until = filters.find("until");
  if (until == filters.end() || until->second.size() <= 1) return {};
  return fail(Code::kInvalidArgument, "more than one until filter specified");
}

Result<PruneFilter> PruneFilter::parse(const Filters& filters) {
  PruneFilter out;
  TRY(check_until(filters));
  for (const auto& [key, values] : filters) {
    for (const std::string& value : values) {
      if (key == "label") {
        out.labels_.push_back(LabelQuery::parse(value));
      } else if (key == "label!") {
        out.without_labels_.push_back(LabelQuery::parse(value));
      } else if (key == "until") {
        out.until_ = parse_filter_time(value, metadata::now());
        if (!out.until_) return wrong(key, value);
      } else {
        return fail(Code::kInvalidArgument, cat("invalid filter '", key, "'"));
      }
    }
  }
  return out;
}

bool PruneFilter::matches(const ContainerRecord& record) const {
  const TextMap& labels = record.config.config.labels;
  auto has = [&](const LabelQuery& query) { return query.matches(labels); };
  return std::ranges::all_of(labels_, has) && std::ranges::none_of(without_labels_, has) &&
         (!until_ || record.created <= *until_);
}

}  // namespace dhow::engine
