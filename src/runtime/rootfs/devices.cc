// SPDX-License-Identifier: Apache-2.0
#include "runtime/rootfs/devices.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/strings.h"

namespace dhow::rootfs {
namespace {

constexpr unsigned kDeviceDirMode = 0755;
constexpr std::uint32_t kDefaultMode = 0666;

struct Standard {
  std::string_view path;
  std::int64_t major;
  std::int64_t minor;
};
constexpr std::array kStandard = {
    Standard{"/dev/null", 1, 3},   Standard{"/dev/zero", 1, 5},    Standard{"/dev/full", 1, 7},
    Standard{"/dev/random", 1, 8}, Standard{"/dev/urandom", 1, 9}, Standard{"/dev/tty", 5, 0},
};

struct Link {
  std::string_view path;
  std::string_view target;
};
constexpr std::array kLinks = {
    Link{"/dev/fd", "/proc/self/fd"},
    Link{"/dev/stdin", "/proc/self/fd/0"},
    Link{"/dev/stdout", "/proc/self/fd/1"},
    Link{"/dev/stderr", "/proc/self/fd/2"},
};

mode_t type_bits(char type) {
  if (type == 'b') return S_IFBLK;
  if (type == 'p') return S_IFIFO;
  return S_IFCHR;  // c and u
}

dev_t number_of(const oci::Device& device) {
  return ::makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor));
}

bool is_device(const struct stat& info, const oci::Device& device) {
  mode_t type = type_bits(device.type);
  if ((info.st_mode & S_IFMT) != type) return false;
  return type == S_IFIFO || info.st_rdev == number_of(device);
}

bool has_mknod_capability() {
  struct __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  if (::syscall(SYS_capget, &header, data) != 0) return true;
  return (data[0].effective & (1U << CAP_MKNOD)) != 0;
}

Status make_link(const DirFd& root, std::string_view path, std::string_view target) {
  TRY_ASSIGN(DirFd::Parent parent, root.open_parent_in_root(path, true, kDeviceDirMode));
  if (::symlinkat(std::string(target).c_str(), parent.dir.fd().get(), parent.name.c_str()) != 0 &&
      errno != EEXIST) {
    return fail_errno(errno, cat("make link ", quoted(path)));
  }
  return {};
}

// /dev/ptmx must be the multiplexer of the container's own devpts.
Status make_ptmx(const DirFd& root) {
  TRY_ASSIGN(DirFd::Parent parent, root.open_parent_in_root("/dev/ptmx", true, kDeviceDirMode));
  int dir = parent.dir.fd().get();
  if (::unlinkat(dir, parent.name.c_str(), 0) != 0 && errno != ENOENT) {
    return fail_errno(errno, "remove \"/dev/ptmx\"");
  }
  if (::symlinkat("pts/ptmx", dir, parent.name.c_str()) != 0) {
    return fail_errno(errno, "make link \"/dev/ptmx\"");
  }
  return {};
}

// Owner and mode go through the descriptor of the node, so what is at its name meanwhile doesn't
// matter. An O_PATH descriptor takes no fchmod: the empty path does (fchmodat2, Linux 6.6), older
// kernels need the name in the trusted procfs.
Status set_owner_and_mode(MountContext& context, const Fd& node, const oci::Device& device) {
  uid_t uid = device.uid.value_or(0);
  gid_t gid = device.gid.value_or(0);
  if (::fchownat(node.get(), "", uid, gid, AT_EMPTY_PATH) != 0) {
    return fail_errno(errno, cat("change owner of ", quoted(device.path)));
  }
  mode_t mode = device.file_mode.value_or(kDefaultMode) & 07777;
  constexpr long kFchmodat2 = 452;
  if (::syscall(kFchmodat2, node.get(), "", mode, AT_EMPTY_PATH) == 0) return {};
  TRY_ASSIGN(FdRef proc, context.proc->get());
  std::string name = cat("thread-self/fd/", node.get());
  if (::fchmodat(proc.get(), name.c_str(), mode, 0) != 0) {
    return fail_errno(errno, cat("change mode of ", quoted(device.path)));
  }
  return {};
}

std::unexpected<Error> wrong_file(const oci::Device& device) {
  return fail(Code::kFailedPrecondition,
              cat("make device ", quoted(device.path), ": existing file is not the device ",
                  device.type, " ", device.major, ":", device.minor));
}

}  // namespace

std::vector<std::string_view> standard_nodes() {
  std::vector<std::string_view> paths;
  for (const Standard& node : kStandard) paths.push_back(node.path);
  return paths;
}

Result<MountFd> open_null_device() {
  TRY_ASSIGN(MountFd null, MountFd::clone_of(kCwd, "/dev/null", false));
  struct stat info{};
  if (::fstat(null.fd().get(), &info) != 0) return fail_errno(errno, "stat \"/dev/null\"");
  if (!S_ISCHR(info.st_mode) || info.st_rdev != ::makedev(1, 3)) {
    return fail(Code::kFailedPrecondition, "\"/dev/null\" is not the null device");
  }
  return null;
}

