// SPDX-License-Identifier: Apache-2.0
#include "engine/networks.h"

#include <algorithm>

#include "base/strings.h"
#include "engine/container_filter.h"
#include "engine/image_filter.h"
#include "engine/pattern.h"
#include "metadata/lease_store.h"

namespace dhow::engine {
namespace {

using network::NetworkRecord;

bool is_predefined(const NetworkRecord& record) {
  return record.name == "bridge" || (!record.has_interfaces() && !record.is_config_only());
}

bool label_matches(const NetworkRecord& record, const std::string& wanted) {
  return LabelQuery::parse(wanted).matches(record.labels);
}

bool value_matches(const NetworkDetails& details, const std::string& key,
                   const std::string& value) {
  const NetworkRecord& record = details.record;
  if (key == "driver") return record.driver == value;
  if (key == "id") return record.id.starts_with(value);
  if (key == "scope") return value == "local";
  if (key == "type") return value == (is_predefined(record) ? "builtin" : "custom");
  if (key == "dangling") {
    bool is_dangling = details.endpoints.empty() && !is_predefined(record);
    return is_dangling == (value == "true" || value == "1");
  }
  return false;
}

Status check_values(const Filters& filters) {
  for (const auto& [key, values] : filters) {
    for (std::string_view value : values) {
      bool is_known = true;
      if (key == "type") is_known = value == "builtin" || value == "custom";
      if (key == "dangling") {
        is_known = value == "true" || value == "1" || value == "false" || value == "0";
      }
      if (!is_known) {
        return fail(Code::kInvalidArgument, cat("invalid filter '", key, "=", value, "'"));
      }
    }
  }
  return {};
}

// But for its name.
bool network_matches(const NetworkDetails& details, const Filters& filters) {
  return std::ranges::all_of(filters, [&](const auto& filter) {
    const auto& [key, values] = filter;
    if (key == "label") {
      return std::ranges::all_of(
          values, [&](const std::string& value) { return label_matches(details.record, value); });
    }
    return values.empty() || key == "name" ||
           std::ranges::any_of(values, [&, &name = key](const std::string& value) {
             return value_matches(details, name, value);
           });
  });
}

}  // namespace

void Networks::publish(const NetworkRecord& record, std::string_view action) {
  Event event;
  event.type = "network";
  event.action = action;
  event.actor = record.id;
  event.attributes = {{"name", record.name}, {"type", record.driver}};
  // Whoever reads events misses one when the disk is full; the use case goes on.
  std::ignore = events_.publish(std::move(event));
}

Result<NetworkRecord> Networks::create(const network::NewNetwork& wanted) {
  TRY_ASSIGN(NetworkRecord record, networks_.create(wanted));
  publish(record, "create");
  return record;
}

Status Networks::remove(std::string_view ref) {
  TRY_ASSIGN(NetworkRecord record, networks_.remove(ref));
  // As docker has it.
  if (!record.is_config_only()) publish(record, "destroy");
  return {};
}

Result<std::vector<std::string>> Networks::prune(const Filters& filters) {
  std::vector<std::string> removed;
  std::int64_t now = metadata::now();
  TRY(check_until(filters));
  for (const auto& [key, values] : filters) {
    for (const std::string& value : values) {
      if (key == "until" && !parse_filter_time(value, now)) {
        return fail(Code::kInvalidArgument, cat("invalid filter 'until=", value, "'"));
      }
    }
  }
  auto is_wanted = [&](const NetworkRecord& record) {
    return std::ranges::all_of(filters, [&](const auto& filter) {
      return std::ranges::all_of(filter.second, [&](const std::string& value) {
        if (filter.first == "until") return record.created < *parse_filter_time(value, now);
        return label_matches(record, value) == (filter.first == "label");
      });
    });
  };
  for (const NetworkRecord& record : networks_.list()) {
    if (is_predefined(record) || record.is_config_only() || !is_wanted(record)) continue;
    // One that is in use stays; so does one that has come into use by now.
    if (!networks_.endpoints_of_network(record.id).empty() || !remove(record.id)) continue;
    removed.push_back(record.name);
  }
  Event event;
  event.type = "network";
  event.action = "prune";
  event.attributes = {{"reclaimed", "0"}};
  std::ignore = events_.publish(std::move(event));
  return removed;
}

Result<std::vector<NetworkDetails>> Networks::list(const Filters& filters) const {
  TRY(check_values(filters));
  NameFilter names = NameFilter::of(filters);
  std::vector<NetworkDetails> result;
  for (NetworkRecord& record : networks_.list()) {
    if (!names.matches(record.name)) continue;
    NetworkDetails details;
    details.endpoints = networks_.endpoints_of_network(record.id);
    details.record = std::move(record);
    if (network_matches(details, filters)) result.push_back(std::move(details));
  }
  return result;
}

Result<NetworkDetails> Networks::inspect(std::string_view ref) const {
  NetworkDetails details;
  TRY_ASSIGN(details.record, networks_.find(ref));
  details.endpoints = networks_.endpoints_of_network(details.record.id);
  return details;
}

}  // namespace dhow::engine
