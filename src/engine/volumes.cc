// SPDX-License-Identifier: Apache-2.0
#include "engine/volumes.h"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/strings.h"
#include "engine/container_record.h"
#include "engine/image_filter.h"
#include "engine/pattern.h"
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

Result<std::optional<bool>> switch_filter(const Filters& filters, const char* key) {
  auto found = filters.find(key);
  if (found == filters.end() || found->second.empty()) return std::optional<bool>();
  std::optional<bool> on = parse_bool(found->second.front());
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

// But for its name.
bool fits(const VolumeInfo& volume, const Filters& filters, std::optional<bool> dangling) {
  if (dangling && *dangling != volume.users.empty()) return false;
  return std::ranges::all_of(filters, [&](const auto& filter) {
    const auto& [key, values] = filter;
    if (key == "dangling" || key == "all" || key == "name" || values.empty()) return true;
    if (key == "label") {
      return std::ranges::all_of(
          values, [&](const std::string& value) { return has_volume_label(volume, value); });
    }
    if (key == "label!") {
      return std::ranges::none_of(
          values, [&](const std::string& value) { return has_volume_label(volume, value); });
    }
    return std::ranges::find(values, volume.record.driver) != values.end();
  });
}

// What docker counts: the sizes of files, of one with several names once.
class FileSizes final : public snapshot::TreeVisitor {
 public:
  Status file(FdRef, const std::string&, const struct stat& info) override {
    if (info.st_nlink == 1 || linked_.emplace(info.st_ino).second) bytes_ += info.st_size;
    return {};
  }
  Status enter(FdRef, const std::string&, const struct stat&) override { return {}; }
  Status leave(FdRef, const std::string&, const struct stat&) override { return {}; }
  std::int64_t bytes() const { return bytes_; }

 private:
  std::int64_t bytes_ = 0;
  std::set<ino_t> linked_;
};

// -1: it can't be told.
std::int64_t size_of(const std::string& path) {
  auto folder = open_at(kCwd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!folder) return -1;
  FileSizes sizes;
  return snapshot::walk_tree(*folder, sizes) ? sizes.bytes() : -1;
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
  info.mountpoint = is_local(record.driver)
                        ? store_.path(record.name)
                        : path(record.name, record.driver).value_or(std::string());
  info.users = store_.users(record.name).value_or(std::vector<std::string>());
  info.record = std::move(record);
  return info;
}

Result<VolumeInfo> Volumes::add(volume::Record wanted, bool has_driver) {
  TRY_ASSIGN(volume::Store::Created made,
             store_.create(
                 std::move(wanted),
                 [](metadata::Transaction& transaction, const volume::Record& record) {
                   return Events::append(transaction,
                                         volume_event(record.name, record.driver, "create"));
                 },
                 has_driver));
  if (made.fresh) events_.notify();
  return info_of(std::move(made.record));
}

// The plugin knows it before its row is there: a death in between leaves one that the same request
// finds again.
Result<VolumeInfo> Volumes::create_by_plugin(volume::Record wanted) {
  if (wanted.name.empty()) {
    TRY_ASSIGN(wanted.name, volume::make_volume_name());
    wanted.labels.emplace(volume::kAnonymousLabel, "");
  }
  TRY(volume::check_name(wanted.name));
  // What is there, or in the way, needs no plugin.
  if (store_.get(wanted.name)) return add(std::move(wanted), true);
  std::string context = cat("create ", wanted.name);
  TRY_ASSIGN(volume::Plugin plugin, [&]() -> Result<volume::Plugin> {
    auto found = volume::Plugin::find(plugins_, wanted.driver);
    if (!found) return fail(std::move(found).error().add_context(context));
    return found;
  }());
  TRY_CONTEXT(plugin.create(wanted.name, wanted.options), context);
  return add(std::move(wanted), true);
}

Result<VolumeInfo> Volumes::create(volume::Record wanted) {
  if (is_local(wanted.driver)) return add(std::move(wanted), false);
  return create_by_plugin(std::move(wanted));
}

Result<std::string> Volumes::mount(const std::string& name, const std::string& driver,
                                   const std::string& container) const {
  TRY_ASSIGN(volume::Plugin plugin, volume::Plugin::find(plugins_, driver));
  return plugin.mount(name, container);
}

Result<std::string> Volumes::path(const std::string& name, const std::string& driver) const {
  TRY_ASSIGN(volume::Plugin plugin, volume::Plugin::find(plugins_, driver));
  return plugin.path(name);
}

void Volumes::unmount(const std::string& name, const std::string& driver,
                      const std::string& container) const {
  auto plugin = volume::Plugin::find(plugins_, driver);
  Status done = plugin ? plugin->unmount(name, container)
                       : Status(std::unexpected(std::move(plugin).error()));
  if (!done) log::warning(cat("unmount the volume ", name, ": ", done.error().message()));
}

Status Volumes::remove_by_plugin(const volume::Record& record) {
  TRY_ASSIGN(std::vector<std::string> users, store_.users(record.name));
  // Then the store says so.
  if (!users.empty()) return {};
  TRY_ASSIGN(volume::Plugin plugin, volume::Plugin::find(plugins_, record.driver));
  return plugin.remove(record.name);
}

Result<VolumeInfo> Volumes::inspect(std::string_view name) const {
  TRY_ASSIGN(volume::Record record, store_.get(name));
  return info_of(std::move(record));
}

Result<std::vector<VolumeInfo>> Volumes::list(const Filters& filters, bool size) const {
  TRY(check_keys(filters, kListFilterKeys));
  TRY_ASSIGN(std::optional<bool> dangling, switch_filter(filters, "dangling"));
  TRY_ASSIGN(std::vector<volume::Record> records, store_.list());
  NameFilter names = NameFilter::of(filters);
  std::vector<VolumeInfo> volumes;
  for (volume::Record& record : records) {
    if (!names.matches(record.name)) continue;
    VolumeInfo info = info_of(std::move(record));
    if (!fits(info, filters, dangling)) continue;
    if (size) info.size = is_local(info.record.driver) ? size_of(info.mountpoint) : -1;
    volumes.push_back(std::move(info));
  }
  return volumes;
}

Status Volumes::remove(std::string_view name, bool force) {
  if (auto record = store_.get(name); record && !is_local(record->driver)) {
    // With `force` also one whose plugin is gone, as with docker.
    Status gone = remove_by_plugin(*record);
    if (!gone && !(force && gone.error().code() == Code::kNotFound)) {
      return fail(std::move(gone).error().add_context(cat("remove ", name)));
    }
  }
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
    std::int64_t bytes = is_local(info.record.driver) ? size_of(info.mountpoint) : 0;
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