Status Devices::plan(const oci::Config& config, const Options& options, bool can_clone) {
  set_up_dev_ = std::ranges::none_of(config.mounts, [](const oci::Mount& mount) {
    if (clean_destination(mount.destination) != "/dev") return false;
    auto parsed = parse_mount_options(mount.options);
    return mount.type == "bind" || (parsed && parsed->bind);
  });
  bind_ = options.has_userns || options.rootless || !has_mknod_capability();
  if (set_up_dev_) {
    for (const Standard& entry : kStandard) {
      auto same = [&](const oci::Device& device) {
        return clean_destination(device.path) == entry.path;
      };
      if (std::ranges::any_of(config.linux.devices, same)) continue;
      Node node;
      node.device.path = entry.path;
      node.device.major = entry.major;
      node.device.minor = entry.minor;
      node.standard = true;
      nodes_.push_back(std::move(node));
    }
    for (const oci::Device& device : config.linux.devices) {
      std::string path = clean_destination(device.path);
      if (path == "/") return fail(Code::kInvalidArgument, "device without a path");
      // That is always the link to the multiplexer of the container's own devpts.
      if (path == "/dev/ptmx") continue;
      Node node;
      node.device = device;
      node.device.path = std::move(path);
      nodes_.push_back(std::move(node));
    }
  }
  if (!bind_ || !can_clone) return {};
  for (Node& node : nodes_) {
    if (node.device.type != 'p') TRY(open_host_node(node));
  }
  return {};
}

Status Devices::open_host_node(Node& node) const {
  const oci::Device& device = node.device;
  std::string_view kind = device.type == 'b' ? "block" : "char";
  // The same path first, then what udev keeps for every number.
  for (const std::string& path :
       {device.path, cat("/dev/", kind, "/", device.major, ":", device.minor)}) {
    auto copy = MountFd::clone_of(kCwd, path, false);
    struct stat info{};
    if (copy && ::fstat(copy->fd().get(), &info) == 0 && is_device(info, device)) {
      // EINVAL, ENOSYS: a mount that can't be private is no worse, it has nothing to propagate.
      std::ignore = copy->set_attributes(0, 0, MS_PRIVATE, false);
      node.host = std::move(*copy);
      return {};
    }
  }
  return fail(Code::kNotFound, cat("make device ", quoted(device.path), ": the host has no node ",
                                   device.type, " ", device.major, ":", device.minor));
}

Status Devices::bind_node(MountContext& context, Node& node, const DirFd::Parent& parent,
                          bool make_target) {
  if (!node.host) TRY(open_host_node(node));
  int dir = parent.dir.fd().get();
  if (make_target && ::mknodat(dir, parent.name.c_str(), S_IFREG | 0600, 0) != 0 &&
      errno != EEXIST) {
    return fail_errno(errno, cat("make file ", quoted(node.device.path)));
  }
  TRY_ASSIGN(Fd target, open_at(parent.dir.fd(), parent.name, O_PATH | O_NOFOLLOW));
  struct stat info{};
  if (::fstat(target.get(), &info) != 0) return fail_errno(errno, "stat");
  if (!S_ISREG(info.st_mode)) return wrong_file(node.device);
  TRY_CONTEXT(attach_and_verify(context, node.host, target, node.device.path, O_NOFOLLOW),
              cat("bind device ", quoted(node.device.path)));
  TRY(change_attached_mount(*context.proc, node.host.fd(), {kHostNodeAttributes, 0}));
  return {};
}

Status Devices::make_node(MountContext& context, Node& node) {
  const oci::Device& device = node.device;
  TRY_ASSIGN(DirFd::Parent parent,
             context.root->open_parent_in_root(device.path, true, kDeviceDirMode));
  if (bind_ && device.type != 'p') {
    struct stat now{};
    int dir = parent.dir.fd().get();
    if (::fstatat(dir, parent.name.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0 &&
        is_device(now, device)) {
      return {};
    }
    return bind_node(context, node, parent, true);
  }
  mode_t mode = type_bits(device.type) | 0600;
  dev_t number = device.type == 'p' ? 0 : number_of(device);
  bool made = ::mknodat(parent.dir.fd().get(), parent.name.c_str(), mode, number) == 0;
  int error = errno;
  if (!made && error == EPERM) return bind_node(context, node, parent, true);
  if (!made && error != EEXIST) {
    return fail_errno(error, cat("make device ", quoted(device.path)));
  }
  TRY_ASSIGN(Fd found, open_at(parent.dir.fd(), parent.name, O_PATH | O_NOFOLLOW));
  struct stat info{};
  if (::fstat(found.get(), &info) != 0) return fail_errno(errno, "stat");
  if (!is_device(info, device)) {
    // An image may have an empty file there; the device covers it.
    if (S_ISREG(info.st_mode) && device.type != 'p') {
      return bind_node(context, node, parent, false);
    }
    return wrong_file(device);
  }
  // A node of the image keeps its owner and mode, unless the configuration speaks of it.
  if (!made && node.standard) return {};
  return set_owner_and_mode(context, found, device);
}

Status Devices::make(MountContext& context) {
  for (Node& node : nodes_) TRY(make_node(context, node));
  if (!set_up_dev_) return {};
  for (const Link& link : kLinks) TRY(make_link(*context.root, link.path, link.target));
  if (context.root->open_in_root("/proc/kcore", O_PATH)) {
    TRY(make_link(*context.root, "/dev/core", "/proc/kcore"));
  }
  return make_ptmx(*context.root);
}

}  // namespace dhow::rootfs
