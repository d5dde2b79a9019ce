// SPDX-License-Identifier: Apache-2.0
#include "crash/daemon.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <tuple>
#include <utility>

#include "base/strings.h"
#include "support/dhowd.h"
#include "sys/process.h"

namespace dhow::crash_test {
namespace fs = std::filesystem;
namespace {

constexpr int kStartTimeout = 60'000;  // milliseconds
constexpr std::size_t kLogEnd = 16384;

}  // namespace

std::string needed(const char* name) {
  const char* value = ::getenv(name);
  return value == nullptr ? std::string() : value;
}

Daemon::Daemon() {
  // Not on tmpfs of /tmp: overlayfs wants attributes there that it may not have.
  std::string pattern = "/dev/shm/dhow-crash.XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) std::abort();
  folder_ = pattern;
  fs::permissions(folder_, fs::perms(0711));
  std::ofstream file(folder_ / "dhowd.toml");
  file << "shim = \"" << needed("DHOW_SHIM") << "\"\nbuiltin-images = \"" << needed("DHOW_IMAGES")
       << "\"\ncgroup-parent = \"/" << cgroup() << "\"\nlog-level = \"info\"\n";
}

Daemon::~Daemon() {
  if (pid_ != 0) kill();
  std::ignore = testing_support::remove_cgroups(cgroup());
  std::error_code none;
  fs::remove_all(folder_, none);
}

Status Daemon::spawn() {
  TRY_ASSIGN(auto started,
             testing_support::spawn_dhowd({.program = needed("DHOWD"), .folder = folder_}));
  pid_ = started.pid;
  ready_ = std::move(started.ready);
  return {};
}

bool Daemon::await_ready() {
  struct pollfd state{ready_.get(), POLLIN, 0};
  if (::poll(&state, 1, kStartTimeout) != 1) return false;
  char byte = 0;
  return ::read(ready_.get(), &byte, 1) == 1;
}

Status Daemon::start() {
  TRY(spawn());
  if (await_ready()) return {};
  kill();
  return fail(Code::kUnavailable, cat("dhowd did not start: ", log_end()));
}

int Daemon::kill() {
  ::kill(pid_, SIGKILL);
  return wait_for(std::exchange(pid_, 0)).value_or(0);
}

int Daemon::stop() {
  ::kill(pid_, SIGTERM);
  auto status = wait_for(std::exchange(pid_, 0));
  return status ? exit_code_from_wait_status(*status) : -1;
}

std::string Daemon::log_end() const {
  std::ifstream file(folder_ / "dhowd.log");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  return text.substr(text.size() > kLogEnd ? text.size() - kLogEnd : 0);
}

}  // namespace dhow::crash_test
