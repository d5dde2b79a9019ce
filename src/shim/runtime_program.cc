// SPDX-License-Identifier: Apache-2.0
// Any OCI runtime with the command line of runc: runc, crun, runsc, dhow-runtime.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <tuple>

#include "base/cleanup.h"
#include "base/strings.h"
#include "oci/json_value.h"
#include "shim/oci_runtime.h"
#include "shim/worker.h"
#include "sys/file_io.h"
#include "sys/process.h"
#include "sys/random_name.h"
#include "sys/unix_socket.h"

namespace dhow::shim {
namespace {

// The last error of a log in JSON lines; runc and crun write the reason there.
std::string last_error(std::string_view log) {
  std::string found;
  for (std::string_view line : split(log, '\n')) {
    auto document = oci::JsonDocument::parse(line);
    if (!document) continue;
    auto level = document->root().find("level").as_string();
    auto message = document->root().find("msg").as_string();
    if (message && level && (*level == "error" || *level == "fatal")) found = *message;
  }
  return found;
}

// What containerd and docker look for in the texts of runtimes.
Code code_of(std::string_view message) {
  auto has = [&](std::string_view part) { return message.find(part) != std::string_view::npos; };
  if (has("does not exist")) return Code::kNotFound;
  if (has("already exists")) return Code::kAlreadyExists;
  if (has("not running") || has("not paused") || has("not pausable"))
    return Code::kFailedPrecondition;
  return Code::kUnknown;
}

class RuntimeProgram final : public OciRuntime {
 public:
  explicit RuntimeProgram(const RuntimeChoice& choice) : choice_(choice) {}

  Result<pid_t> create(const std::string& id, const Make& make) override {
    std::vector<std::string> arguments{"create", "--bundle", make.bundle};
    add_make_options(arguments, make);
    return make_process(std::move(arguments), id, make.terminal, {});
  }

  Status start(const std::string& id) override { return run({"start", id}); }

  Result<pid_t> exec(const std::string& id, const std::string& spec, bool terminal) override {
    TRY_ASSIGN(std::string name, temporary("process"));
    TRY_ASSIGN(Fd folder, open_at(kCwd, choice_.folder, O_RDONLY | O_DIRECTORY));
    TRY(replace_file(folder, name, spec, 0600));
    Cleanup remove([&] { std::ignore = ::unlinkat(folder.get(), name.c_str(), 0); });
    return make_process({"exec", "--detach", "--process", cat(choice_.folder, "/", name)}, id,
                        terminal, {});
  }

  Status kill(const std::string& id, int signal, bool all) override {
    std::vector<std::string> arguments{"kill"};
    if (all) arguments.emplace_back("--all");
    arguments.push_back(id);
    arguments.push_back(cat(signal));
    return run(std::move(arguments));
  }
  Status remove(const std::string& id) override {
    auto removed = run({"delete", "--force", id});
    if (!removed && removed.error().code() == Code::kNotFound) return {};
    return removed;
  }
  Status pause(const std::string& id) override { return run({"pause", id}); }
  Status resume(const std::string& id) override { return run({"resume", id}); }

  Status update(const std::string& id, const std::string& resources) override {
    TRY_ASSIGN(std::string name, temporary("resources"));
    TRY_ASSIGN(Fd folder, open_at(kCwd, choice_.folder, O_RDONLY | O_DIRECTORY));
    TRY(replace_file(folder, name, resources, 0600));
    Cleanup remove([&] { std::ignore = ::unlinkat(folder.get(), name.c_str(), 0); });
    return run({"update", "--resources", cat(choice_.folder, "/", name), id});
  }

  Status checkpoint(const std::string& id, const rpc::runc::CheckpointOptions& options,
                    const std::string& image, const std::string& work) override {
    std::vector<std::string> arguments{"checkpoint", "--image-path", image};
    if (!work.empty()) arguments.insert(arguments.end(), {"--work-path", work});
    if (!options.parent_path.empty()) {
      arguments.insert(arguments.end(), {"--parent-path", options.parent_path});
    }
    if (!options.exit) arguments.emplace_back("--leave-running");
    if (options.open_tcp) arguments.emplace_back("--tcp-established");
    if (options.external_unix_sockets) arguments.emplace_back("--ext-unix-sk");
    if (options.terminal) arguments.emplace_back("--shell-job");
    if (options.file_locks) arguments.emplace_back("--file-locks");
    if (!options.cgroups_mode.empty()) {
      arguments.insert(arguments.end(), {"--manage-cgroups-mode", options.cgroups_mode});
    }
    for (const std::string& name : options.empty_namespaces) {
      arguments.insert(arguments.end(), {"--empty-ns", name});
    }
    arguments.push_back(id);
    return run(std::move(arguments));
  }

