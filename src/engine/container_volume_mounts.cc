// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/hasher.h"
#include "base/strings.h"
#include "engine/containers_impl.h"
#include "engine/host_lookup.h"
#include "engine/volume_mounts.h"
#include "sys/file_io.h"
#include "volume/local_options.h"

// Where the content of volumes is at a start: options of the driver may put it elsewhere.
namespace dhow::engine {
namespace {

struct AttributeName {
  std::string_view name;
  std::uint64_t attribute;
};
constexpr AttributeName kAttributeNames[] = {{"ro", MOUNT_ATTR_RDONLY},
                                             {"nosuid", MOUNT_ATTR_NOSUID},
                                             {"nodev", MOUNT_ATTR_NODEV},
                                             {"noexec", MOUNT_ATTR_NOEXEC},
                                             {"noatime", MOUNT_ATTR_NOATIME},
                                             {"nodiratime", MOUNT_ATTR_NODIRATIME},
                                             {"strictatime", MOUNT_ATTR_STRICTATIME},
                                             {"relatime", 0},
                                             {"atime", 0},
                                             {"diratime", 0},
                                             {"rw", 0},
                                             {"suid", 0},
                                             {"dev", 0},
                                             {"exec", 0},
                                             {"defaults", 0}};

// The kernel's clients of network file systems don't look names up.
Result<std::string> address_of_server(const std::string& host) {
  auto address = numeric_address(host);
  if (address) return address;
  return fail(Code::kUnavailable,
              cat("error resolving passed in network volume address: ", address.error().message()));
}

// As docker: the option addr= says where the server is; of cifs without it, the device.
Status resolve_addresses(VolumeSource& source) {
  bool is_cifs = source.type == "cifs" || source.type == "smb3";
  if (!is_cifs && source.type != "nfs" && source.type != "nfs4") return {};
  for (std::string& option : source.options) {
    if (!option.starts_with("addr=")) continue;
    TRY_ASSIGN(std::string address, address_of_server(option.substr(5)));
    option = cat("addr=", address);
    return {};
  }
  if (!is_cifs || !source.path.starts_with("//")) return {};
  std::size_t end = std::min(source.path.find('/', 2), source.path.size());
  if (end == 2) return {};
  TRY_ASSIGN(std::string address, address_of_server(source.path.substr(2, end - 2)));
  source.path.replace(2, end - 2, address);
  return {};
}

// What keeps others out is nobody's to read.
std::string without_password(std::string text) {
  constexpr std::string_view kKeys[] = {"password=", "pass="};
  for (std::string_view key : kKeys) {
    std::size_t at = text.find(key);
    if (at == std::string::npos) continue;
    std::size_t from = at + key.size();
    std::size_t end = text.find_first_of(",\"", from);
    text.replace(from, std::min(end, text.size()) - from, "********");
  }
  return text;
}

bool is_mounted(const std::string& place) {
  auto folder = open_at(kCwd, place, O_PATH | O_DIRECTORY);
  return folder && is_mount_root(*folder).value_or(false);
}

// Its addresses are such as the kernel takes.
Result<MountFd> mount_resolved(const VolumeSource& source) {
  TRY_ASSIGN(FsContext context, FsContext::open(source.type));
  if (!source.path.empty()) TRY(context.set_string("source", source.path));
  std::uint64_t attributes = 0;
  for (const std::string& option : source.options) {
    const auto* known = std::ranges::find(kAttributeNames, option, &AttributeName::name);
    std::size_t equals = option.find('=');
    if (known != std::end(kAttributeNames)) {
      attributes |= known->attribute;
      // As mount(2) has it: of the file system too.
      if (option == "ro") TRY(context.set_flag(option));
    } else if (equals == std::string::npos) {
      TRY(context.set_flag(option));
    } else {
      TRY(context.set_string(option.substr(0, equals), option.substr(equals + 1)));
    }
  }
  TRY(context.create());
  return context.mount(attributes);
}

}  // namespace

Result<MountFd> mount_file_system(VolumeSource source) {
  TRY(resolve_addresses(source));
  return mount_resolved(source);
}

Result<VolumeSource> ContainersImpl::volume_source(const WantedMount& mount, bool makes) const {
  volume::Store& store = stores_.volumes.store();
  TRY_ASSIGN(volume::Record record, store.get(mount.source));
  if (!Volumes::is_local(record.driver)) {
    TRY_ASSIGN(std::string place, stores_.volumes.path(record.name, record.driver));
    if (!place.empty()) return VolumeSource{.type = {}, .path = std::move(place), .options = {}};
    return fail(Code::kFailedPrecondition,
                cat("volume ", record.name, " of the driver ", record.driver, " is not mounted"));
  }
  TRY_ASSIGN(volume::LocalOptions local, volume::LocalOptions::parse(record.options));
  VolumeSource source;
  source.path = store.path(mount.source);
  if (local.is_plain()) return source;
  bool is_bind = local.is_bind();
  source.path = std::move(local.device);
  source.options = std::move(local.options);
  if (is_bind) {
    std::erase_if(source.options,
                  [](const std::string& option) { return option == "bind" || option == "rbind"; });
    return source;
  }
  source.type = std::move(local.type);
  std::string place = volume_place(mount.source);
  if (makes) TRY(mount_volume(mount.source, source));
  if (is_mounted(place)) return VolumeSource{.type = {}, .path = place, .options = {}};
  return source;
}

// What is written goes to a folder of the container's, and with it.
Result<VolumeSource> ContainersImpl::overlay_source(const ContainerRecord& record,
                                                    const WantedMount& mount,
                                                    VolumeSource below) const {
  if (!below.type.empty()) {
    return fail(Code::kUnimplemented,
                cat("an overlay over a volume of type ", quoted(below.type), " is not built yet"));
  }
  if (mount.type == "bind") below.path = mount.source;
  std::string place = cat(folder(record.id), "/overlay/", digest_of(mount.destination).hex());
  VolumeSource source{.type = "overlay", .path = "overlay", .options = {}};
  for (auto [option, path] :
       {std::pair("lowerdir=", below.path), std::pair("upperdir=", place + "/upper"),
        std::pair("workdir=", place + "/work")}) {
    if (path.find_first_of(",:\\") != std::string::npos) {
      return fail(Code::kInvalidArgument,
                  cat("invalid volume specification: an overlay's folder has no ',', ':' or '\\': ",
                      quoted(path)));
    }
    if (path != below.path) TRY(make_dirs(path, 0755));
    source.options.push_back(option + path);
  }
  return source;
}

Result<VolumeSource> ContainersImpl::mount_source(const ContainerRecord& record,
                                                  const WantedMount& mount, bool makes) const {
  VolumeSource source;
  if (mount.type == "volume" && makes && !Volumes::is_local(mount.driver)) {
    TRY_ASSIGN(source.path, stores_.volumes.mount(mount.source, mount.driver, record.id));
  } else if (mount.type == "volume") {
    TRY_ASSIGN(source, volume_source(mount, makes));
  }
  if (mount.type == "image") return image_source(record, mount);
  return mount.overlay ? overlay_source(record, mount, std::move(source)) : source;
}

Result<std::vector<VolumeSource>> ContainersImpl::mount_sources(
    const ContainerRecord& record) const {
  std::vector<VolumeSource> sources;
  for (const WantedMount& mount : record.mounts()) {
    if (mount.type == "bind" && mount.make_source) TRY(make_source(mount.source));
    // Whoever is about to replace the content has seen that it is to be used, or is done.
    if (mount.type == "volume") {
      std::lock_guard wait(stores_.volumes.store().filling(mount.source));
    }
    TRY_ASSIGN(VolumeSource source, mount_source(record, mount, true));
    sources.push_back(std::move(source));
  }
  return sources;
}

// It is the same for all that have the volume, and there for as long as one of them runs: it must
// be in the machine's own mount namespace, as the memory that containers share. From there, too, is
// the way to a server: a container may have no network.
Status ContainersImpl::mount_volume(const std::string& name, VolumeSource source) const {
  std::lock_guard lock(stores_.volumes.store().filling(name));
  std::string place = volume_place(name);
  if (is_mounted(place)) return {};
  // All that goes wrong is a fault of the machine, as docker has it, whatever the server answers.
  std::string failed = cat("error while mounting volume '", place, "': ");
  if (auto known = resolve_addresses(source); !known) {
    return fail(Code::kInternal, cat(failed, known.error().message()));
  }
  auto mounted = [&]() -> Status {
    TRY(make_dirs(place, 0700));
    TRY_ASSIGN(MountFd made, mount_resolved(source));
    TRY_ASSIGN(Fd target, open_at(kCwd, place, O_PATH | O_DIRECTORY));
    return made.attach(target);
  }();
  if (mounted) return {};
  ::rmdir(place.c_str());
  failed += cat("failed to mount local volume: mount ", source.path, ":", place);
  if (!source.options.empty()) failed += cat(", data: ", join(source.options, ","));
  failed = without_password(std::move(failed));
  std::string why = without_password(mounted.error().message());
  return fail(Code::kInternal, cat(failed, ": ", why));
}

void ContainersImpl::unmount_volume(const std::string& name) const {
  std::string place = volume_place(name);
  // No folder is removed by this; but it tells, without a look at what is mounted, that there is
  // none.
  if (::unlink(place.c_str()) != 0 && errno == ENOENT) return;
  std::lock_guard lock(stores_.volumes.store().filling(name));
  // Of what is mounted nothing is asked: a server may be away.
  if (::rmdir(place.c_str()) == 0 || errno != EBUSY) return;
  for (const ContainerPtr& container : all()) {
    RecordPtr record = container->record();
    if (!record->progress.has_task) continue;
    for (const WantedMount& mount : record->mounts()) {
      if (mount.type == "volume" && mount.source == name) return;
    }
  }
  while (::umount2(place.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  ::rmdir(place.c_str());
}

void ContainersImpl::release_volumes(const ContainerRecord& record) const {
  for (const WantedMount& mount : record.mounts()) {
    if (mount.type != "volume") continue;
    if (Volumes::is_local(mount.driver)) {
      unmount_volume(mount.source);
    } else {
      stores_.volumes.unmount(mount.source, mount.driver, record.id);
    }
  }
}

void ContainersImpl::unmount_stray_volumes() const {
  auto parent = open_at(kCwd, cat(options_.state, "/volumes"), O_RDONLY | O_DIRECTORY);
  if (!parent) return;
  auto names = list_dir(*parent);
  if (!names) return;
  for (const std::string& name : *names) unmount_volume(name);
}

}  // namespace dhow::engine
