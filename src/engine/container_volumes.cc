// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/hasher.h"
#include "base/log.h"
#include "base/strings.h"
#include "engine/containers_impl.h"
#include "snapshot/tree.h"
#include "sys/file_io.h"
#include "sys/project_quota.h"

// The volumes of containers.
namespace dhow::engine {
namespace {

Result<bool> is_empty_folder(const std::string& path) {
  TRY_ASSIGN(Fd folder, open_at(kCwd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TRY_ASSIGN(std::vector<std::string> names, list_dir(folder));
  return names.empty();
}

void put_mount(std::vector<WantedMount>& mounts, WantedMount mount) {
  auto there = std::ranges::find(mounts, mount.destination, &WantedMount::destination);
  if (there == mounts.end()) {
    mounts.push_back(std::move(mount));
  } else if (there->is_default) {
    *there = std::move(mount);
  }
}

// Copies a folder of the image into a volume that is empty. While nobody else has it, all of it is
// there at once or nothing is.
Status fill_volume(volume::Store& store, const std::string& name, FdRef from) {
  std::lock_guard lock(store.filling(name));
  WithinQuotas limited;
  TRY_ASSIGN(bool empty, is_empty_folder(store.path(name)));
  if (!empty) return {};
  TRY_ASSIGN(std::vector<std::string> users, store.users(name));
  TRY_ASSIGN(volume::Store::Draft draft, store.make_draft(name));
  if (!users.empty()) {
    // Its folder may be mounted, so it is the one to be filled.
    TRY_ASSIGN(Fd content, open_at(kCwd, store.path(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    Status copied = snapshot::copy_tree(from, content, draft.scratch);
    store.drop_draft(name, draft);
    return copied;
  }
  if (Status copied = snapshot::copy_tree(from, draft.tree, draft.scratch); !copied) {
    store.drop_draft(name, draft);
    return copied;
  }
  auto placed = store.publish_draft(name, draft, false);
  // Somebody wrote there meanwhile: then it is not empty.
  if (!placed && placed.error().code() == Code::kFailedPrecondition) return {};
  return placed;
}

}  // namespace

Status ContainersImpl::inherit_mounts(const ContainerRecord& record,
                                      std::vector<WantedMount>& mounts) const {
  for (const std::string& text : record.config.host.volumes_from) {
    TRY_ASSIGN(VolumesFrom from, parse_volumes_from(text));
    TRY_ASSIGN(ContainerPtr other, find_other(from.container));
    RecordPtr donor = other->record();
    for (const WantedMount& theirs : donor->mounts()) {
      if (theirs.type == "tmpfs") continue;
      WantedMount mount = theirs;
      mount.read_only = mount.read_only || from.read_only;
      mount.copy_up = false;
      mount.is_default = false;
      put_mount(mounts, std::move(mount));
    }
  }
  return {};
}

bool ContainersImpl::is_own_runtime(const std::string& name) const {
  auto choice = options_.runtimes.find(name);
  if (choice == options_.runtimes.end()) return name == "dhow";
  return choice->second.shim.empty() && choice->second.binary.empty();
}

Status ContainersImpl::settle_mounts(ContainerRecord& record, std::vector<std::string>& made) {
  TRY_ASSIGN(std::vector<WantedMount> mounts, wanted_mounts(record.config));
  std::map<std::string, volume::Record> asked;
  for (const MountConfig& mount : record.config.host.mounts) {
    if (mount.type != "volume" || !mount.volume_options) continue;
    volume::Record& wanted = asked[clean_path(mount.target)];
    wanted.labels = mount.volume_options->labels;
    if (mount.volume_options->driver_config) {
      wanted.options = mount.volume_options->driver_config->options;
    }
  }
  TRY(inherit_mounts(record, mounts));
  for (WantedMount& mount : mounts) {
    if (!mount.subpath.empty() && !is_own_runtime(record.config.host.runtime)) {
      // By a path alone nobody can mount it without a race.
      return fail(Code::kUnimplemented, cat("subpaths of mounts are not there with the runtime ",
                                            quoted(record.config.host.runtime)));
    }
    if (mount.type != "volume") continue;
    volume::Record wanted;
    if (auto more = asked.find(mount.destination); more != asked.end()) wanted = more->second;
    wanted.name = mount.source;
    wanted.driver = mount.driver.empty() ? record.config.host.volume_driver : mount.driver;
    if (wanted.name.empty()) wanted.owner = record.id;
    TRY_ASSIGN(VolumeInfo volume, stores_.volumes.create(std::move(wanted)));
    if (mount.source.empty()) made.push_back(volume.record.name);
    mount.source = volume.record.name;
    mount.driver = volume.record.driver;
  }
  std::ranges::sort(mounts, {}, &WantedMount::destination);
  record.facts.mounts = std::move(mounts);
  return {};
}

std::vector<std::string> ContainersImpl::volume_folders(
    const std::vector<WantedMount>& mounts) const {
  std::vector<std::string> folders;
  for (const WantedMount& mount : mounts) {
    bool is_here = mount.type == "volume" && Volumes::is_local(mount.driver);
    folders.push_back(is_here ? stores_.volumes.store().path(mount.source) : std::string());
  }
  return folders;
}

Status ContainersImpl::fill_volumes(const ContainerRecord& record) const {
  const std::vector<WantedMount>& mounts = record.mounts();
  // What a plugin has is its own to fill.
  auto wants = [](const WantedMount& mount) {
    return mount.type == "volume" && Volumes::is_local(mount.driver) && mount.copy_up &&
           mount.subpath.empty();
  };
  if (std::ranges::none_of(mounts, wants)) return {};
  TRY_ASSIGN(snapshot::MountPlan plan, plan_of(record));
  TRY_ASSIGN(MountFd mount, snapshot::mount(snapshot::for_reading(std::move(plan))));
  TRY_ASSIGN(Fd root_fd, mount.fd().duplicate());
  DirFd root(std::move(root_fd));
  for (const WantedMount& wanted : mounts) {
    if (!wants(wanted)) continue;
    auto from = root.open_in_root(wanted.destination, O_RDONLY | O_DIRECTORY);
    // The image has nothing there.
    if (!from) continue;
    // What is in memory begins with nothing, and what is on another machine is left alone.
    TRY_ASSIGN(VolumeSource source, volume_source(wanted, false));
    volume::Store& store = stores_.volumes.store();
    if (!source.type.empty() || source.path != store.path(wanted.source)) continue;
    TRY_CONTEXT(fill_volume(store, wanted.source, *from),
                cat("fill the volume ", wanted.source, " of ", wanted.destination));
  }
  return {};
}

std::vector<Event> ContainersImpl::volume_events(const ContainerRecord& record,
                                                 std::string_view action) const {
  std::vector<Event> events;
  for (const WantedMount& mount : record.mounts()) {
    if (mount.type != "volume") continue;
    Event event = volume_event(mount.source, mount.driver, std::string(action));
    event.attributes["container"] = record.id;
    if (action == "mount") {
      event.attributes["destination"] = mount.destination;
      event.attributes["propagation"] = mount.propagation;
      event.attributes["read/write"] = mount.read_only ? "false" : "true";
    }
    events.push_back(std::move(event));
  }
  return events;
}

// They were below the container's folder, or, after a removal that died, with the volumes already;
// their names were made of where they are mounted.
Status ContainersImpl::convert_volumes(ContainerRecord& record) {
  TRY_ASSIGN(std::vector<WantedMount> mounts, wanted_mounts(record.config, false));
  for (WantedMount& mount : mounts) {
    if (mount.type != "volume") continue;
    volume::Record wanted;
    wanted.name = digest_of(cat(record.id, mount.destination)).hex();
    wanted.labels.emplace(volume::kAnonymousLabel, "");
    wanted.owner = record.id;
    mount.source = wanted.name;
    mount.driver = wanted.driver;
    TRY(stores_.volumes.store().adopt(wanted, cat(folder(record.id), "/volumes/", wanted.name)));
  }
  record.facts.mounts = std::move(mounts);
  return stores_.database.write([&](metadata::Transaction& transaction) -> Status {
    TRY(Volumes::use(transaction, record));
    return ContainerRows(transaction, options_.name_space).set_facts(record);
  });
}

}  // namespace dhow::engine
