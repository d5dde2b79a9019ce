// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/strings.h"
#include "engine/containers_impl.h"
#include "sys/file_io.h"

// The files of containers' roots, seen from here.
namespace dhow::engine {
namespace {

constexpr std::size_t kMaxFile = std::size_t{4} << 20;
constexpr unsigned kFolderMode = 0755;

enum class Found { kNothing, kHidden, kFile, kUnclear };

// What one layer has at folder/name: a file, something that hides those below, or nothing. A link,
// and whatever else takes more than a look, is kUnclear.
Found look(FdRef layer, const char* folder, const char* name, std::string& text) {
  struct stat info{};
  if (::fstatat(layer.get(), folder, &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return errno == ENOENT ? Found::kNothing : Found::kUnclear;
  }
  if (S_ISCHR(info.st_mode) && info.st_rdev == 0) return Found::kHidden;
  if (!S_ISDIR(info.st_mode)) return Found::kUnclear;
  auto opened = open_at(layer, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!opened) return Found::kUnclear;
  char value = 0;
  bool opaque = false;
  for (const char* key : {"trusted.overlay.opaque", "user.overlay.opaque"}) {
    opaque = opaque || (::fgetxattr(opened->get(), key, &value, 1) == 1 && value == 'y');
  }
  if (::fstatat(opened->get(), name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno != ENOENT) return Found::kUnclear;
    return opaque ? Found::kHidden : Found::kNothing;
  }
  if (S_ISCHR(info.st_mode) && info.st_rdev == 0) return Found::kHidden;
  if (!S_ISREG(info.st_mode)) return Found::kUnclear;
  auto file = open_at(*opened, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  auto read = file ? read_all(*file, kMaxFile) : Result<std::string>(std::unexpected(file.error()));
  if (!read) return Found::kUnclear;
  text = std::move(*read);
  return Found::kFile;
}

// A file that overlayfs would show, looked for in the layers: no mount has to be made. None: it has
// to.
std::optional<std::string> read_layers(const snapshot::MountPlan& plan, const char* folder,
                                       const char* name) {
  std::vector<std::string> layers;
  if (!plan.upper.empty()) layers.push_back(plan.upper);
  for (const snapshot::LayerSource& layer : plan.lower) {
    if (layer.kind != snapshot::LayerSource::Kind::kFolder) return std::nullopt;
    layers.push_back(layer.path);
  }
  for (const std::string& path : layers) {
    auto layer = open_at(kCwd, path, O_PATH | O_DIRECTORY);
    if (!layer) return std::nullopt;
    std::string text;
    switch (look(*layer, folder, name, text)) {
      case Found::kNothing:
        continue;
      case Found::kHidden:
        return std::string();
      case Found::kFile:
        return text;
      case Found::kUnclear:
        return std::nullopt;
    }
  }
  return std::string();
}

}  // namespace

Status make_source(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0) return {};
  TRY_CONTEXT(make_dirs(path, kFolderMode),
              cat("error while creating mount source path '", path, "'"));
  return {};
}

Result<snapshot::MountPlan> ContainersImpl::plan_of(const ContainerRecord& record) const {
  return stores_.images.snapshots.mounts(record.snapshot());
}

Result<std::string> ContainersImpl::read_small(const ContainerRecord& record,
                                               std::string_view path) const {
  std::size_t slash = path.rfind('/');
  std::string folder(path.substr(0, slash));
  std::string name(path.substr(slash + 1));
  TRY_ASSIGN(snapshot::MountPlan plan, plan_of(record));
  if (auto text = read_layers(plan, folder.c_str(), name.c_str())) return std::move(*text);
  TRY_ASSIGN(MountFd mount, snapshot::mount(snapshot::for_reading(std::move(plan))));
  TRY_ASSIGN(DirFd root, [&]() -> Result<DirFd> {
    TRY_ASSIGN(Fd fd, mount.fd().duplicate());
    return DirFd(std::move(fd));
  }());
  auto file = root.open_in_root(path, O_RDONLY | O_NONBLOCK);
  if (!file) {
    if (file.error().code() == Code::kNotFound) return std::string();
    return std::unexpected(file.error());
  }
  struct stat info{};
  if (::fstat(file->get(), &info) != 0 || !S_ISREG(info.st_mode)) return std::string();
  return read_all(*file, kMaxFile);
}

Result<DirFd> ContainersImpl::open_root(const ContainerRecord& record, MountFd& mount) const {
  const ContainerState& state = record.progress.state;
  // With mapped ids its own view has the owners as they are outside.
  bool mapped = remap_of(record.config.host) != nullptr;
  if (state.has_process() && state.pid != 0 && !mapped) {
    // What its processes see, with all that is mounted there.
    if (auto root = DirFd::open(cat("/proc/", state.pid, "/root"))) return root;
  }
  TRY_ASSIGN(mount, mount_all(record));
  TRY_ASSIGN(Fd fd, mount.fd().duplicate());
  return DirFd(std::move(fd));
}

}  // namespace dhow::engine
