// SPDX-License-Identifier: Apache-2.0
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "oci/config_codec.h"
#include "runtime/runtime.h"
#include "shim/oci_runtime.h"
#include "shim/worker.h"
#include "sys/file_io.h"

namespace dhow::shim {
namespace {

runtime::CreateOptions create_options(const std::string& id, const OciRuntime::Make& make,
                                      pid_t* pid) {
  runtime::CreateOptions options;
  options.id = id;
  options.bundle = make.bundle;
  options.no_pivot = make.no_pivot;
  options.no_new_keyring = make.no_new_keyring;
  options.pid = pid;
  options.on_init = make.on_init;
  if (make.terminal) options.console = Workers::kConsole;
  return options;
}

class OwnRuntime final : public OciRuntime {
 public:
  explicit OwnRuntime(const RuntimeChoice& choice) {
    context_.root = choice.root;
    context_.program_name = "dhow-runtime";
    context_.empty_mounts = Workers::kEmptyMounts;
    if (choice.systemd_cgroup) context_.cgroup_manager = cgroup::ManagerKind::kSystemd;
  }

  Result<pid_t> create(const std::string& id, const Make& make) override {
    pid_t pid = 0;
    TRY(runtime::create(context_, create_options(id, make, &pid)));
    return pid;
  }
  Status start(const std::string& id) override { return runtime::start(context_, id); }
  Result<std::optional<runtime::Starting>> prepare_start(const std::string& id) override {
    return runtime::Starting::prepare(context_, id);
  }

  Result<pid_t> exec(const std::string& id, const std::string& spec, bool terminal) override {
    Fd file(::memfd_create("process.json", MFD_CLOEXEC));
    if (!file) return fail_errno(errno, "make a file for the process");
    TRY(write_all(file, spec));
    pid_t pid = 0;
    runtime::ExecOptions options;
    options.id = id;
    options.process_file = proc_fd_path(file);
    options.detach = true;
    options.pid = &pid;
    if (terminal) options.console = Workers::kConsole;
    TRY(runtime::exec(context_, options));
    return pid;
  }

  Status kill(const std::string& id, int signal, bool all) override {
    return runtime::kill(context_, id, signal, all);
  }
  Status remove(const std::string& id) override { return runtime::remove(context_, id, true); }
  Status pause(const std::string& id) override { return runtime::pause(context_, id); }
  Status resume(const std::string& id) override { return runtime::resume(context_, id); }

  Status update(const std::string& id, const std::string& resources) override {
    TRY_ASSIGN(oci::Resources parsed, oci::parse_resources(resources));
    return runtime::update(context_, id, parsed);
  }

  Status checkpoint(const std::string& id, const rpc::runc::CheckpointOptions& options,
                    const std::string& image, const std::string& work) override {
    runtime::CheckpointOptions how;
    how.image_path = image;
    how.work_path = work;
    how.leave_running = !options.exit;
    how.tcp_established = options.open_tcp;
    how.ext_unix_sk = options.external_unix_sockets;
    how.shell_job = options.terminal;
    how.file_locks = options.file_locks;
    how.empty_ns = options.empty_namespaces;
    how.cgroups_mode = options.cgroups_mode;
    how.parent_path = options.parent_path;
    return runtime::checkpoint(context_, id, how);
  }

  Result<pid_t> restore(const std::string& id, const Restore& restore) override {
    pid_t pid = 0;
    runtime::CheckpointOptions how;
    how.image_path = restore.image;
    how.work_path = restore.work;
    how.parent_path = restore.parent;
    how.create = create_options(id, restore.make, &pid);
    how.create.detach = true;
    TRY(runtime::restore(context_, how));
    return pid;
  }

 private:
  runtime::Context context_;
};

}  // namespace

std::unique_ptr<OciRuntime> make_own_runtime(const RuntimeChoice& choice) {
  return std::make_unique<OwnRuntime>(choice);
}

}  // namespace dhow::shim
