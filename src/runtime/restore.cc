// SPDX-License-Identifier: Apache-2.0
// restore: a container out of an image, by criu.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "base/strings.h"
#include "runtime/cgroup/host.h"
#include "runtime/checkpoint_plan.h"
#include "runtime/checkpoint_session.h"
#include "runtime/container.h"
#include "runtime/creation.h"
#include "runtime/descriptors.h"
#include "runtime/foreground.h"
#include "runtime/handover.h"
#include "runtime/hooks.h"
#include "runtime/id_map.h"
#include "runtime/init/process_setup.h"
#include "runtime/rootfs/idmap.h"
#include "runtime/runtime.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::runtime {
namespace {

// criu wants the root to be a mount of its own, with nothing over its parent. Its mount namespace
// is a copy of the runtime's for that: nothing can be left behind in the host's.
Status enter_private_mounts(const std::string& rootfs) {
  if (::unshare(CLONE_NEWNS) != 0) return fail_errno(errno, "make mount namespace");
  if (::mount("", "/", nullptr, MS_SLAVE | MS_REC, nullptr) != 0) {
    return fail_errno(errno, "make mounts slaves of the host's");
  }
  if (::mount(rootfs.c_str(), rootfs.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
    return fail_errno(errno, cat("bind root ", quoted(rootfs)));
  }
  return {};
}

// As a start does: the container's user may open its streams again. criu itself does so, when it
// is no longer root on the host.
void give_to_container(const Fd& stream, const oci::Config& config) {
  std::uint32_t uid = config.process->user.uid;
  uid = host_id(config.linux.uid_mappings, uid).value_or(uid);
  struct stat info{};
  if (::fstat(stream.get(), &info) != 0 || info.st_uid == uid || S_ISCHR(info.st_mode)) return;
  if (::fchown(stream.get(), uid, static_cast<gid_t>(-1)) == 0) return;
  log::debug(cat("make uid ", uid, " the owner of a stream: ", errno_text(errno)));
}

class Restoration {
 public:
  Restoration(const Context& context, const CheckpointOptions& options, Creation& creation,
              CheckpointSession session)
      : context_(context), options_(options), creation_(creation), session_(std::move(session)) {}

  // `console` is where the pty master goes, or null.
  Status run(const Fd* console);

 private:
  Status start_worker();
  Status in_child() const;
  Status inherit_streams(criu::Options& options);
  void inherit_namespaces(criu::Options& options);
  Status place(criu::Options& options) const;
  Status bring_mounts(criu::Options& options) const;
  Status on_notice(const criu::Response& notice, std::vector<Fd> fds, const Fd* console);

  const Context& context_;
  const CheckpointOptions& options_;
  Creation& creation_;
  CheckpointSession session_;
  Fd image_users_;              // the container's user namespace, as a mapping for the image
  std::vector<Fd> streams_;     // copies of the caller's, for the container
  std::vector<int> inherited_;  // numbers that criu has to have
  std::optional<criu::Worker> worker_;
};

// In criu's process, before it is criu: where its children will be.
Status Restoration::in_child() const {
  TRY(join_cgroups(creation_.join_plan().self_join_files));
  if (!options_.create.no_new_keyring) {
    // Restored processes keep the keyring of criu, which would be the caller's.
    TRY_ASSIGN(Fd proc, open_at(kCwd, "/proc", O_PATH | O_DIRECTORY));
    TRY(init::join_session_keyring(proc, creation_.record().id,
                                   creation_.config().process->selinux_label));
  }
  TRY(enter_private_mounts(creation_.record().rootfs));
  return session_.reopen(image_users_ ? &image_users_ : nullptr);
}

Status Restoration::start_worker() {
  const auto& folder = creation_.join_plan().unified_dir;
  criu::Worker::Start start{
      .inherit = inherited_,
      .keep_stdio = options_.shell_job,  // criu takes the terminal from its own streams
      .cgroup_dir = folder ? std::optional(folder->get()) : std::nullopt,
      .prepare = [this] { return in_child(); }};
  TRY_ASSIGN(criu::Worker worker, criu::Worker::start(start));
  worker_.emplace(std::move(worker));
  return {};
}

Status Restoration::inherit_streams(criu::Options& options) {
  TRY_ASSIGN(auto names, load_streams(session_.image()));
  for (std::size_t i = 0; i < names.size() && i <= 2; ++i) {
    auto known = std::ranges::find(options.inherited_fds, names[i], &criu::InheritedFd::key);
    if (!is_outside_stream(names[i]) || known != options.inherited_fds.end()) continue;
    Fd copy(::fcntl(static_cast<int>(i), F_DUPFD_CLOEXEC, 3));
    if (!copy) return fail_errno(errno, cat("copy descriptor ", i));
    give_to_container(copy, creation_.config());
    options.inherited_fds.push_back({names[i], copy.get()});
    inherited_.push_back(copy.get());
    streams_.push_back(std::move(copy));
  }
  return {};
}

void Restoration::inherit_namespaces(criu::Options& options) {
  const NamespacePlan& plan = creation_.namespaces();
  auto inherit = [&](oci::NamespaceType type, const Fd& fd) {
    std::string_view key = external_namespace_key(type);
    if (key.empty()) return;
    options.inherited_fds.push_back({std::string(key), fd.get()});
    inherited_.push_back(fd.get());
  };
  for (const NamespacePlan::Join& join : plan.joins) inherit(join.type, join.fd);
  if (plan.join_pid) inherit(oci::NamespaceType::kPid, *plan.join_pid);
  for (const oci::Namespace& entry : creation_.config().linux.namespaces) {
    std::string_view kind = entry.type == oci::NamespaceType::kIpc   ? "ipc"
                            : entry.type == oci::NamespaceType::kUts ? "uts"
                                                                     : "";
    if (!entry.path.empty() && !kind.empty()) {
      options.joined_namespaces.push_back({std::string(kind), entry.path});
    }
  }
}

// The cgroups that the worker is in by now take the place of those that the image names.
Status Restoration::place(criu::Options& options) const {
  if (creation_.record().cgroup.kind == cgroup::ManagerKind::kDisabled) {
    options.cgroup_mode = criu::CgroupMode::kIgnore;
    return {};
  }
  TRY_ASSIGN(std::string text, read_file(cat("/proc/", worker_->pid(), "/cgroup")));
  for (const cgroup::Hierarchy& hierarchy : cgroup::parse_proc_cgroup(text)) {
    for (const std::string& name : hierarchy.names) {
      options.cgroup_roots.push_back({name, hierarchy.own});
    }
  }
  return {};
}

Status Restoration::bring_mounts(criu::Options& options) const {
  const Record& record = creation_.record();
  HostView host;
  host.cgroup_paths = record.cgroup.paths;
  TRY_ASSIGN(std::string text, read_file("/proc/self/mountinfo"));
  TRY_ASSIGN(host.mounts, rootfs::parse_mountinfo(text));
  TRY_ASSIGN(host.cgroup_text, read_file("/proc/self/cgroup"));
  TRY_ASSIGN(DirFd root, DirFd::open(record.rootfs));
  make_mount_points(creation_.config(), record.bundle, root);
  oci::Config config = creation_.config();
  if (creation_.notify() == nullptr) {
    // The image may be of a container that had a socket there: now nobody listens.
    if (::mkdirat(creation_.dir().fd().get(), kNotifyFolder, 0755) != 0) {
      return fail_errno(errno, "make notify folder");
    }
    config.mounts.push_back(notify_mount(cat(context_.root, "/", record.id)));
  }
  TRY_ASSIGN(options.external_mounts, mounts_to_bring(config, record.bundle, host, root));
  return {};
}

Status Restoration::on_notice(const criu::Response& notice, std::vector<Fd> fds,
                              const Fd* console) {
  log::debug(cat("criu: ", notice.script));
  if (notice.script == "setup-namespaces") {
    TRY(creation_.adopt(notice.pid));
    return creation_.run_early_hooks();
  }
  if (notice.script == "post-restore") {
    // All is there, and nothing of it runs yet.
    TRY(creation_.limit_devices());
    return rootfs::give_restored_mounts_attributes(creation_.pid(), creation_.config(),
                                                   creation_.record().bundle);
  }
  if (notice.script == "orphan-pts-master") {
    if (fds.size() != 1) return fail(Code::kInternal, "criu sent no pty master");
    if (console == nullptr) {
      return fail(Code::kFailedPrecondition,
                  "the image has a terminal, and the configuration none to give it to");
    }
    TRY_CONTEXT(send_message(*console, "/dev/ptmx", {fds[0]}), "console socket");
  }
  return {};
}

Status Restoration::run(const Fd* console) {
  TRY_ASSIGN(criu::Options options, criu_options(options_));
  TRY(creation_.make_place());
  inherited_ = session_.descriptors();
  const oci::Linux& linux = creation_.config().linux;
  if (creation_.namespaces().new_user) {
    // Restored processes open parts of the image when they are no longer root on the host.
    rootfs::UserNamespaces users;
    TRY_ASSIGN(image_users_, users.with_mappings(linux.uid_mappings, linux.gid_mappings));
  }
  TRY(inherit_streams(options));
  inherit_namespaces(options);
  TRY(bring_mounts(options));
  TRY(start_worker());
  TRY_ASSIGN(int version, worker_->version());
  TRY(check_criu_version(options_, creation_.config(), version));
  TRY(creation_.admit(worker_->pid()));
  TRY(place(options));
  session_.fill(options);
  options.root = creation_.record().rootfs;
  options.config_file =
      criu_config_file(creation_.record().annotations, context_.program_name, kCriuConfigFolder);
  options.evasive_devices = true;
  options.restore_as_sibling = true;
  criu::Request request{.type = criu::RequestType::kRestore, .options = std::move(options)};
  TRY_ASSIGN(
      criu::Response response,
      session_.call(*worker_, request, [&](const criu::Response& notice, std::vector<Fd> fds) {
        return on_notice(notice, std::move(fds), console);
      }));
  worker_.reset();
  if (creation_.pid() != 0 && response.pid == creation_.pid()) return {};
  return fail(Code::kInternal, cat("criu restored pid ", response.pid, ", and spoke of pid ",
                                   creation_.pid(), " before"));
}

Status bring_back(const Context& context, const CheckpointOptions& options, Creation& creation,
                  const Fd* console) {
  TRY_ASSIGN(CheckpointSession session, CheckpointSession::open(options, "restore.log", false));
  Restoration restoration(context, options, creation, std::move(session));
  return restoration.run(console);
}

}  // namespace

Result<int> restore(const Context& context, const CheckpointOptions& options) {
  Creation creation(context, options.create);
  TRY(creation.load());
  if (creation.has_landlock()) {
    return fail(Code::kUnimplemented,
                "cannot restore a container under a Landlock policy: criu doesn't apply it");
  }
  const oci::Process& process = *creation.config().process;
  TRY(check_console(context.program_name, has_console(options.create), process.terminal,
                    options.create.detach));
  if (options.create.detach) {
    TRY_ASSIGN(auto console,
               connect_console(options.create.console_socket, options.create.console));
    TRY(bring_back(context, options, creation, console ? &*console : nullptr));
    TRY(creation.finish());
    return 0;
  }
  TRY_ASSIGN(Foreground foreground,
             Foreground::make(process.terminal, !options.create.no_subreaper));
  TRY(bring_back(context, options, creation, foreground.console()));
  TRY(foreground.accept_console());
  TRY(creation.finish());
  auto code = foreground.serve(creation.pid(), creation.pidfd());
  if (!code) return creation.give_up(std::move(code).error());
  TRY(creation.remove_ended());
  return code;
}

}  // namespace dhow::runtime
