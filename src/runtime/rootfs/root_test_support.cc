// SPDX-License-Identifier: Apache-2.0
#include "runtime/rootfs/root_test_support.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

#include "base/strings.h"
#include "runtime/rootfs/empty_namespace.h"
#include "sys/file_io.h"
#include "sys/process.h"
#include "sys/unix_socket.h"

namespace dhow::rootfs {
namespace {

constexpr const char* kWork = "/run/rootfs-test";
const char* g_reason = nullptr;
int g_bundles = 0;

class PrivateMounts : public ::testing::Environment {
 public:
  void SetUp() override {
    if (::geteuid() != 0) {
      g_reason = "needs root: mounts are made";
    } else if (::unshare(CLONE_NEWNS) != 0) {
      g_reason = "needs CAP_SYS_ADMIN: no mount namespace can be made";
    } else if (::mount(nullptr, "/", nullptr, MS_PRIVATE | MS_REC, nullptr) != 0 ||
               ::mount("tmpfs", "/run", "tmpfs", 0, "mode=755") != 0 || ::mkdir(kWork, 0755) != 0) {
      g_reason = "no private /run can be mounted";
    }
    // Its pin is a mount too: made now, it is no difference between before and after a test.
    if (g_reason == nullptr) std::ignore = empty_mount_namespace();
  }
};

[[maybe_unused]] const auto* const g_environment =
    ::testing::AddGlobalTestEnvironment(new PrivateMounts);

std::string report_of(int socket) {
  std::string text;
  char buffer[4096];
  ssize_t size = 0;
  while ((size = ::read(socket, buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<std::size_t>(size));
  }
  return text;
}

std::string build_all(Container& container, Rootfs& rootfs) {
  if (auto status = rootfs.build(); !status) return "error: " + status.error().message();
  if (container.before_switch) {
    std::string text = container.before_switch(rootfs);
    if (!text.empty()) return text;
  }
  for (auto step : {&Rootfs::switch_root, &Rootfs::remount_root_readonly,
                    &Rootfs::apply_readonly_paths, &Rootfs::apply_masked_paths}) {
    if (auto status = (rootfs.*step)(); !status) return "error: " + status.error().message();
  }
  return {};
}

struct Started {
  pid_t pid = -1;
  int socket = -1;
  std::string error;
};

void map_ids(const Container& container, pid_t pid) {
  std::string map = "0 100000 65536\n";
  if (container.single_user != 0) {
    map = cat("0 ", container.single_user, " 1\n");
    // What the kernel asks of who isn't privileged over the parent namespace.
    write_text(cat("/proc/", pid, "/setgroups"), "deny");
  }
  for (const char* name : {"uid_map", "gid_map"}) write_text(cat("/proc/", pid, "/", name), map);
}

std::uint64_t clone_flags(const Container& container) {
  std::uint64_t flags = CLONE_NEWIPC;
  if (container.options.mode != SwitchMode::kChroot) flags |= CLONE_NEWNS;
  if (container.pid_ns) flags |= CLONE_NEWPID;
  if (container.userns) flags |= CLONE_NEWUSER;
  if (container.network_ns) flags |= CLONE_NEWNET;
  if (container.cgroup_ns) flags |= CLONE_NEWCGROUP;
  return flags;
}

[[noreturn]] void run_child(Container& container, Rootfs& rootfs, int socket, bool stay) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  char byte = 0;
  std::string text;
  if (::read(socket, &byte, 1) != 1) ::_exit(1);
  if (container.userns && (::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0)) {
    text = "no root in the user namespace";
  }
  // The change of ids gave the files of /proc/self to an owner that isn't mapped.
  ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  if (text.empty()) text = build_all(container, rootfs);
  if (text.empty() && container.check) text = container.check(rootfs);
  std::ignore = write_all(FdRef(socket), text);
  ::shutdown(socket, SHUT_WR);
  if (stay) std::ignore = ::read(socket, &byte, 1);
  ::_exit(0);
}

Result<MountNamespaceSwitch> go_where_nothing_is() {
  TRY_ASSIGN(std::optional<Fd> empty, empty_mount_namespace());
  if (!empty) return fail(Code::kUnavailable, "no empty mount namespace");
  return MountNamespaceSwitch::enter(*empty);
}

// Clones as the runtime does. The child reports its text, and then waits for the socket to close.
Started start(Container& container, bool stay) {
  Started started;
  container.options.has_userns = container.userns;
  container.options.has_cgroup_ns = container.cgroup_ns;
  container.options.has_network_ns = container.network_ns;
  container.config.linux.namespaces.clear();
  auto has = [&](bool wanted, oci::NamespaceType type) {
    if (wanted) container.config.linux.namespaces.push_back({type, ""});
  };
  has(container.userns, oci::NamespaceType::kUser);
  has(container.network_ns, oci::NamespaceType::kNetwork);
  has(container.pid_ns, oci::NamespaceType::kPid);
  auto rootfs = prepare(container.config, container.options);
  if (!rootfs) {
    started.error = "prepare: " + rootfs.error().message();
    return started;
  }
  auto sockets = make_socket_pair(SOCK_STREAM);
  CloneOptions clone;
  clone.want_pidfd = false;
  clone.flags = clone_flags(container);
  std::optional<MountNamespaceSwitch> away;
  if (container.options.mode == SwitchMode::kOnEmptyRoot) {
    auto entered = go_where_nothing_is();
    if (!entered) {
      started.error = entered.error().message();
      return started;
    }
    away.emplace(std::move(*entered));
  }
  auto child = clone_process(clone);
  if (child && child->pid == 0) {
    if (away) away->dismiss();
    sockets->first.reset();
    run_child(container, **rootfs, sockets->second.get(), stay);
  }
  if (away) {
    if (auto left = away->leave(); !left) started.error = left.error().message();
  }
  if (!child) {
    started.error = child.error().message();
    return started;
  }
  started.pid = child->pid;
  if (container.userns) map_ids(container, started.pid);
  sockets->second.reset();
  started.socket = sockets->first.release();
  char byte = 1;
  if (::write(started.socket, &byte, 1) != 1) started.error = "the child is gone";
  return started;
}

std::string finish(const Started& started) {
  if (started.pid < 0) return started.error;
  std::string text = report_of(started.socket);
  ::close(started.socket);
  auto status = wait_for(started.pid);
  if (!started.error.empty()) return started.error;
  if (!status || *status != 0) return cat("child ended with ", status ? *status : -1, " ", text);
  return text;
}

// The runtime of an unprivileged user is a process without any capability. It can
// map itself as the only user.
std::string run_rootless(Container& container) {
  container.userns = true;
  auto sockets = make_socket_pair(SOCK_STREAM);
  pid_t runtime = ::fork();
  if (runtime == 0) {
    sockets->first.reset();
    unsigned user = container.single_user;
    std::string text = "no unprivileged user";
    if (::setgroups(0, nullptr) == 0 && ::setresgid(user, user, user) == 0 &&
        ::setresuid(user, user, user) == 0) {
      ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
      text = finish(start(container, false));
    }
    std::ignore = write_all(sockets->second, text);
    ::_exit(0);
  }
  sockets->second.reset();
  std::string text = report_of(sockets->first.get());
  std::ignore = wait_for(runtime);
  return text;
}

}  // namespace

const char* why_not_root() { return g_reason; }

std::string make_bundle() {
  std::string path = cat(kWork, "/", ++g_bundles);
  make_path(path + "/rootfs");
  return path;
}

void make_path(const std::string& path) {
  auto made = make_dirs(path, 0755);
  ASSERT_TRUE(made) << made.error().message();
}

void write_text(const std::string& path, const std::string& text) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  ASSERT_GE(fd, 0) << path;
  EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size())) << path;
  ::close(fd);
}

