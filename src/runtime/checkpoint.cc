// SPDX-License-Identifier: Apache-2.0
// checkpoint: a running container into an image, by criu.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "base/strings.h"
#include "runtime/checkpoint_plan.h"
#include "runtime/checkpoint_session.h"
#include "runtime/container.h"
#include "runtime/descriptors.h"
#include "runtime/hooks.h"
#include "runtime/id_map.h"
#include "runtime/notify_socket.h"
#include "runtime/runtime.h"
#include "sys/file_io.h"

namespace dhow::runtime {
namespace {

Status check_dumpable(const Container& container) {
  TRY_ASSIGN(ContainerStatus status, container.status());
  if (status == ContainerStatus::kStopped) {
    return fail(Code::kFailedPrecondition, "cannot checkpoint: container not running");
  }
  if (status != ContainerStatus::kRunning && status != ContainerStatus::kPaused) {
    return fail(Code::kFailedPrecondition,
                cat("cannot checkpoint a container in the ", status_name(status), " state"));
  }
  TRY_ASSIGN(auto policy, container.dir().load_landlock());
  if (!policy) return {};
  return fail(Code::kUnimplemented,
              "cannot checkpoint a container with a Landlock policy: criu doesn't restore it");
}

Status check_descriptor(const std::optional<int>& fd) {
  if (!fd || ::fcntl(*fd, F_GETFD) >= 0) return {};
  return fail_errno(errno, cat("status-fd ", *fd));
}

// The image that the new one builds on, relative to the new one's folder.
Status check_parent(const CheckpointSession& session, const CheckpointOptions& options) {
  if (options.parent_path.empty()) return {};
  auto parent = open_at(session.image(), options.parent_path, O_PATH | O_DIRECTORY);
  if (!parent) return fail(std::move(parent).error().add_context("parent path"));
  return {};
}

Status check_features(const criu::Worker& worker, const criu::Options& options,
                      const CheckpointOptions& flags) {
  criu::Features asked{.memory_tracking = flags.pre_dump, .lazy_pages = options.lazy_pages};
  if (!asked.memory_tracking && !asked.lazy_pages) return {};
  TRY_ASSIGN(criu::Features found, worker.features(asked));
  if (asked.memory_tracking && !found.memory_tracking) {
    return fail(Code::kUnimplemented, "--pre-dump: this kernel or criu can't track memory");
  }
  if (asked.lazy_pages && !found.lazy_pages) {
    return fail(Code::kUnimplemented, "--lazy-pages: this kernel or criu has no userfaultfd");
  }
  return {};
}

// Where criu freezes the processes, so that none can fork away.
std::string freezer_folder(const Record& record) {
  if (record.cgroup.kind == cgroup::ManagerKind::kDisabled) return {};
  for (const char* hierarchy : {"freezer", ""}) {
    auto found = record.cgroup.paths.find(hierarchy);
    struct stat info{};
    if (found != record.cgroup.paths.end() && ::stat(found->second.c_str(), &info) == 0) {
      return found->second;
    }
  }
  return {};
}

Status name_namespaces(const oci::Config& config, pid_t pid, criu::Options& options) {
  for (const oci::Namespace& entry : config.linux.namespaces) {
    std::string_view key = external_namespace_key(entry.type);
    if (entry.path.empty() || key.empty()) continue;
    std::string_view file = entry.type == oci::NamespaceType::kNetwork ? "net" : "pid";
    std::string path = cat("/proc/", pid, "/ns/", file);
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) return fail_errno(errno, cat("stat ", quoted(path)));
    options.external.push_back(cat(file, "[", info.st_ino, "]:", key));
  }
  return {};
}

// What the image leaves out: mounts, streams and namespaces of the outside.
Status name_outside(const Container& container, const oci::Config& config, const Fd& image,
                    criu::Options& options) {
  const Record& record = container.record();
  TRY_ASSIGN(std::string text, read_file(cat("/proc/", record.pid, "/mountinfo")));
  TRY_ASSIGN(auto mounts, rootfs::parse_mountinfo(text));
  TRY_ASSIGN(DirFd root, DirFd::open(cat("/proc/", record.pid, "/root")));
  TRY_ASSIGN(options.external_mounts, mounts_to_leave_out(config, record.bundle, mounts, root));
  TRY_ASSIGN(auto streams, name_standard_streams(record.pid, mounts));
  for (const std::string& name : streams) {
    if (is_outside_file(name)) options.external.push_back(name);
  }
  TRY(name_namespaces(config, record.pid, options));
  return save_streams(image, streams);
}

// As runc and crun do: a container that is not left running is gone after its checkpoint, and
// callers count on it.
Status remove_dumped(const Context& context, const Container& container,
                     const oci::Config& config) {
  const Record& record = container.record();
  TRY(destroy_container(context, container.dir(), record));
  run_hooks_warning("poststop", config.hooks.poststop, hook_state(record, "stopped"),
                    record.bundle);
  return {};
}

}  // namespace

Status checkpoint(const Context& context, std::string_view id, const CheckpointOptions& options) {
  TRY_ASSIGN(Container container, Container::open(context, id, true));
  TRY(check_dumpable(container));
  TRY_ASSIGN(Identity identity, current_identity());
  if (context.rootless.value_or(identity.rootless())) {
    log::warning("checkpoint of rootless containers is untested: criu wants to be root");
  }
  TRY_ASSIGN(oci::Config config, container.dir().load_config());
  // The runtime's own addition, for containers that were made with NOTIFY_SOCKET.
  config.mounts.push_back(notify_mount(cat(context.root, "/", id)));
  TRY_ASSIGN(criu::Options criu_options, runtime::criu_options(options));
  TRY(check_descriptor(criu_options.status_fd));
  TRY_ASSIGN(CheckpointSession session, CheckpointSession::open(options, "dump.log", true));
  TRY(check_parent(session, options));

  criu::Worker::Start start{.inherit = session.descriptors()};
  if (criu_options.status_fd) start.inherit.push_back(*criu_options.status_fd);
  TRY_ASSIGN(criu::Worker worker, criu::Worker::start(start));
  TRY_ASSIGN(int version, worker.version());
  TRY(check_criu_version(options, config, version));
  TRY(check_features(worker, criu_options, options));

  session.fill(criu_options);
  criu_options.pid = container.record().pid;
  criu_options.config_file =
      criu_config_file(container.record().annotations, context.program_name, kCriuConfigFolder);
  criu_options.freeze_cgroup = freezer_folder(container.record());
  if (!options.pre_dump) TRY(name_outside(container, config, session.image(), criu_options));
  criu::Request request{
      .type = options.pre_dump ? criu::RequestType::kPreDump : criu::RequestType::kDump,
      .options = std::move(criu_options)};
  TRY(session.call(worker, request, {}));
  if (options.leave_running || options.pre_dump) return {};
  return remove_dumped(context, container, config);
}

}  // namespace dhow::runtime
