// SPDX-License-Identifier: Apache-2.0
#include "runtime/creation.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/log.h"
#include "base/strings.h"
#include "oci/config_codec.h"
#include "oci/validate.h"
#include "runtime/container.h"
#include "runtime/handover.h"
#include "runtime/hooks.h"
#include "runtime/init/process_setup.h"
#include "runtime/intel_rdt.h"
#include "runtime/sync.h"
#include "sys/file_io.h"

namespace dhow::runtime {
namespace {

// crun's way to ask for something else than a process. One that was to be a virtual machine would
// be isolated by less than its owner counts on, so it isn't ignored.
Status refuse_handlers(const oci::Config& config) {
  auto handler = config.annotations.find("run.oci.handler");
  if (handler == config.annotations.end()) return {};
  return fail(Code::kUnimplemented,
              cat("annotation run.oci.handler: no handler ", quoted(handler->second)));
}

}  // namespace

using oci::NamespaceType;

Creation::~Creation() {
  if (finished_ || !dir_) return;
  // The init is our own child and not reaped yet, so its pid is still its own.
  if (init_.pid > 0) {
    std::ignore = init_.pidfd.send_signal(SIGKILL);  // it may have ended by itself
    std::ignore = wait_for(init_.pid);
  }
  if (cgroup_made_) {
    auto removed = cgroup_->destroy();
    if (!removed) log::warning(cat("undo create: ", removed.error().message()));
  }
  if (!record_.rdt_group.empty() || !record_.rdt_monitor.empty()) {
    auto removed = remove_rdt_groups(record_.rdt_group, record_.rdt_monitor);
    if (!removed) log::warning(cat("undo create: ", removed.error().message()));
  }
  auto removed = dir_->remove();
  if (!removed) log::warning(cat("undo create: ", removed.error().message()));
}

Status Creation::load() {
  TRY(check_id(options_.id));
  TRY_ASSIGN(identity_, current_identity());
  TRY(check_descriptors());
  TRY(read_config());
  TRY(oci::validate(config_));
  TRY(init::check_sysctls(config_));
  if (!config_.process) return fail(Code::kInvalidArgument, "$.process: required");
  TRY(init::check_selinux_label(config_.process->selinux_label));
  TRY(compile());
  TRY_ASSIGN(namespaces_, plan_namespaces(config_.linux));
  if (identity_.uid != 0 && !namespaces_.has(NamespaceType::kUser)) {
    return fail(Code::kInvalidArgument,
                "$.linux.namespaces: rootless container requires user namespaces");
  }
  return {};
}

Status Creation::check_descriptors() {
  if (const char* count = ::getenv("LISTEN_FDS"); count != nullptr) {
    auto number = parse_number<unsigned>(count);
    if (!number || *number > 1'000'000) {
      return fail(Code::kInvalidArgument,
                  cat("LISTEN_FDS: not a number of descriptors: ", quoted(count)));
    }
    listen_fds_ = *number;
  }
  if (options_.preserve_fds < 0) return fail(Code::kInvalidArgument, "preserve-fds: negative");
  preserved_fds_ = listen_fds_ + static_cast<unsigned>(options_.preserve_fds);
  return check_preserved_fds(preserved_fds_);
}

Status Creation::read_config() {
  std::string path =
      options_.config_file.empty() ? cat(options_.bundle, "/config.json") : options_.config_file;
  auto text = read_file(path);
  if (!text) {
    if (text.error().sys_errno() == ENOENT) {
      return fail(
          Error(Code::kNotFound, ENOENT, cat("JSON specification file ", path, " not found")));
    }
    return fail(std::move(text).error());
  }
  config_text_ = std::move(*text);
  auto config = parse_container_config(config_text_);
  if (!config) return fail(std::move(config).error().add_context(path));
  config_ = std::move(*config);
  return refuse_handlers(config_);
}

Status Creation::compile() {
  TRY_ASSIGN(seccomp_, seccomp::program_of(config_));
  if (config_.linux.seccomp &&
      config_.annotations.contains("run.oci.seccomp_fail_unknown_syscall")) {
    std::string unknown = seccomp::unknown_syscall(*config_.linux.seccomp);
    if (!unknown.empty()) {
      return fail(Code::kInvalidArgument, cat("invalid seccomp syscall ", quoted(unknown)));
    }
  }
  std::string policy;
  if (!options_.landlock_file.empty()) {
    TRY_ASSIGN(policy, read_file(options_.landlock_file));
  } else if (auto found = config_.annotations.find("dhow.landlock");
             found != config_.annotations.end()) {
    policy = found->second;
  }
  if (!policy.empty()) {
    TRY_ASSIGN(landlock_, parse_landlock(policy));
    landlock_text_ = std::move(policy);
  }
  return {};
}

bool Creation::has_early_hooks() const {
  const oci::Hooks& hooks = config_.hooks;
  return !hooks.prestart.empty() || !hooks.create_runtime.empty() ||
         !hooks.create_container.empty();
}

// Those that need nothing of the host's tree but what the runtime has opened for them. Others may
// name files of the host as their source or in their options (overlay, a file system on a block
// device).
bool Creation::has_mounts_of_host_paths() const {
  static constexpr std::string_view kSelfContained[] = {"proc",   "sysfs", "tmpfs",  "devpts",
                                                        "mqueue", "ramfs", "cgroup", "cgroup2",
                                                        "bind",   "none",  ""};
  return std::ranges::any_of(config_.mounts, [](const oci::Mount& mount) {
    return std::ranges::find(kSelfContained, mount.type) == std::end(kSelfContained);
  });
}

rootfs::SwitchMode Creation::switch_mode() {
  if (!namespaces_.creates(NamespaceType::kMount)) return rootfs::SwitchMode::kChroot;
  if (options_.no_pivot) return rootfs::SwitchMode::kMove;
  // Hooks before the switch expect the host's files and the bundle at their paths, and a root whose
  // mounts go back and forth with the host's needs the host's tree around it.
  auto propagation = config_.linux.rootfs_propagation;
  bool plain = !propagation || *propagation == oci::Propagation::kPrivate ||
               *propagation == oci::Propagation::kUnbindable;
  if (identity_.rootless() || namespaces_.two_stage || has_early_hooks() || !plain ||
      has_mounts_of_host_paths()) {
    return rootfs::SwitchMode::kPivot;
  }
  auto empty = rootfs::empty_mount_namespace(context_.empty_mounts);
  if (!empty) log::debug(cat("no empty mount namespace: ", empty.error().message()));
  if (!empty || !*empty) return rootfs::SwitchMode::kPivot;
  empty_mount_ns_ = std::move(**empty);
  return rootfs::SwitchMode::kOnEmptyRoot;
}

Status Creation::make_state() {
  const oci::Root& root = *config_.root;
  record_.id = options_.id;
  record_.bundle = options_.bundle;
  record_.rootfs = root.path.starts_with('/') ? root.path : cat(options_.bundle, "/", root.path);
  record_.created = timestamp_now();
  record_.annotations = config_.annotations;
  record_.owner_uid = ::getuid();
  record_.late_hooks = !config_.hooks.poststart.empty() || !config_.hooks.poststop.empty();
  record_.own_user_namespace = namespaces_.has(NamespaceType::kUser);
  record_.own_pid_namespace = namespaces_.creates(NamespaceType::kPid);
  record_.cgroup.kind = context_.cgroup_manager;

  cgroup::Settings settings = cgroup_settings(context_, record_);
  settings.cgroups_path = config_.linux.cgroups_path;
  settings.has_cgroup_namespace = namespaces_.has(NamespaceType::kCgroup);
  settings.owner_uid = host_id(config_.linux.uid_mappings, 0);
  for (const oci::Mount& mount : config_.mounts) {
    bool readonly = std::ranges::find(mount.options, "ro") != mount.options.end();
    if (mount.type.starts_with("cgroup") && !readonly) settings.cgroup_mount_writable = true;
  }
  TRY_ASSIGN(cgroup_, cgroup::make_cgroup(settings));
  record_.cgroup = cgroup_->location();

  TRY_ASSIGN(dir_, StateDir::create(context_.root, options_.id));
  TRY(dir_->save_config(config_text_));
  if (landlock_) TRY(dir_->save_landlock(landlock_text_));
  // Before anything outside the folder is made: whoever finds this record can remove what it names.
  TRY(dir_->save(record_));
  TRY_ASSIGN(notify_,
             NotifySocket::make(dir_->fd(), cat(context_.root, "/", options_.id), config_));
  return {};
}

Status Creation::make_cgroup() {
  const oci::Resources* resources = config_.linux.resources ? &*config_.linux.resources : nullptr;
  TRY_ASSIGN(join_, cgroup_->prepare(resources));
  cgroup_made_ = true;
  // Without the folders that an ordinary user may not have.
  record_.cgroup = cgroup_->location();
  return {};
}

Status Creation::make_rootfs() {
  rootfs_options_.bundle = options_.bundle;
  rootfs_options_.mode = switch_mode();
  rootfs_options_.has_userns = namespaces_.has(NamespaceType::kUser);
  rootfs_options_.has_cgroup_ns = namespaces_.has(NamespaceType::kCgroup);
  rootfs_options_.has_network_ns = namespaces_.has(NamespaceType::kNetwork);
  rootfs_options_.rootless = identity_.rootless();
  for (const auto& [controller, path] : record_.cgroup.paths) {
    rootfs_options_.cgroup_paths.emplace_back(controller, path);
  }
  TRY_ASSIGN(rootfs_, rootfs::prepare(config_, rootfs_options_));
  return {};
}

Status Creation::open_gate() {
  auto open_fifo = [&](std::string_view name) -> Result<Fd> {
    std::string path(name);
    if (::mkfifoat(dir_->fd().get(), path.c_str(), 0600) != 0) {
      return fail_errno(errno, cat("make fifo ", quoted(name)));
    }
    return open_at(dir_->fd(), name, O_RDWR);
  };
  TRY_ASSIGN(gate_.go, open_fifo(kGoFifo));
  TRY_ASSIGN(gate_.result, open_fifo(kResultFifo));
  return {};
}

Status Creation::make(bool gate, const Fd* console) {
  TRY(make_state());
  TRY(make_cgroup());
  TRY(make_rootfs());
  if (gate) TRY(open_gate());
  TRY(spawn(console));
  auto attended = attend();
  if (!attended) {
    return fail(std::move(attended).error().add_context("unable to start container process"));
  }
  return {};
}

Status Creation::finish() {
  std::string pidfd_socket = options_.pidfd_socket;
  if (auto found = config_.annotations.find("run.oci.pidfd_receiver");
      pidfd_socket.empty() && found != config_.annotations.end()) {
    pidfd_socket = found->second;
  }
  TRY(announce_process(pidfd_socket, options_.pid_file, init_.pid, init_.pidfd));
  if (options_.pid != nullptr) *options_.pid = init_.pid;
  record_.ready = true;
  auto saved = dir_->save(record_);
  if (!saved) {
    retract_process(options_.pid_file);
    return saved;
  }
  // From here on the container is everybody's: the lock goes, also out of the init that inherited
  // it.
  dir_->unlock();
  finished_ = true;
  return {};
}

Status Creation::remove_ended() {
  auto locked = dir_->lock();
  if (!locked && locked.error().code() != Code::kNotFound) locked = dir_->lock();
  if (!locked && locked.error().code() == Code::kNotFound) return {};
  TRY(locked);
  TRY(destroy());
  run_poststop();
  return {};
}

std::unexpected<Error> Creation::give_up(Error error) {
  retract_process(options_.pid_file);
  auto destroyed = destroy();
  if (!destroyed) log::warning(cat("undo create: ", destroyed.error().message()));
  std::ignore = wait_for(init_.pid);
  run_poststop();
  return fail(std::move(error));
}

void Creation::run_poststop() const {
  oci::State state = hook_state(record_, "stopped");
  run_hooks_warning("poststop", config_.hooks.poststop, state, record_.bundle);
}

// Nobody comes after the runtime to clean up, so what failed may have been short of something only
// for a moment.
Status Creation::destroy() {
  auto destroyed = destroy_container(context_, *dir_, record_);
  return destroyed ? destroyed : destroy_container(context_, *dir_, record_);
}

}  // namespace dhow::runtime