std::string read_text(const std::string& path) {
  auto text = read_file(path);
  return text ? *text : "";
}

std::string mountinfo() { return read_text("/proc/self/mountinfo"); }

oci::Mount mount_of(std::string destination, std::string type, std::string source,
                    std::vector<std::string> options) {
  oci::Mount mount;
  mount.destination = std::move(destination);
  mount.type = std::move(type);
  mount.source = std::move(source);
  mount.options = std::move(options);
  return mount;
}

std::vector<oci::Mount> default_mounts() {
  return {
      mount_of("/proc", "proc", "proc"),
      mount_of("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      mount_of("/dev/pts", "devpts", "devpts",
               {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
      mount_of("/dev/shm", "tmpfs", "shm",
               {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
      mount_of("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
      mount_of("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
  };
}

oci::Config default_config() {
  oci::Config config;
  config.root = oci::Root{"rootfs", false};
  config.mounts = default_mounts();
  return config;
}

Container make_container(SwitchMode mode) {
  Container container;
  container.config = default_config();
  container.options.bundle = make_bundle();
  container.options.mode = mode;
  return container;
}

std::string run(Container& container) {
  if (container.single_user != 0) return run_rootless(container);
  return finish(start(container, false));
}

Running::Running(Container& container) {
  Started started = start(container, true);
  pid_ = started.pid;
  socket_ = started.socket;
  error_ = started.error;
  if (error_.empty() && socket_ >= 0) error_ = report_of(socket_);
}

Running::~Running() {
  if (socket_ >= 0) ::close(socket_);
  if (pid_ > 0) std::ignore = wait_for(pid_);
}

std::string inside(pid_t pid, const std::function<std::string()>& body) {
  auto sockets = make_socket_pair(SOCK_STREAM);
  pid_t child = ::fork();
  if (child == 0) {
    sockets->first.reset();
    std::string text = "error: can't join";
    int user = ::open(cat("/proc/", pid, "/ns/user").c_str(), O_RDONLY | O_CLOEXEC);
    int mount = ::open(cat("/proc/", pid, "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC);
    std::ignore = ::setns(user, CLONE_NEWUSER);  // EINVAL when it is ours
    if (::setns(mount, CLONE_NEWNS) == 0) text = body();
    std::ignore = write_all(sockets->second, text);
    ::_exit(0);
  }
  sockets->second.reset();
  std::string text = report_of(sockets->first.get());
  std::ignore = wait_for(child);
  return text;
}

}  // namespace dhow::rootfs
