// SPDX-License-Identifier: Apache-2.0
// Every step of create, run, start, exec and delete fails once, and every process of theirs dies at
// each of its steps. What failed says why and leaves nothing; after the death of the runtime itself
// `delete --force` cleans up. The steps are the system calls of a run that went well.
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/support/bundle.h"
#include "e2e/support/injector.h"

namespace dhow::e2e {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMarker = "DHOW_FAULT";
constexpr int kMostFailures = 20;  // then a test gives up

// Kinds of system calls, each a shard of the tests, with the errors that they plausibly have.
struct Calls {
  const char* name;
  std::vector<long> numbers;
  std::vector<int> errors;
};

const std::vector<Calls>& kinds() {
  static const std::vector<Calls> list = {
      {"Mounts",
       {SYS_mount, SYS_umount2, SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsconfig,
        SYS_fsmount, SYS_fspick, SYS_mount_setattr, SYS_pivot_root, SYS_chroot},
       {ENOMEM, EPERM, ENOSPC}},
      {"Opens", {SYS_openat, SYS_openat2, SYS_memfd_create}, {EMFILE, EIO, ENOMEM}},
      {"Files",
       {SYS_mkdirat,  SYS_mknodat,  SYS_symlinkat, SYS_unlinkat,   SYS_renameat, SYS_renameat2,
#ifdef SYS_mkdir
        SYS_mkdir,    SYS_unlink,   SYS_rmdir,     SYS_rename,     SYS_mknod,    SYS_readlink,
        SYS_chmod,
#endif
        SYS_fchownat, SYS_fchmodat, SYS_fchmod,    SYS_readlinkat, SYS_fstatfs,  SYS_statx,
        SYS_chdir,    SYS_fchdir,   SYS_getcwd,    SYS_flock},
       {ENOSPC, EIO, EPERM}},
      {"Processes",
       {SYS_clone,       SYS_clone3,    SYS_unshare,     SYS_setns,      SYS_execve,
        SYS_execveat,    SYS_setsid,
#ifdef SYS_fork
        SYS_fork,        SYS_vfork,
#endif
        SYS_prctl,       SYS_capset,    SYS_setuid,      SYS_setgid,     SYS_setgroups,
        SYS_setresuid,   SYS_setresgid, SYS_seccomp,     SYS_prlimit64,  SYS_sched_setaffinity,
        SYS_keyctl,      SYS_kill,      SYS_sethostname, SYS_pidfd_open, SYS_pidfd_send_signal,
        SYS_pidfd_getfd, SYS_waitid},
       {ENOMEM, EPERM, EAGAIN}},
      {"Messages",
       {SYS_write, SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_sendmsg, SYS_recvmsg,
        SYS_sendto, SYS_recvfrom, SYS_signalfd4, SYS_fcntl},
       {EIO, ENOMEM, EPIPE}},
  };
  return list;
}

std::string fault_text(const Fault& fault) {
  std::string what =
      fault.kind == Fault::Kind::kKill ? "killed" : "errno " + std::to_string(fault.error);
  return "process " + std::to_string(fault.at.process) + ", step " +
         std::to_string(fault.at.index) + ", call " + std::to_string(fault.at.call) + ": " + what;
}

// A bundle with a state folder and a folder for the pid file of its own, in which one command at a
// time is run with a fault.
class Scene {
 public:
  explicit Scene(const Calls& calls) : calls_(calls), bundle_({"/bin/testbox", "wait"}) {
    static int count = 0;
    id_ = "fault-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
    bundle_.process()["env"].as_array().emplace_back(marker());
  }
  ~Scene() {
    clean();
    scrub();
  }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  Bundle& bundle() { return bundle_; }

  TracedRun traced(std::vector<std::string> arguments, const Fault& fault) const {
    TracedCommand command;
    command.arguments = {runtime_path(), "--root", state_root()};
    command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
    command.calls = calls_.numbers;
    command.environment[kMarker] = id_;
    command.output = folder_.path() + "/output";
    return run_traced(command, fault);
  }
  Outcome plain(std::vector<std::string> arguments) const {
    CommandOptions options;
    options.environment[kMarker] = id_;
    // A container keeps the streams that it is given.
    std::vector<std::string> line{"/bin/sh",
                                  "-c",
                                  "exec \"$@\" </dev/null >/dev/null 2>\"$0\"",
                                  folder_.path() + "/output",
                                  runtime_path(),
                                  "--root",
                                  state_root()};
    line.insert(line.end(), arguments.begin(), arguments.end());
    Outcome outcome = run_command(line, options);
    outcome.err = read_text(folder_.path() + "/output");
    return outcome;
  }