  Result<pid_t> restore(const std::string& id, const Restore& restore) override {
    std::vector<std::string> arguments{"restore",           "--detach",     "--bundle",
                                       restore.make.bundle, "--image-path", restore.image};
    if (!restore.work.empty()) arguments.insert(arguments.end(), {"--work-path", restore.work});
    add_make_options(arguments, restore.make);
    return make_process(std::move(arguments), id, restore.make.terminal, {});
  }

 private:
  static void add_make_options(std::vector<std::string>& arguments, const Make& make) {
    if (make.no_pivot) arguments.emplace_back("--no-pivot");
    if (make.no_new_keyring) arguments.emplace_back("--no-new-keyring");
  }

  Result<std::string> temporary(std::string_view what) const {
    TRY_ASSIGN(std::string name, random_name());
    return cat(".", what, "-", name.substr(0, 12));
  }

  // A command that makes a process: its pid comes in a file, and a terminal over a socket.
  Result<pid_t> make_process(std::vector<std::string> arguments, const std::string& id,
                             bool terminal, const std::vector<std::string>& rest) {
    TRY_ASSIGN(Fd folder, open_at(kCwd, choice_.folder, O_RDONLY | O_DIRECTORY));
    TRY_ASSIGN(std::string pid_name, temporary("pid"));
    TRY_ASSIGN(std::string console_name, temporary("tty"));
    Cleanup remove([&] {
      std::ignore = ::unlinkat(folder.get(), pid_name.c_str(), 0);
      if (terminal) std::ignore = ::unlinkat(folder.get(), console_name.c_str(), 0);
    });
    Fd listener;
    if (terminal) {
      TRY_ASSIGN(listener, listen_unix(folder, console_name, SOCK_STREAM, 0600));
      arguments.insert(arguments.end(),
                       {"--console-socket", cat(choice_.folder, "/", console_name)});
    }
    arguments.insert(arguments.end(), {"--pid-file", cat(choice_.folder, "/", pid_name), id});
    arguments.insert(arguments.end(), rest.begin(), rest.end());
    TRY(run(std::move(arguments)));
    if (terminal) TRY(pass_terminal_on(listener));
    TRY_ASSIGN(std::string text, read_file(folder, pid_name));
    auto pid = parse_number<pid_t>(trim(text));
    if (!pid || *pid <= 0) return fail(Code::kInternal, cat(choice_.program, ": no pid came"));
    return *pid;
  }

  // The runtime has ended, so its connection is there or never comes.
  static Status pass_terminal_on(const Fd& listener) {
    if (::fcntl(listener.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno(errno, "fcntl");
    Fd connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection) return fail_errno(errno, "console: no terminal came");
    TRY_ASSIGN(Message message, receive_message(connection, 4096));
    if (message.fds.empty()) return fail(Code::kInternal, "console: no terminal came");
    return send_message(FdRef(Workers::kConsole), "/dev/ptmx", {message.fds[0]});
  }

  [[noreturn]] void execute(const std::vector<std::string>& arguments,
                            const std::string& log) const {
    std::vector<std::string> texts{choice_.program, "--root", choice_.root, "--log", log,
                                   "--log-format",  "json"};
    if (choice_.systemd_cgroup) texts.emplace_back("--systemd-cgroup");
    texts.insert(texts.end(), arguments.begin(), arguments.end());
    std::vector<char*> pointers;
    for (std::string& text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    ::execvp(pointers[0], pointers.data());
    ::_exit(127);
  }

  // Runs one command, with the standard streams of the worker.
  Status run(std::vector<std::string> arguments) {
    TRY_ASSIGN(std::string name, temporary("log"));
    std::string log = cat(choice_.folder, "/", name);
    Cleanup remove([&] { std::ignore = ::unlink(log.c_str()); });
    TRY(make_dirs(choice_.root, 0711));
    pid_t pid = ::fork();
    if (pid < 0) return fail_errno(errno, "fork");
    if (pid == 0) execute(arguments, log);
    TRY_ASSIGN(int status, wait_for(pid));
    int code = exit_code_from_wait_status(status);
    if (code == 0) return {};
    if (code == 127) {
      return fail(Code::kNotFound, cat("OCI runtime ", quoted(choice_.program), ": not found"));
    }
    std::string reason = last_error(read_file(log).value_or(""));
    if (reason.empty()) reason = cat("exit status ", code);
    return fail(code_of(reason), cat("OCI runtime ", arguments[0], " failed: ", reason));
  }

  RuntimeChoice choice_;
};

}  // namespace

std::unique_ptr<OciRuntime> make_runtime_program(const RuntimeChoice& choice) {
  return std::make_unique<RuntimeProgram>(choice);
}

}  // namespace dhow::shim
