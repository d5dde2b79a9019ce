// SPDX-License-Identifier: Apache-2.0
#include "engine/volumes.h"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/strings.h"
#include "engine/container_record.h"
#include "engine/image_filter.h"
#include "metadata/lease_store.h"
#include "snapshot/tree.h"
#include "sys/fd.h"

namespace dhow::engine {
namespace {

constexpr std::string_view kListFilterKeys[] = {"dangling", "driver", "label", "name"};
constexpr std::string_view kPruneFilterKeys[] = {"all", "label", "label!"};

bool has_volume_label(const VolumeInfo& volume, const std::string& wanted) {
  return LabelQuery::parse(wanted).matches(volume.record.labels);
}

std::optional<bool> parse_switch(std::string_view text) {
  for (std::string_view yes : {"1", "true", "True", "TRUE", "t", "T"}) {
    if (text == yes) return true;
  }
  for (std::string_view no : {"0", "false", "False", "FALSE", "f", "F"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

Result<std::optional<bool>> switch_filter(const Filters& filters, const char* key) {
  auto found = filters.find(key);
  if (found == filters.end() || found->second.empty()) return std::optional<bool>();
  std::optional<bool> on = parse_switch(found->second.front());
  if (!on || found->second.size() != 1) {
    return fail(Code::kInvalidArgument,
                cat("invalid filter '", key, "=[", join(found->second, " "), "]'"));
  }
  return on;
}

template <std::size_t kSize>
Status check_keys(const Filters& filters, const std::string_view (&known)[kSize]) {
  for (const auto& [key, values] : filters) {
    if (std::ranges::find(known, key) == std::end(known)) {
      return fail(Code::kInvalidArgument, cat("invalid filter '", key, "'"));
    }
  }
  return {};
}

bool fits(const VolumeInfo& volume, const Filters& filters, std::optional<bool> dangling) {
  if (dangling && *dangling != volume.users.empty()) return false;
  return std::ranges::all_of(filters, [&](const auto& filter) {
    const auto& [key, values] = filter;
    if (key == "dangling" || key == "all" || values.empty()) return true;
    if (key == "label") {
      return std::ranges::all_of(
          values, [&](const std::string& value) { return has_volume_label(volume, value); });
    }
    if (key == "label!") {
      return std::ranges::none_of(
          values, [&](const std::string& value) { return has_volume_label(volume, value); });
    }
    return std::ranges::any_of(values, [&, &key = key](const std::string& value) {
      if (key == "driver") return volume.record.driver == value;
      return volume.record.name.find(value) != std::string::npos;
    });
  });
}

// -1: it can't be told.
std::int64_t size_of(const std::string& path) {
  auto folder = open_at(kCwd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!folder) return -1;
  auto usage = snapshot::measure_tree(*folder);
  return usage ? usage->bytes : -1;
}

}  // namespace

Event volume_event(std::string_view name, std::string_view driver, std::string action) {
  Event event;
  event.type = "volume";
  event.action = std::move(action);
  event.actor = name;
  event.attributes["driver"] = driver;
  event.time = metadata::now();
  return event;
}

VolumeInfo Volumes::info_of(volume::Record record) const {
  VolumeInfo info;
  info.mountpoint = store_.path(record.name);
  info.users = store_.users(record.name).value_or(std::vector<std::string>());
  info.record = std::move(record);
  return info;
}

Result<VolumeInfo> Volumes::create(volume::Record wanted) {
  TRY_ASSIGN(volume::Store::Created made,
             store_.create(std::move(wanted),
                           [](metadata::Transaction& transaction, const volume::Record& record) {
                             return Events::append(
                                 transaction, volume_event(record.name, record.driver, "create"));
                           }));
  if (made.fresh) events_.notify();
  return info_of(std::move(made.record));
}

Result<VolumeInfo> Volumes::inspect(std::string_view name) const {
  TRY_ASSIGN(volume::Record record, store_.get(name));
  return info_of(std::move(record));
}

Result<std::vector<VolumeInfo>> Volumes::list(const Filters& filters, bool size) const {
  TRY(check_keys(filters, kListFilterKeys));
  TRY_ASSIGN(std::optional<bool> dangling, switch_filter(filters, "dangling"));
  TRY_ASSIGN(std::vector<volume::Record> records, store_.list());
  std::vector<VolumeInfo> volumes;
  for (volume::Record& record : records) {
    VolumeInfo info = info_of(std::move(record));
    if (!fits(info, filters, dangling)) continue;
    if (size) info.size = size_of(info.mountpoint);
    volumes.push_back(std::move(info));
  }
  return volumes;
}

Status Volumes::remove(std::string_view name, bool force) {
  auto removed =
      store_.remove(name, [](metadata::Transaction& transaction, const volume::Record& record) {
        return Events::append(transaction, volume_event(record.name, record.driver, "destroy"));
      });
  if (!removed) {
    if (force && removed.error().code() == Code::kNotFound) return {};
    return removed;
  }
  events_.notify();
  reclaim_later();
  return {};
}

Result<PruneAnswer> Volumes::prune(const Filters& filters) {
  TRY(check_keys(filters, kPruneFilterKeys));
  TRY_ASSIGN(std::optional<bool> all, switch_filter(filters, "all"));
  TRY_ASSIGN(std::vector<volume::Record> records, store_.list());
  PruneAnswer answer;
  for (volume::Record& record : records) {
    if (!all.value_or(false) && !record.is_anonymous()) continue;
    VolumeInfo info = info_of(std::move(record));
    if (!fits(info, filters, true)) continue;
    std::int64_t bytes = size_of(info.mountpoint);
    // Somebody took or removed it meanwhile.
    if (!remove(info.record.name, false)) continue;
    answer.reclaimed += std::max<std::int64_t>(bytes, 0);
    answer.removed.push_back(info.record.name);
  }
  Event event;
  event.type = "volume";
  event.action = "prune";
  event.attributes = {{"reclaimed", cat(answer.reclaimed)}};
  std::ignore = events_.publish(std::move(event));
  return answer;
}

Status Volumes::use(metadata::Transaction& transaction, const ContainerRecord& record) {
  for (const WantedMount& mount : record.mounts()) {
    if (mount.type == "volume") TRY(volume::Store::use(transaction, mount.source, record.id));
  }
  return {};
}

Status Volumes::release(metadata::Transaction& transaction, std::string_view container, bool keep) {
  return volume::Store::disown(transaction, container, keep);
}

void Volumes::drop_forsaken(std::string_view container) {
  auto names = store_.forsaken(container);
  if (!names) {
    log::warning(cat("volumes without a container: ", names.error().message()));
    return;
  }
  for (const std::string& name : *names) {
    if (auto removed = remove(name, true); !removed) log::warning(removed.error().message());
  }
  if (container.empty()) reclaim_later();
}

void Volumes::reclaim_later() {
  workers_.post([this] {
    if (auto done = store_.reclaim(); !done) {
      log::warning(cat("reclaim volumes: ", done.error().message()));
    }
  });
}

}  // namespace dhow::engine