  std::vector<std::string> create_line(const char* command) const {
    return {command, "--bundle", bundle_.path(), "--pid-file", pid_folder() + "/pid", id_};
  }
  const std::string& id() const { return id_; }
  std::string marker() const { return std::string(kMarker) + "=" + id_; }

  // Nothing of the container is on the host. What the kernel takes down by itself may take a
  // moment; files may not.
  void expect_nothing(bool runtime_died) const {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(state_root(), error)) {
      ADD_FAILURE() << "left in the state folder: " << entry.path();
    }
    for (const auto& entry : fs::directory_iterator(pid_folder())) {
      // What a killed runtime was writing is replaced by the next one.
      if (runtime_died) continue;
      ADD_FAILURE() << "left beside the pid file: " << entry.path();
    }
    for (const auto& entry : fs::directory_iterator(bundle_.path())) {
      std::string name = entry.path().filename();
      EXPECT_TRUE(name == "config.json" || name == "rootfs") << "left in the bundle: " << name;
    }
    EXPECT_TRUE(eventually([&] { return processes().empty(); })) << "a process is left";
    EXPECT_TRUE(eventually([&] { return cgroup_folders_with(id_).empty(); }))
        << "a cgroup is left: " << cgroup_folders_with(id_).front();
    for (const std::string& part : {bundle_.path(), folder_.path(), id_}) {
      for (const std::string& mount : mounts_with(part)) ADD_FAILURE() << "left: " << mount;
    }
  }

  // delete --force, which must work whatever came before.
  void clean() const {
    Outcome outcome = plain({"delete", "--force", id_});
    EXPECT_EQ(outcome.code, 0) << "delete --force: " << outcome.err;
    for (const char* name : {"/pid", "/.pid"}) fs::remove(pid_folder() + name);
  }

  // What a fault in the runtime has left, so that the next step and the next test find nothing.
  void scrub() const {
    for (pid_t pid : processes()) ::kill(pid, SIGKILL);
    std::ignore = eventually([&] { return processes().empty(); });
    std::error_code error;
    for (const std::string& folder : cgroup_folders_with(id_)) fs::remove(folder, error);
    fs::remove_all(state_root(), error);
  }

  // The orphans of the runtime are this program's to reap.
  std::vector<pid_t> processes() const {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    std::vector<pid_t> found;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      std::string environment = read_text(entry.path().string() + "/environ");
      if (environment.find(marker()) != std::string::npos) found.push_back(std::stoi(name));
    }
    return found;
  }

  std::string state_root() const { return folder_.path() + "/state"; }
  std::string pid_folder() const { return pids_.path(); }

 private:
  const Calls& calls_;
  TempDir folder_;
  TempDir pids_;
  Bundle bundle_;
  std::string id_;
};

// The faults of a command whose good run had these steps: each step fails once and is once the last
// of its process. Where it would take too long it is a sample of the steps.
std::vector<Fault> faults_of(const TracedRun& good, const Calls& calls) {
  std::vector<Fault> faults;
  auto stride = static_cast<std::size_t>(100 / repetitions(100));
  for (std::size_t i = 0; i < good.steps.size(); i += stride) {
    faults.push_back({Fault::Kind::kError, good.steps[i], calls.errors[i % calls.errors.size()]});
    faults.push_back({Fault::Kind::kKill, good.steps[i], 0});
  }
  return faults;
}

void expect_sound(const TracedRun& run) {
  EXPECT_FALSE(run.hung) << "it hung";
  if (run.code != 0 && run.code != 128 + SIGKILL) {
    EXPECT_FALSE(run.err.empty()) << "a failure without a word";
  }
}

// After a failure: cleans up, and tells when it is enough.
bool give_up(const Scene& scene) {
  if (!testing::Test::HasFailure()) return false;
  scene.scrub();
  const testing::TestInfo* info = testing::UnitTest::GetInstance()->current_test_info();
  return info->result()->total_part_count() > kMostFailures;
}

class FaultTest : public testing::TestWithParam<int> {
 protected:
  static const Calls& calls() { return kinds()[static_cast<std::size_t>(GetParam())]; }
};

// `command` makes a container. Where it fails nothing is left without any further help, unless it
// was killed itself.
void attack_making(Scene& scene, const Calls& calls, const char* command) {
  scene.bundle().write();
  std::vector<std::string> line = scene.create_line(command);
  ASSERT_EQ(scene.plain(line).code, 0);
  scene.clean();
  TracedRun good = scene.traced(line, {});
  ASSERT_EQ(good.code, 0) << good.err;
  scene.clean();
  scene.expect_nothing(false);
  EXPECT_FALSE(good.steps.empty());
  testing::Test::RecordProperty("steps", static_cast<int>(good.steps.size()));
  for (const Fault& fault : faults_of(good, calls)) {
    SCOPED_TRACE(fault_text(fault));
    TracedRun run = scene.traced(line, fault);
    expect_sound(run);
    bool died = run.code == 128 + SIGKILL;
    // What failed has to have cleaned up by itself; the rest is for delete.
    if (run.code == 0 || died) scene.clean();
    scene.expect_nothing(died);
    if (give_up(scene)) return;
  }
}

