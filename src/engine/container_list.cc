// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "base/strings.h"
#include "engine/attach_socket.h"
#include "engine/container_filter.h"
#include "engine/containers_impl.h"
#include "engine/image_lookup.h"
#include "engine/spec/spec.h"
#include "metadata/lease_store.h"
#include "oci/reference.h"

namespace dhow::engine {
namespace {

// As a shell would take it.
std::string command_text(const ContainerFacts& facts) {
  std::string text = facts.path;
  for (const std::string& word : facts.args) {
    bool plain = !word.empty() && word.find_first_of(" \t\n'\"\\$;&|<>()*?#~") == std::string::npos;
    text += plain ? " " + word : " '" + word + "'";
  }
  return text;
}

std::vector<MountPoint> mount_points(const ContainerRecord& record,
                                     const std::vector<std::string>& volumes) {
  const std::vector<WantedMount>& mounts = record.mounts();
  std::vector<MountPoint> points;
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    // Docker has --tmpfs in HostConfig alone.
    if (mounts[i].type == "tmpfs" && record.config.host.tmpfs.contains(mounts[i].destination)) {
      continue;
    }
    points.push_back(mount_point(mounts[i], volumes[i]));
  }
  return points;
}

// Fills in what docker shows of a container that did not ask for it.
void show_defaults(HostConfig& host) {
  if (!host.console_size) host.console_size = {0, 0};
  if (host.privileged) return;
  host.masked_paths = masked_paths(host);
  host.readonly_paths = readonly_paths(host);
}

}  // namespace

Result<Inspection> ContainersImpl::inspect(std::string_view ref, bool size) const {
  TRY_ASSIGN(ContainerPtr container, find(ref));
  RecordPtr record = container->record();
  Inspection out;
  out.id = record->id;
  out.name = record->name;
  out.created = record->created;
  out.path = record->facts.path;
  out.args = record->facts.args;
  out.state = record->progress.state;
  out.image_id = record->facts.image_id;
  out.image_manifest = record->facts.manifest;
  std::string place = files_folder(*record);
  out.resolv_conf_path = place + "/resolv.conf";
  out.hostname_path = place + "/hostname";
  out.hosts_path = place + "/hosts";
  const std::string& driver = record->config.host.log_config.type;
  if (driver == "json-file") out.log_path = log_path(options_, record->id);
  out.restart_count = record->progress.restart_count;
  out.driver = stores_.images.snapshots.name();
  out.platform = "linux";
  out.config = record->config;
  out.config.host.links = shown_links(*record);
  show_defaults(out.config.host);
  out.mounts = mount_points(*record, volume_folders(record->mounts()));
  if (out.state.pid != 0 && network_mode(record->config.host) != "host") {
    out.sandbox_key = cat("/proc/", out.state.pid, "/ns/net");
  }
  out.networks = network_statuses(*record);
  out.ports = port_statuses(*record);
  {
    std::lock_guard lock(container->mutex);
    for (const auto& [id, exec] : container->execs) {
      if (exec->running || !exec->started) out.exec_ids.push_back(id);
    }
  }
  if (size) {
    TRY_ASSIGN(snapshot::Usage usage, stores_.images.snapshots.usage(record->snapshot()));
    out.size_rw = usage.bytes;
    out.size_root = usage.bytes;
    for (std::string layer = record->facts.parent; !layer.empty();) {
      TRY_ASSIGN(snapshot::Info info, stores_.images.snapshots.stat(layer));
      TRY_ASSIGN(usage, stores_.images.snapshots.usage(layer));
      *out.size_root += usage.bytes;
      layer = info.parent;
    }
  }
  return out;
}

// `names` keeps which image has a name now, for the rest of the list.
Result<ContainerSummary> ContainersImpl::summary_of(
    const ContainerRecord& record, bool size, std::map<std::string, std::string>& names) const {
  ContainerSummary one;
  one.id = record.id;
  one.name = record.name;
  one.image_id = record.facts.image_id;
  one.image = record.config.config.image;
  auto [named, fresh] = names.try_emplace(one.image);
  if (fresh) {
    if (auto reference = oci::parse_image_name(one.image)) {
      auto image = stores_.images.images.get(options_.name_space, reference->text());
      if (image) named->second = image->digest.text();
    }
  }
  // The name has gone to another image since.
  if (!named->second.empty() && named->second != one.image_id) one.image = one.image_id;
  one.command = command_text(record.facts);
  one.created = record.created;
  one.state = record.progress.state;
  one.status = status_text(one.state, metadata::now());
  one.labels = record.config.config.labels;
  one.network_mode = record.config.host.network_mode;
  one.networks = network_statuses(record);
  one.ports = port_statuses(record);
  one.annotations = record.config.host.annotations;
  one.mounts = mount_points(record, volume_folders(record.mounts()));
  if (size) {
    TRY_ASSIGN(Inspection sized, inspect(record.id, true));
    one.size_rw = sized.size_rw;
    one.size_root = sized.size_root;
  }
  return one;
}

Result<ListFilter> ContainersImpl::parse_filter(const Filters& filters) const {
  auto created = [&](const std::string& ref) -> Result<std::int64_t> {
    TRY_ASSIGN(ContainerPtr other, find(ref));
    return other->record()->created;
  };
  auto images = [&](const std::string& text) -> std::set<std::string> {
    auto image =
        find_image({stores_.images.content, stores_.images.images}, options_.name_space, text);
    if (!image) return {};
    return {image->id().text()};
  };
  return ListFilter::parse(filters, created, images);
}

Status ContainersImpl::for_each(const ListOptions& options,
                                const std::function<Status(const ContainerSummary&)>& take) const {
  TRY_ASSIGN(ListFilter filter, parse_filter(options.filters));
  std::vector<RecordPtr> records;
  bool all_phases = options.all || options.limit > 0 || filter.wants_all();
  for (const ContainerPtr& container : all()) {
    RecordPtr record = container->record();
    bool shown = all_phases || record->progress.state.is_running();
    ListFilter::View view{[&] { return port_statuses(*record); },
                          [&] { return network_statuses(*record); }};
    if (shown && filter.matches(*record, view)) records.push_back(std::move(record));
  }
  std::ranges::sort(records, [](const RecordPtr& one, const RecordPtr& other) {
    if (one->created != other->created) return one->created > other->created;
    return one->id > other->id;
  });
  if (options.limit > 0 && records.size() > static_cast<std::size_t>(options.limit)) {
    records.resize(static_cast<std::size_t>(options.limit));
  }
  // Names of images are looked up once each.
  std::map<std::string, std::string> names;
  for (const RecordPtr& record : records) {
    TRY_ASSIGN(ContainerSummary one, summary_of(*record, options.size, names));
    TRY(take(one));
  }
  return {};
}

}  // namespace dhow::engine
