// SPDX-License-Identifier: Apache-2.0
// Mounts added to and removed from a running container, in a child that enters its namespaces.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <optional>
#include <ranges>

#include "base/cleanup.h"
#include "base/strings.h"
#include "runtime/rootfs/devices.h"
#include "runtime/rootfs/empty_namespace.h"
#include "runtime/rootfs/idmap.h"
#include "runtime/rootfs/locked_view.h"
#include "runtime/rootfs/make_mount.h"
#include "runtime/rootfs/rootfs.h"
#include "sys/file_io.h"
#include "sys/process.h"
#include "sys/unix_socket.h"

namespace dhow::rootfs {
namespace {

constexpr std::size_t kMaxReport = 64 * 1024;

// What leads into the container, opened while the caller still has the host's view.
struct Target {
  PidFd process;
  Fd folder;  // /proc/<pid>
  DirFd root;
  Fd host_proc;
  Fd user, mount, network, ipc, cgroup, pid;  // empty: the caller's own
};

Result<Fd> open_other_namespace(FdRef folder, std::string_view name) {
  TRY_ASSIGN(Fd theirs, open_at(folder, cat("ns/", name), O_RDONLY));
  TRY_ASSIGN(Fd ours, open_at(kCwd, cat("/proc/self/ns/", name), O_RDONLY));
  struct stat their_info{};
  struct stat our_info{};
  if (::fstat(theirs.get(), &their_info) != 0 || ::fstat(ours.get(), &our_info) != 0) {
    return fail_errno(errno, cat("stat namespace ", quoted(name)));
  }
  if (their_info.st_dev == our_info.st_dev && their_info.st_ino == our_info.st_ino) return Fd();
  return theirs;
}

Result<Target> open_target_process(pid_t pid) {
  Target target;
  TRY_ASSIGN(target.process, PidFd::open(pid));
  TRY_ASSIGN(target.folder, open_at(kCwd, cat("/proc/", pid), O_PATH | O_DIRECTORY));
  TRY_ASSIGN(Fd root, open_at(target.folder, "root", O_PATH | O_DIRECTORY));
  target.root = DirFd(std::move(root));
  TRY_ASSIGN(target.host_proc, open_at(kCwd, "/proc", O_PATH | O_DIRECTORY));
  TRY_ASSIGN(target.user, open_other_namespace(target.folder, "user"));
  TRY_ASSIGN(target.mount, open_other_namespace(target.folder, "mnt"));
  TRY_ASSIGN(target.network, open_other_namespace(target.folder, "net"));
  TRY_ASSIGN(target.ipc, open_other_namespace(target.folder, "ipc"));
  TRY_ASSIGN(target.cgroup, open_other_namespace(target.folder, "cgroup"));
  TRY_ASSIGN(target.pid, open_other_namespace(target.folder, "pid"));
  // The number may have gone to another process while it was looked at.
  TRY_ASSIGN(bool ended, target.process.wait_exit(0));
  if (ended) return fail(Code::kNotFound, "container not running");
  return target;
}

Status join(const Fd& fd, int type, std::string_view name) {
  if (!fd) return {};
  if (::setns(fd.get(), type) != 0) {
    return fail_errno(errno, cat("enter ", name, " namespace"));
  }
  return {};
}

Status become_root_of_userns(const Target& target) {
  if (!target.user) return {};
  TRY(join(target.user, CLONE_NEWUSER, "user"));
  // Files made for mount points belong to the container's root.
  if (::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0) {
    return fail_errno(errno, "become root of the user namespace");
  }
  return {};
}

Status join_others(const Target& target) {
  TRY(join(target.network, CLONE_NEWNET, "network"));
  TRY(join(target.ipc, CLONE_NEWIPC, "ipc"));
  TRY(join(target.cgroup, CLONE_NEWCGROUP, "cgroup"));
  TRY(join(target.pid, CLONE_NEWPID, "pid"));
  return join(target.mount, CLONE_NEWNS, "mount");
}

// Runs `work` in a child and brings its error back.
Status run_in_child(const std::function<Status()>& work) {
  TRY_ASSIGN(SocketPair sockets, make_socket_pair(SOCK_SEQPACKET));
  CloneOptions options;
  options.want_pidfd = false;
  TRY_ASSIGN(CloneResult child, clone_process(options));
  if (child.pid == 0) {
    sockets.first.reset();
    auto status = work();
    if (status) ::_exit(0);
    const Error& error = status.error();
    std::string report = cat(static_cast<int>(error.code()), "\n", error.sys_errno(), "\n",
                             std::string_view(error.message()).substr(0, kMaxReport / 2));
    std::ignore = send_message(sockets.second, report);  // the exit status still tells
    ::_exit(1);
  }
  sockets.second.reset();
  auto report = receive_message(sockets.first, kMaxReport);
  TRY_ASSIGN(int status, wait_for(child.pid));
  if (status == 0) return {};
  if (!report || report->end) {
    return fail(Code::kInternal,
                cat("mount helper ended with ", exit_code_from_wait_status(status)));
  }
  std::string_view text = report->payload;
  std::size_t first = text.find('\n');
  std::size_t second = text.find('\n', first + 1);
  auto code = parse_number<int>(text.substr(0, first));
  auto error = parse_number<int>(text.substr(first + 1, second - first - 1));
  if (!code || !error || second == std::string_view::npos) {
    return fail(Code::kInternal, "mount helper sent a malformed report");
  }
  return fail(Error(static_cast<Code>(*code), *error, std::string(text.substr(second + 1))));
}

// The container's folders in v1 hierarchies: "4:memory:/path" of its first process.
Status read_cgroup_paths(const Target& target, Options& options) {
  TRY_ASSIGN(std::string text, read_file(target.folder, "cgroup"));
  for (std::string_view line : split(text, '\n')) {
    std::vector<std::string_view> fields = split(line, ':');
    if (fields.size() < 3 || fields[1].empty()) continue;
    std::string_view dir = fields[1].starts_with("name=") ? fields[1].substr(5) : fields[1];
    std::string_view path = line.substr(fields[0].size() + fields[1].size() + 2);
    for (std::string_view controller : split(fields[1], ',')) {
      options.cgroup_paths.emplace_back(controller, cat("/sys/fs/cgroup/", dir, path));
    }
  }
  return {};
}

struct Request {
  std::vector<PlannedMount> plans;
  UserNamespaces user_namespaces;
  bool deferred = false;  // some sources can only be opened with the container's privileges
  bool has_proc = false;
};

Status plan_request(Request& request, const Target& target, pid_t pid,
                    const std::vector<oci::Mount>& mounts, const Options& options) {
  oci::Config config;
  if (target.user) {
    config.linux.namespaces.push_back({oci::NamespaceType::kUser, cat("/proc/", pid, "/ns/user")});
  }
  for (const oci::Mount& mount : mounts) {
    TRY_ASSIGN(PlannedMount plan, plan_mount(mount, config, "/"));
    if (plan.destination == "/") {
      return fail(Code::kInvalidArgument, "mount on \"/\" of a running container");
    }
    if (plan.options.idmap != IdmapMode::kNone) {
      if (!plan.uid_mappings.empty()) {
        TRY_ASSIGN(plan.userns,
                   request.user_namespaces.with_mappings(plan.uid_mappings, plan.gid_mappings));
      } else {
        TRY_ASSIGN(plan.userns, target.user.duplicate());
      }
    }
    if (plan.kind == MountKind::kCgroup) TRY(open_cgroup_source(plan, options));
    request.has_proc |= plan.kind == MountKind::kProc;
    request.plans.push_back(std::move(plan));
  }
  return {};
}

// As RootfsImpl::open_copies: for a user namespace out of a view with locked flags.
Status open_binds(Request& request, const Target& target) {
  std::optional<MountNamespaceSwitch> away;
  if (target.user && ::geteuid() == 0) {
    TRY_ASSIGN(Fd view, make_locked_view());
    TRY_ASSIGN(MountNamespaceSwitch inside, MountNamespaceSwitch::enter(view));
    away.emplace(std::move(inside));
  }
  for (PlannedMount& plan : request.plans) {
    if (plan.kind != MountKind::kBind) continue;
    TRY_CONTEXT(open_bind_source(plan, MS_SLAVE | MS_REC, true),
                cat("mount ", quoted(plan.source), " on ", quoted(plan.destination)));
    request.deferred |= !plan.tree && plan.symlink_target.empty();
  }
  return away ? away->leave() : Status{};
}

// A mount namespace that is a copy of the host's but belongs to the container's user namespace:
// there the copies may be taken.
Status open_deferred(Request& request) {
  if (!request.deferred) return {};
  if (::unshare(CLONE_NEWNS) != 0) return fail_errno(errno, "make a mount namespace");
  for (PlannedMount& plan : request.plans) {
    if (plan.kind != MountKind::kBind || plan.tree || !plan.symlink_target.empty()) continue;
    TRY_CONTEXT(open_bind_source(plan, MS_SLAVE | MS_REC, false),
                cat("mount ", quoted(plan.source), " on ", quoted(plan.destination)));
  }
  return {};
}

Status attach_all(Request& request, const Target& target, const Options& options) {
  ::umask(0);
  TrustedProc proc;
  MountContext context;
  context.root = &target.root;
  context.proc = &proc;
  context.options = &options;
  context.default_propagation = MS_SLAVE | MS_REC;
  for (PlannedMount& plan : request.plans) TRY(make_mount(context, plan));
  return {};
}

Status remove_one(const Target& target, const oci::Mount& mount) {
  std::string path = clean_destination(mount.destination);
  if (path == "/") return fail(Code::kInvalidArgument, "unmount \"/\" of a running container");
  TRY_ASSIGN(Fd found, target.root.open_in_root(path, O_PATH | O_NOFOLLOW));
  TRY_ASSIGN(bool mounted, is_mount_root(found));
  if (!mounted) {
    return fail_errno(EINVAL, cat("unmount ", quoted(path), ": not a mount point"));
  }
  TRY_CONTEXT(unmount(target.host_proc, found, MNT_DETACH), cat("unmount ", quoted(path)));
  return {};
}

// Attributes of what is mounted at `path`, if anything is.
struct Wanted {
  std::string path;
  AttributeChange change;
  AttributeChange recursive;
  bool is_node = false;  // of a device of the host
};

Status give_attributes(const Target& target, const Wanted& wanted) {
  auto found = target.root.open_in_root(wanted.path, O_PATH);
  if (!found && found.error().sys_errno() == ENOENT) return {};
  if (!found) return fail(std::move(found).error());
  struct stat info{};
  if (::fstat(found->get(), &info) != 0) return fail_errno(errno, cat("stat ", wanted.path));
  if (wanted.is_node && !S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) return {};
  TRY_ASSIGN(bool mounted, is_mount_root(*found));
  if (!mounted) return {};
  auto change = [&](AttributeChange attributes, bool recursive) -> Status {
    if (attributes.empty()) return {};
    return set_mount_attributes(*found, attributes.set, attributes.clear, 0, recursive);
  };
  TRY_CONTEXT(change(wanted.recursive, true), cat("mount on ", quoted(wanted.path)));
  TRY_CONTEXT(change(wanted.change, false), cat("mount on ", quoted(wanted.path)));
  return {};
}

Result<std::vector<Wanted>> plan_attributes(const oci::Config& config, std::string_view bundle) {
  std::vector<Wanted> result;
  for (const oci::Mount& mount : config.mounts) {
    TRY_ASSIGN(PlannedMount plan, plan_mount(mount, config, bundle));
    if (plan.kind != MountKind::kBind || plan.options.copy_symlink) continue;
    result.push_back(
        {plan.destination, plan.options.attributes, plan.options.recursive_attributes});
  }
  auto add_node = [&](std::string_view path) {
    result.push_back({clean_destination(path), {kHostNodeAttributes, 0}, {}, true});
  };
  for (const std::string& path : config.linux.masked_paths) add_node(path);
  for (std::string_view path : standard_nodes()) add_node(path);
  for (const oci::Device& device : config.linux.devices) add_node(device.path);
  return result;
}

}  // namespace

Status give_restored_mounts_attributes(pid_t pid, const oci::Config& config,
                                       std::string_view bundle) {
  TRY_ASSIGN(std::vector<Wanted> wanted, plan_attributes(config, bundle));
  TRY_ASSIGN(Target target, open_target_process(pid));
  if (!target.mount) return {};
  return run_in_child([&]() -> Status {
    TRY(join(target.mount, CLONE_NEWNS, "mount"));
    for (const Wanted& each : wanted) TRY(give_attributes(target, each));
    return {};
  });
}

Status add_mounts(pid_t pid, const std::vector<oci::Mount>& mounts) {
  TRY_ASSIGN(Target target, open_target_process(pid));
  Options options;
  options.has_userns = static_cast<bool>(target.user);
  options.has_cgroup_ns = static_cast<bool>(target.cgroup);
  options.rootless = ::geteuid() != 0;
  if (!options.has_cgroup_ns) TRY(read_cgroup_paths(target, options));
  Request request;
  TRY(plan_request(request, target, pid, mounts, options));
  TRY(open_binds(request, target));
  return run_in_child([&]() -> Status {
    TRY(become_root_of_userns(target));
    TRY(open_deferred(request));
    TRY(join_others(target));
    // A procfs shows the pid namespace that its maker is in, which only children change.
    if (target.pid && request.has_proc) {
      return run_in_child([&] { return attach_all(request, target, options); });
    }
    return attach_all(request, target, options);
  });
}

Status remove_mounts(pid_t pid, const std::vector<oci::Mount>& mounts) {
  TRY_ASSIGN(Target target, open_target_process(pid));
  return run_in_child([&]() -> Status {
    TRY(become_root_of_userns(target));
    TRY(join(target.mount, CLONE_NEWNS, "mount"));
    for (const oci::Mount& mount : mounts | std::views::reverse) TRY(remove_one(target, mount));
    return {};
  });
}

}  // namespace dhow::rootfs