TEST_P(FaultTest, Create) {
  Scene scene(calls());
  attack_making(scene, calls(), "create");
}

// A container with more to it: a user namespace, hooks, binds, limits, a seccomp filter.
TEST_P(FaultTest, Run) {
  Scene scene(calls());
  Bundle& bundle = scene.bundle();
  bundle.set_args({"/bin/testbox", "true"});
  bundle.use_user_namespace(300000);
  bundle.add_hook("createRuntime", {bundle.rootfs() + "/bin/true"});
  bundle.add_mount("/mnt", "bind", "/etc", "rbind,ro");
  bundle.add_mount("/var", "tmpfs", "tmpfs", "tmpcopyup");
  bundle.resources()["pids"] = json::object{{"limit", 20}};
  bundle.linux()["seccomp"] = json::object{
      {"defaultAction", "SCMP_ACT_ALLOW"},
      {"syscalls",
       json::array{json::object{{"names", json::array{"swapon"}}, {"action", "SCMP_ACT_ERRNO"}}}}};
  attack_making(scene, calls(), "run");
}

// `command` acts on a container that `make` brings about before each fault. Whatever happens to the
// command, delete still takes everything away.
void attack_using(Scene& scene, const Calls& calls, const std::vector<std::string>& command,
                  const std::function<void()>& make, const std::function<void()>& check) {
  make();
  TracedRun good = scene.traced(command, {});
  ASSERT_EQ(good.code, 0) << good.err;
  check();
  for (const Fault& fault : faults_of(good, calls)) {
    SCOPED_TRACE(fault_text(fault));
    make();
    expect_sound(scene.traced(command, fault));
    check();
    if (give_up(scene)) return;
  }
  scene.clean();
  scene.expect_nothing(false);
}

// The same, for a command that acts on a container that was created.
void attack_created(Scene& scene, const Calls& calls, const std::vector<std::string>& command) {
  scene.bundle().write();
  auto make = [&] { ASSERT_EQ(scene.plain(scene.create_line("create")).code, 0); };
  auto check = [&] {
    scene.clean();
    scene.expect_nothing(false);
  };
  attack_using(scene, calls, command, make, check);
}

TEST_P(FaultTest, Start) {
  Scene scene(calls());
  attack_created(scene, calls(), {"start", scene.id()});
}

TEST_P(FaultTest, Delete) {
  Scene scene(calls());
  attack_created(scene, calls(), {"delete", "--force", scene.id()});
}

// How many children this program has, the dying ones among them.
long own_children() {
  std::string path = "/proc/self/task/" + std::to_string(::getpid()) + "/children";
  std::string children = read_text(path);  // "1 2 3 "
  return std::count(children.begin(), children.end(), ' ');
}

// The container lives on, and has no process more than before.
TEST_P(FaultTest, Exec) {
  Scene scene(calls());
  scene.bundle().write();
  ASSERT_EQ(scene.plain(scene.create_line("create")).code, 0);
  ASSERT_EQ(scene.plain({"start", scene.id()}).code, 0);
  fs::remove(scene.pid_folder() + "/pid");
  auto check = [&] {
    // Not reaped, it would keep the container's init from ending (zap_pid_ns_processes).
    auto only_init = [&] { return scene.processes().size() == 1 && own_children() <= 1; };
    EXPECT_TRUE(eventually(only_init)) << "a process is left";
    Outcome state =
        run_command({runtime_path(), "--root", scene.state_root(), "state", scene.id()});
    EXPECT_THAT(state.out, testing::HasSubstr("\"running\""));
    for (const char* name : {"/pid", "/.pid"}) fs::remove(scene.pid_folder() + name);
  };
  attack_using(
      scene, calls(),
      {"exec", "--pid-file", scene.pid_folder() + "/pid", "--env", scene.marker(), scene.id(),
       "/bin/testbox", "true"},
      [] {}, check);
}

INSTANTIATE_TEST_SUITE_P(Kinds, FaultTest, testing::Range(0, static_cast<int>(kinds().size())),
                         [](const auto& kind) {
                           return kinds()[static_cast<std::size_t>(kind.param)].name;
                         });

}  // namespace
}  // namespace dhow::e2e
