// SPDX-License-Identifier: Apache-2.0
#include "snapshot/overlay_mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "base/strings.h"
#include "snapshot/erofs_mount.h"
#include "snapshot/mount_thread.h"

namespace dhow::snapshot {
namespace {

using Way = MountOptions::Way;

// mount(2) takes one page, with the NUL.
constexpr std::size_t kMaxOptions = 4095;

bool is_mapped(const MountOptions& options) { return options.userns.get() >= 0; }

bool has_images(const MountPlan& plan) {
  for (const LayerSource& layer : plan.lower) {
    if (layer.kind == LayerSource::Kind::kErofs) return true;
  }
  return false;
}

Status map_owners(const MountFd& mount, FdRef userns) {
  return mount.set_attributes(MOUNT_ATTR_IDMAP, 0, 0, false, userns);
}

// The folder that all of the plan's are below.
std::string common_folder(const MountPlan& plan) {
  std::string common = plan.lower.front().path;
  auto narrow = [&](const std::string& path) {
    while (!common.empty() && !(cat(path, "/").starts_with(cat(common, "/")))) {
      common.resize(common.rfind('/'));
    }
  };
  for (const LayerSource& layer : plan.lower) narrow(layer.path);
  if (!plan.upper.empty()) {
    narrow(plan.upper);
    narrow(plan.work);
  }
  return common.empty() ? "/" : common;
}

Result<Fd> open_folder(FdRef dir, std::string_view path) {
  return open_at(dir, path, O_RDONLY | O_DIRECTORY);
}

// One option that is a folder; by descriptor where its path is too long for fsconfig(2).
Status set_folder(const FsContext& context, std::string_view key, const std::string& path) {
  if (path.size() <= kMaxFsOptionValue) return context.set_string(key, path);
  TRY_ASSIGN(Fd folder, open_at(kCwd, path, O_PATH | O_DIRECTORY));
  return context.set_string(key, proc_fd_path(folder));
}

Status set_flags(const FsContext& context, const MountPlan& plan) {
  for (const std::string& flag : overlay_flags(plan)) {
    std::size_t equals = flag.find('=');
    TRY(equals == std::string::npos
            ? context.set_flag(flag)
            : context.set_string(flag.substr(0, equals), flag.substr(equals + 1)));
  }
  return {};
}

// Overlayfs makes its own folders as who mounts it: who is not mapped can't.
Status become_root_of(FdRef mapped, const MountPlan& plan, const MountOptions& options) {
  return is_mapped(options) && !plan.upper.empty() ? become_owner_of(mapped) : Status();
}

Result<MountFd> finish(const FsContext& context, const MountPlan& plan) {
  TRY(context.create());
  return context.mount(plan.upper.empty() ? MOUNT_ATTR_RDONLY : 0);
}

Result<MountFd> by_descriptor(const MountPlan& plan, const MountOptions& options) {
  std::string common = common_folder(plan);
  MountFd mapped;
  // Below the mapped copy of the common folder, or as they are.
  auto open_source = [&](const std::string& path) -> Result<Fd> {
    if (!mapped) return open_folder(kCwd, path);
    return open_folder(mapped.fd(), std::string_view(path).substr(common.size() + 1));
  };
  if (is_mapped(options)) {
    TRY_ASSIGN(mapped, MountFd::clone_of(kCwd, common, false));
    TRY(map_owners(mapped, options.userns));
    TRY(become_root_of(mapped.fd(), plan, options));
  }
  TRY_ASSIGN(FsContext context, FsContext::open("overlay"));
  TRY(context.set_string("source", "overlay"));
  TRY(set_flags(context, plan));
  for (const LayerSource& layer : plan.lower) {
    if (layer.kind == LayerSource::Kind::kErofs) {
      TRY_ASSIGN(MountFd image, mount_erofs(layer.path));
      if (is_mapped(options)) TRY(map_owners(image, options.userns));
      TRY_ASSIGN(Fd root, open_folder(image.fd(), "."));
      TRY(context.set_fd("lowerdir+", root));
    } else if (!mapped) {
      TRY(set_folder(context, "lowerdir+", layer.path));
    } else {
      TRY_ASSIGN(Fd folder, open_source(layer.path));
      TRY(context.set_fd("lowerdir+", folder));
    }
  }
  if (!plan.upper.empty() && !mapped) {
    TRY(set_folder(context, "upperdir", plan.upper));
    TRY(set_folder(context, "workdir", plan.work));
  } else if (!plan.upper.empty()) {
    TRY_ASSIGN(Fd upper, open_source(plan.upper));
    TRY(context.set_fd("upperdir", upper));
    TRY_ASSIGN(Fd work, open_source(plan.work));
    TRY(context.set_fd("workdir", work));
  }
  return finish(context, plan);
}

// Attaches what the plan's paths are to lead to, in a private namespace.
Result<std::vector<std::string>> attach_layers(const MountPlan& plan, const MountOptions& options) {
  if (is_mapped(options)) {
    std::string common = common_folder(plan);
    TRY_ASSIGN(MountFd mapped, MountFd::clone_of(kCwd, common, false));
    TRY(map_owners(mapped, options.userns));
    TRY_ASSIGN(Fd target, open_at(kCwd, common, O_PATH | O_DIRECTORY));
    TRY(mapped.attach(target));
  }
  std::vector<std::string> folders;
  for (const LayerSource& layer : plan.lower) {
    if (layer.kind == LayerSource::Kind::kFolder) {
      folders.push_back(layer.path);
      continue;
    }
    TRY_ASSIGN(MountFd image, mount_erofs(layer.path));
    if (is_mapped(options)) TRY(map_owners(image, options.userns));
    TRY_ASSIGN(Fd target, open_at(kCwd, layer.mount_point, O_PATH | O_DIRECTORY));
    TRY(image.attach(target));
    folders.push_back(layer.mount_point);
  }
  TRY_ASSIGN(Fd common, open_folder(kCwd, common_folder(plan)));
  TRY(become_root_of(common, plan, options));
  return folders;
}

Result<MountFd> by_path(const MountPlan& plan, const MountOptions& options) {
  TRY_ASSIGN(std::vector<std::string> folders, attach_layers(plan, options));
  TRY_ASSIGN(FsContext context, FsContext::open("overlay"));
  TRY(context.set_string("source", "overlay"));
  TRY(set_flags(context, plan));
  for (const std::string& folder : folders) TRY(set_folder(context, "lowerdir+", folder));
  if (!plan.upper.empty()) {
    TRY(set_folder(context, "upperdir", plan.upper));
    TRY(set_folder(context, "workdir", plan.work));
  }
  return finish(context, plan);
}

// In a private namespace, with paths relative to the common folder: they are short.
Result<MountFd> by_one_string(const MountPlan& plan, const MountOptions& options) {
  TRY_ASSIGN(std::vector<std::string> folders, attach_layers(plan, options));
  std::string common = common_folder(plan);
  auto relative = [&](const std::string& path) { return path.substr(common.size() + 1); };
  std::string data;
  for (const std::string& flag : overlay_flags(plan)) data += cat(flag, ",");
  if (!plan.upper.empty()) {
    data += cat("upperdir=", relative(plan.upper), ",workdir=", relative(plan.work), ",");
  }
  data += "lowerdir=";
  for (const std::string& folder : folders) {
    if (!data.ends_with('=')) data += ':';
    data += relative(folder);
  }
  if (data.size() > kMaxOptions) {
    return fail(Code::kOutOfRange, cat(folders.size(), " layers are too many for this kernel"));
  }
  if (::chdir(common.c_str()) != 0) return fail_errno(errno, cat("change to ", quoted(common)));
  unsigned long flags = plan.upper.empty() ? MS_RDONLY : 0;
  if (::mount("overlay", ".", "overlay", flags, data.c_str()) != 0) {
    return fail_errno(errno, cat("mount overlay with ", quoted(data)));
  }
  // The working folder is still what is below the new mount; its path is not.
  return MountFd::clone_of(kCwd, common, false);
}

Result<MountFd> try_way(Way way, const MountPlan& plan, const MountOptions& options) {
  bool attaches = is_mapped(options) || has_images(plan);
  switch (way) {
    case Way::kByDescriptor:
      if (!is_mapped(options)) return by_descriptor(plan, options);
      return on_own_thread([&] { return by_descriptor(plan, options); });
    case Way::kByPath:
      if (!attaches) return by_path(plan, options);
      return in_private_namespace([&] { return by_path(plan, options); });
    case Way::kOneString:
      return in_private_namespace([&] { return by_one_string(plan, options); });
  }
  return fail(Code::kInternal, "no such way to mount");
}

// A bind mount that can't be written, as before mount_setattr(2) (Linux 5.12).
Result<MountFd> read_only_legacy(const std::string& path) {
  return in_private_namespace([&]() -> Result<MountFd> {
    if (::mount(path.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
        ::mount(nullptr, path.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0) {
      return fail_errno(errno, cat("bind ", quoted(path), " read-only"));
    }
    return MountFd::clone_of(kCwd, path, false);
  });
}

}  // namespace

Result<MountFd> mount_single(const MountPlan& plan, const MountOptions& options) {
  bool read_only = !plan.lower.empty();
  const std::string& path = read_only ? plan.lower.front().path : plan.upper;
  MountFd result;
  if (read_only && plan.lower.front().kind == LayerSource::Kind::kErofs) {
    TRY_ASSIGN(result, mount_erofs(path));
  } else {
    TRY_ASSIGN(result, MountFd::clone_of(kCwd, path, false));
    if (read_only) {
      auto status = result.set_attributes(MOUNT_ATTR_RDONLY, 0, 0, false);
      if (!status && status.error().sys_errno() == ENOSYS && !is_mapped(options)) {
        return read_only_legacy(path);
      }
      TRY(std::move(status));
    }
  }
  if (is_mapped(options)) TRY(map_owners(result, options.userns));
  return result;
}

Result<MountFd> mount_overlay(const MountPlan& plan, const MountOptions& options) {
  std::optional<Error> first;
  for (Way way : {Way::kByDescriptor, Way::kByPath, Way::kOneString}) {
    if (way < options.first) continue;
    auto result = try_way(way, plan, options);
    if (result) return result;
    // What the kernel does not know it calls invalid, or not supported.
    int reason = result.error().sys_errno();
    bool may_be_unknown = reason == EINVAL || reason == EOPNOTSUPP;
    if (!first) first = std::move(result).error();
    if (!may_be_unknown) break;
  }
  return fail(std::move(*first));
}

}  // namespace dhow::snapshot
