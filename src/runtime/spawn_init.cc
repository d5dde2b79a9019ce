// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "runtime/namespaces.h"
#include "runtime/sync.h"
#include "sys/file_io.h"

namespace dhow::runtime {
namespace {

using oci::NamespaceType;

Status enter(FdRef fd, NamespaceType type) {
  if (::setns(fd.get(), static_cast<int>(clone_flag(type))) != 0) {
    return fail_errno(errno, cat("join ", oci::namespace_name(type), " namespace"));
  }
  return {};
}

// timens_offsets lines: "<clock> <seconds> <nanoseconds>", for children of the caller
// (time_namespaces(7)).
Status make_time_namespace(const oci::Linux& linux) {
  if (::unshare(static_cast<int>(clone_flag(NamespaceType::kTime))) != 0) {
    return fail_errno(errno, "make time namespace");
  }
  if (linux.time_offsets.empty()) return {};
  std::string text;
  for (const auto& [clock, offset] : linux.time_offsets) {
    text += cat(clock, " ", offset.secs, " ", offset.nanosecs, "\n");
  }
  TRY_CONTEXT(write_existing("/proc/self/timens_offsets", text), "set $.linux.timeOffsets");
  return {};
}

// Points the runtime's next child somewhere else, and the runtime back when it goes: pid and time
// namespace of children, and the mount namespace that a CLONE_NEWNS copies.
class Detour {
 public:
  Detour() = default;
  Detour(const Detour&) = delete;
  Detour& operator=(const Detour&) = delete;
  // Where the way back failed it is tried once more (memory may be there by then): what has to be
  // undone now is only found from where the runtime was.
  ~Detour() { std::ignore = back(); }
  // For the child, which stays where it is.
  void stay() {
    for (Fd* fd : {&time_, &pid_, &mount_}) fd->reset();
  }

  Status take(const SpawnInit& request) {
    const NamespacePlan& plan = request.plan;
    if (plan.new_time) {
      TRY_ASSIGN(time_, open_at(kCwd, "/proc/self/ns/time", O_RDONLY));
      TRY(make_time_namespace(request.linux));
    }
    if (plan.join_pid) {
      TRY_ASSIGN(pid_, open_at(kCwd, "/proc/self/ns/pid", O_RDONLY));
      TRY(enter(*plan.join_pid, NamespaceType::kPid));
    }
    if (request.empty_mount_ns != nullptr) {
      TRY_ASSIGN(root_, open_at(kCwd, "/", O_PATH | O_DIRECTORY));
      TRY_ASSIGN(working_dir_, open_at(kCwd, ".", O_PATH | O_DIRECTORY));
      TRY_ASSIGN(mount_, open_at(kCwd, "/proc/self/ns/mnt", O_RDONLY));
      TRY(enter(*request.empty_mount_ns, NamespaceType::kMount));
    }
    return {};
  }

  Status back() {
    if (mount_) {
      TRY(enter(mount_, NamespaceType::kMount));
      // setns went to the root of the namespace, which need not be where the runtime was.
      if (::fchdir(root_.get()) != 0 || ::chroot(".") != 0 || ::fchdir(working_dir_.get()) != 0) {
        return fail_errno(errno, "return to the runtime's root");
      }
      mount_.reset();
    }
    if (pid_) TRY(enter(pid_, NamespaceType::kPid));
    pid_.reset();
    if (time_) TRY(enter(time_, NamespaceType::kTime));
    time_.reset();
    return {};
  }

