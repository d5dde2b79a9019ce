// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/mount.h>
#include <netdb.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/hasher.h"
#include "base/strings.h"
#include "engine/containers_impl.h"
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
                                             {"rw", 0},
                                             {"suid", 0},
                                             {"dev", 0},
                                             {"exec", 0},
                                             {"defaults", 0}};

// The kernel's clients of network file systems don't look names up.
Result<std::string> numeric_address(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); code != 0) {
    return fail(Code::kUnavailable, cat("error resolving passed in network volume address: lookup ",
                                        host, ": ", ::gai_strerror(code)));
  }
  char text[NI_MAXHOST] = {};
  int code = ::getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0,
                           NI_NUMERICHOST);
  ::freeaddrinfo(found);
  if (code != 0) return fail(Code::kUnavailable, cat("address of ", host));
  return std::string(text);
}

Status resolve_addresses(std::vector<std::string>& options) {
  for (std::string& option : options) {
    if (!option.starts_with("addr=")) continue;
    TRY_ASSIGN(std::string address, numeric_address(option.substr(5)));
    option = cat("addr=", address);
  }
  return {};
}

bool is_mounted(const std::string& place) {
  auto folder = open_at(kCwd, place, O_PATH | O_DIRECTORY);
  return folder && is_mount_root(*folder).value_or(false);
}

}  // namespace

Result<MountFd> mount_file_system(const VolumeSource& source) {
  TRY_ASSIGN(FsContext context, FsContext::open(source.type));
  if (!source.path.empty()) TRY(context.set_string("source", source.path));
  std::uint64_t attributes = 0;
  for (const std::string& option : source.options) {
    const auto* known = std::ranges::find(kAttributeNames, option, &AttributeName::name);
    std::size_t equals = option.find('=');
    if (known != std::end(kAttributeNames)) {
      attributes |= known->attribute;
    } else if (equals == std::string::npos) {
      TRY(context.set_flag(option));
    } else {
      TRY(context.set_string(option.substr(0, equals), option.substr(equals + 1)));
    }
  }
  TRY(context.create());
  return context.mount(attributes);
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
  if (source.type == "tmpfs") {
    std::string place = volume_memory(mount.source);
    if (makes) TRY_CONTEXT(make_volume_memory(place, source), cat("volume ", mount.source));
    if (is_mounted(place)) return VolumeSource{.type = {}, .path = place, .options = {}};
  }
  if (!mount.subpath.empty()) {
    return fail(Code::kUnimplemented, cat("VolumeOptions.Subpath of a volume of type ",
                                          quoted(source.type), " is not built yet"));
  }
  TRY(resolve_addresses(source.options));
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

// What is in memory is the same for all that have the volume, and there for as long as one of them
// runs: it must be in the machine's own mount namespace, as the memory that containers share.
Status ContainersImpl::make_volume_memory(const std::string& place,
                                          const VolumeSource& source) const {
  std::lock_guard lock(memory_mutex_);
  if (is_mounted(place)) return {};
  TRY(make_dirs(place, 0700));
  TRY_ASSIGN(MountFd made, mount_file_system(source));
  TRY_ASSIGN(Fd target, open_at(kCwd, place, O_PATH | O_DIRECTORY));
  return made.attach(target);
}

void ContainersImpl::drop_volume_memory(const std::string& name) const {
  std::lock_guard lock(memory_mutex_);
  std::string place = volume_memory(name);
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
    if (!Volumes::is_local(mount.driver)) {
      stores_.volumes.unmount(mount.source, mount.driver, record.id);
      continue;
    }
    struct stat info{};
    if (::stat(volume_memory(mount.source).c_str(), &info) == 0) drop_volume_memory(mount.source);
  }
}

void ContainersImpl::drop_stray_volume_memories() const {
  auto parent = open_at(kCwd, cat(options_.state, "/volumes"), O_RDONLY | O_DIRECTORY);
  if (!parent) return;
  auto names = list_dir(*parent);
  if (!names) return;
  for (const std::string& name : *names) drop_volume_memory(name);
}

}  // namespace dhow::engine
