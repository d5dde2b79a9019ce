// SPDX-License-Identifier: Apache-2.0
#include "daemon/daemon_fixture.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base/strings.h"
#include "support/dhowd.h"
#include "sys/file_io.h"
#include "sys/process.h"
#include "sys/unix_socket.h"

namespace dhow::daemon_test {
namespace fs = std::filesystem;
namespace {

constexpr uid_t kNobody = 65534;
constexpr int kClientTimeout = 60'000;  // milliseconds; nothing here takes a second

std::string needed(const char* name) {
  const char* value = ::getenv(name);
  EXPECT_NE(value, nullptr) << name << " is not set";
  return value == nullptr ? std::string() : value;
}

// In a child: has the subordinate ids that the folder's file `ids` gives.
bool take_ids(const fs::path& folder) {
  std::string ids = folder / "ids";
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount(ids.c_str(), "/etc/subuid", nullptr, MS_BIND, nullptr) == 0 &&
         ::mount(ids.c_str(), "/etc/subgid", nullptr, MS_BIND, nullptr) == 0;
}

// In a child with a mount namespace of its own.
bool open_tun() {
  constexpr unsigned kTunMajor = 10;
  constexpr unsigned kTunMinor = 200;
  return ::mount("tmpfs", "/dev/net", "tmpfs", 0, nullptr) == 0 &&
         ::mknod("/dev/net/tun", S_IFCHR, makedev(kTunMajor, kTunMinor)) == 0 &&
         ::chmod("/dev/net/tun", 0666) == 0;
}

// In a child: becomes an ordinary user.
bool become_nobody() {
  return ::setgroups(0, nullptr) == 0 && ::setresgid(kNobody, kNobody, kNobody) == 0 &&
         ::setresuid(kNobody, kNobody, kNobody) == 0;
}

// In a child.
bool enter_network(const char* path) {
  int space = ::open(path, O_RDONLY | O_CLOEXEC);
  return space >= 0 && ::setns(space, CLONE_NEWNET) == 0;
}

std::string docker_program() {
  for (const char* path : {"/usr/local/bin/docker", "/usr/bin/docker"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  return {};
}

}  // namespace

void DaemonTest::SetUp() {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  if (docker_program().empty()) GTEST_SKIP() << "docker's command line is not installed";
  // Not on tmpfs of /tmp: overlayfs wants attributes there that it may not have.
  std::string pattern = "/dev/shm/dhow-daemon.XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  folder_ = pattern;
  fs::permissions(folder_, fs::perms(0711));
  std::ofstream file(folder_ / "dhowd.toml");
  file << "shim = \"" << program("DHOW_SHIM") << "\"\nbuiltin-images = \"" << program("DHOW_IMAGES")
       << "\"\nlog-level = \"debug\"\n"
       << settings_;
  if (!is_rootless_) file << "cgroup-parent = \"/" << folder_.filename().string() << "\"\n";
  file.close();
  if (!subordinate_ids_.empty()) std::ofstream(folder_ / "ids") << subordinate_ids_;
  if (is_rootless_) {
    ASSERT_EQ(::chown(folder_.c_str(), kNobody, kNobody), 0);
    // Looked for beside dhowd.
    fs::copy(fs::path(needed("DHOWD")).parent_path() / "dhow-net",
             fs::path(program("DHOWD")).parent_path() / "dhow-net");
  }
  ASSERT_NO_FATAL_FAILURE(start_daemon());
}

std::string DaemonTest::program(const char* variable) {
  fs::path path = needed(variable);
  if (!is_rootless_) return path;
  fs::path copy = folder_ / "programs" / path.filename();
  if (!fs::exists(copy)) {
    fs::create_directories(copy.parent_path());
    fs::copy(path, copy, fs::copy_options::recursive);
  }
  return copy;
}

void DaemonTest::TearDown() {
  if (folder_.empty()) return;
  if (pid_ == 0) start_daemon();
  std::string all = docker({"ps", "-aq"}).output;
  std::vector<std::string> remove = {"rm", "-f"};
  for (std::string_view id : split(trim(all), '\n')) {
    if (!id.empty()) remove.emplace_back(id);
  }
  if (remove.size() > 2) {
    SpawnOutput removed = docker(std::move(remove));
    EXPECT_EQ(removed.exit_code, 0) << removed.error_text;
  }
  if (pid_ != 0) {
    EXPECT_EQ(stop_daemon(SIGTERM), 0);
  }
  if (HasFailure()) {
    std::ifstream log(folder_ / "dhowd.log");
    std::string text((std::istreambuf_iterator<char>(log)), {});
    std::printf("--- dhowd.log\n%s\n",
                text.substr(text.size() > 8192 ? text.size() - 8192 : 0).c_str());
  }
  // The parent of its containers' cgroups, in each hierarchy, is empty by now.
  auto removed = testing_support::remove_cgroups(folder_.filename());
  EXPECT_TRUE(removed.has_value()) << removed.error().message();
  fs::remove_all(folder_);
}

void DaemonTest::start_daemon(std::vector<std::string> more) {
  testing_support::DhowdStart start{
      .program = program("DHOWD"), .folder = folder_, .more = std::move(more)};
  // Of our own process: the child may have closed or replaced what it has of it.
  std::string space = network_ ? cat("/proc/", ::getpid(), "/fd/", network_.get()) : "";
  start.before_exec = [this, space] {
    return (space.empty() || enter_network(space.c_str())) &&
           (subordinate_ids_.empty() || take_ids(folder_)) &&
           (!is_rootless_ || !has_tun_ || subordinate_ids_.empty() || open_tun()) &&
           (path_.empty() || ::setenv("PATH", path_.c_str(), 1) == 0) &&
           (!is_rootless_ || become_nobody());
  };
  auto started = testing_support::spawn_dhowd(start);
  ASSERT_TRUE(started.has_value()) << started.error().message();
  pid_ = started->pid;
  char byte = 0;
  if (::read(started->ready.get(), &byte, 1) != 1) {
    await_daemon();
    std::ifstream text(folder_ / "dhowd.log");
    FAIL() << "dhowd did not start: " << std::string((std::istreambuf_iterator<char>(text)), {});
  }
}

int DaemonTest::await_daemon() {
  auto status = wait_for(std::exchange(pid_, 0));
  return status ? exit_code_from_wait_status(*status) : -1;
}

int DaemonTest::stop_daemon(int signal) {
  ::kill(pid_, signal);
  return await_daemon();
}

SpawnOutput DaemonTest::docker(std::vector<std::string> arguments, std::string_view input) {
  return client(docker_program(), std::move(arguments), input);
}

SpawnOutput DaemonTest::client(const std::string& path, std::vector<std::string> arguments,
                               std::string_view input) {
  SpawnOptions options;
  options.path = path;
  options.arguments = std::move(arguments);
  options.arguments.insert(options.arguments.begin(), path.substr(path.rfind('/') + 1));
  options.environment = std::vector<std::string>{
      cat("DOCKER_HOST=unix://", socket()), cat("DOCKER_CONFIG=", (folder_ / "client").string()),
      "PATH=/usr/bin:/bin", "HOME=/nonexistent"};
  options.input = input;
  options.timeout_ms = kClientTimeout;
  std::string line = join(options.arguments, " ");
  auto output = spawn_and_wait(options);
  EXPECT_TRUE(output.has_value()) << line << ": " << output.error().message();
  if (!output) return {};
  EXPECT_FALSE(output->timed_out) << line;
  return std::move(*output);
}

std::string DaemonTest::docker_output(std::vector<std::string> arguments, std::string_view input) {
  std::string line = join(arguments, " ");
  SpawnOutput result = docker(std::move(arguments), input);
  EXPECT_EQ(result.exit_code, 0) << line << ": " << result.error_text;
  return std::string(trim(result.output));
}

SpawnOutput DaemonTest::run(std::vector<std::string> arguments, std::string_view input) {
  arguments.insert(arguments.begin(), {"run", "--network", "none"});
  return docker(std::move(arguments), input);
}

std::string DaemonTest::start_sleeper(const std::string& name, std::vector<std::string> flags) {
  flags.insert(flags.begin(), {"-d", "--name", name});
  flags.insert(flags.end(), {"busybox", "sleep", "1000"});
  SpawnOutput started = run(std::move(flags));
  EXPECT_EQ(started.exit_code, 0) << started.error_text;
  return std::string(trim(started.output));
}

void DaemonTest::configure(std::string_view lines) {
  EXPECT_EQ(stop_daemon(SIGTERM), 0);
  std::ofstream(folder_ / "dhowd.toml", std::ios::app) << lines;
  ASSERT_NO_FATAL_FAILURE(start_daemon());
}

void DaemonTest::load_busybox() {
  docker_output({"load", "-i", needed("DHOW_IMAGES") + "/busybox.tar"});
  if (docker({"image", "inspect", "busybox"}).exit_code != 0) {
    std::string id = docker_output({"images", "-q"});
    docker_output({"tag", id, "busybox"});
  }
}

void BusyboxTest::SetUp() {
  DaemonTest::SetUp();
  if (!IsSkipped() && !HasFatalFailure()) load_busybox();
}

void BusyboxTest::write(const std::string& name, std::string_view text) {
  fs::create_directories((folder_ / name).parent_path());
  std::ofstream(folder_ / name) << text;
}

Fd DaemonTest::connect() {
  auto connected = connect_unix(kCwd, socket(), SOCK_STREAM);
  EXPECT_TRUE(connected.has_value()) << connected.error().message();
  return connected ? std::move(*connected) : Fd();
}

std::string DaemonTest::http(const std::string& request) {
  Fd connection = connect();
  EXPECT_TRUE(send_message(connection, request).has_value());
  auto answer = read_all(connection);
  return answer ? *answer : answer.error().message();
}

}  // namespace dhow::daemon_test