 private:
  Fd time_, pid_, mount_, root_, working_dir_;
};

// Until it is ready, the child goes when the runtime goes.
Status die_with_runtime() {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return fail_errno(errno, "prctl PR_SET_PDEATHSIG");
  return {};
}

Status start_child(const SpawnInit& request) {
  TRY(die_with_runtime());
  return join_cgroups(request.join_files);
}

Status wait_for_id_maps(const SpawnInit& request) {
  TRY(send_sync(request.child_sync, MessageType::kNeedIdMaps));
  TRY(expect_sync(request.child_sync, MessageType::kGo, "wait for id maps"));
  TRY(become_namespace_root(request.linux.uid_mappings, request.linux.gid_mappings));
  return die_with_runtime();  // a change of ids clears it
}

// The stage between: joins and unshares in the order that rights allow, then clones the sibling
// that goes on. Returns only in the sibling.
Status run_stage(const SpawnInit& request) {
  const NamespacePlan& plan = request.plan;
  TRY(start_child(request));
  for (const NamespacePlan::Join& join : plan.joins) {
    if (join.type == NamespaceType::kMount) continue;
    TRY(enter(join.fd, join.type));
    if (join.type == NamespaceType::kUser) {
      // Ids of the joined namespace, whatever its maps are: without a 0 in them this stays as it
      // is.
      std::ignore = become_namespace_root({{0, 0, 1}}, {{0, 0, 1}});
    }
  }
  if (plan.new_user) {
    if (::unshare(CLONE_NEWUSER) != 0) return fail_errno(errno, "make user namespace");
    TRY(wait_for_id_maps(request));
  }
  if (plan.new_time) TRY(make_time_namespace(request.linux));
  CloneOptions options;
  options.flags = (plan.new_flags & ~static_cast<std::uint64_t>(CLONE_NEWUSER)) | CLONE_PARENT;
  options.want_pidfd = false;
  TRY_ASSIGN(CloneResult sibling, clone_process(options));
  if (sibling.pid != 0) {
    bool told = send_sync(request.child_sync, MessageType::kPid, sibling.pid).has_value();
    ::_exit(told ? 0 : 1);
  }
  TRY(die_with_runtime());  // its parent is the runtime, not the stage
  for (const NamespacePlan::Join& join : plan.joins) {
    if (join.type == NamespaceType::kMount) TRY(enter(join.fd, join.type));
  }
  return {};
}

// The runtime's part of the two-stage way: writes the maps, learns the sibling's pid.
Result<SpawnedInit> attend_stage(const SpawnInit& request, const CloneResult& stage) {
  auto outcome = [&]() -> Result<SpawnedInit> {
    if (request.plan.new_user) {
      TRY(expect_sync(request.parent_sync, MessageType::kNeedIdMaps, "make user namespace"));
      TRY(write_id_maps(stage.pid, request.linux.uid_mappings, request.linux.gid_mappings,
                        request.identity));
      TRY(send_sync(request.parent_sync, MessageType::kGo));
    }
    TRY_ASSIGN(SyncMessage message, expect_sync_of(stage.pidfd, request.parent_sync,
                                                   MessageType::kPid, "join namespaces"));
    SpawnedInit init;
    init.pid = message.number;
    // Our own child and not reaped yet, so the number can't have come to mean another process.
    TRY_ASSIGN(init.pidfd, PidFd::open(init.pid));
    return init;
  }();
  if (!outcome) std::ignore = stage.pidfd.send_signal(SIGKILL);  // it may have ended by itself
  std::ignore = wait_for(stage.pid);
  return outcome;
}

[[noreturn]] void die_with(const SpawnInit& request, const Error& error) {
  std::ignore = send_sync_error(request.child_sync, error);  // nobody else to tell
  ::_exit(1);
}

Result<SpawnedInit> finish_child(const SpawnInit& request) {
  const NamespacePlan& plan = request.plan;
  auto ready = [&]() -> Status {
    TRY(start_child(request));
    for (const NamespacePlan::Join& join : plan.joins) TRY(enter(join.fd, join.type));
    if (plan.new_user) TRY(wait_for_id_maps(request));
    return {};
  }();
  if (!ready) die_with(request, ready.error());
  return SpawnedInit{};
}

Status give_id_maps(const SpawnInit& request, pid_t pid) {
  TRY(expect_sync(request.parent_sync, MessageType::kNeedIdMaps, "make user namespace"));
  TRY(write_id_maps(pid, request.linux.uid_mappings, request.linux.gid_mappings, request.identity));
  return send_sync(request.parent_sync, MessageType::kGo);
}

}  // namespace

Status join_cgroups(const std::vector<Fd>& files) {
  for (const Fd& file : files) {
    if (::write(file.get(), "0", 1) != 1) return fail_errno(errno, "join cgroup");
  }
  return {};
}

Status become_namespace_root(const std::vector<oci::IdMapping>& uids,
                             const std::vector<oci::IdMapping>& gids) {
  // The raw calls change this thread only, which is the only one.
  if (host_id(gids, 0) && ::syscall(SYS_setresgid, 0, 0, 0) != 0) {
    return fail_errno(errno, "become group 0 of the user namespace");
  }
  if (host_id(uids, 0) && ::syscall(SYS_setresuid, 0, 0, 0) != 0) {
    return fail_errno(errno, "become user 0 of the user namespace");
  }
  return {};
}

Result<SpawnedInit> spawn_init(const SpawnInit& request) {
  const NamespacePlan& plan = request.plan;
  CloneOptions options;
  options.cgroup = request.cgroup_dir;
  if (plan.two_stage) {
    TRY_ASSIGN(CloneResult stage, clone_process(options));
    if (stage.pid != 0) {
      request.child_sync.reset();
      return attend_stage(request, stage);
    }
    auto entered = run_stage(request);
    if (!entered) die_with(request, entered.error());
    return SpawnedInit{};
  }

  options.flags = plan.new_flags;
  Detour detour;
  auto taken = detour.take(request);
  Result<CloneResult> child = fail(Code::kInternal, "not cloned");
  if (taken) {
    child = clone_process(options);
    if (child && child->pid == 0) {
      detour.stay();
      return finish_child(request);
    }
  }
  request.child_sync.reset();  // so that a child's death is the end of the file
  auto returned = detour.back();
  if (!taken) return fail(std::move(taken).error());
  if (!child) return fail(std::move(child).error());
  SpawnedInit init{child->pid, std::move(child->pidfd)};
  auto mapped = plan.new_user && returned ? give_id_maps(request, init.pid) : std::move(returned);
  if (!mapped) {
    std::ignore = init.pidfd.send_signal(SIGKILL);  // it may have ended by itself
    std::ignore = wait_for(init.pid);
    return fail(std::move(mapped).error());
  }
  return init;
}

}  // namespace dhow::runtime
