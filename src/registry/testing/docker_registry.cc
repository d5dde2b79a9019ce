// SPDX-License-Identifier: Apache-2.0
#include "registry/testing/docker_registry.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "base/strings.h"

namespace dhow::registry::testing {
namespace {

constexpr const char* kProgram = "/usr/bin/docker-registry";
constexpr std::chrono::seconds kLogTime{20};

void write_config(const DockerRegistry::Options& options, const std::string& path) {
  std::ofstream config(path);
  config << "version: 0.1\nlog:\n  level: info\n  formatter: json\nstorage:\n  filesystem:\n"
         << "    rootdirectory: " << options.folder << "/storage\n"
         << "http:\n  addr: 127.0.0.1:0\n  secret: of-no-consequence\n";
  if (!options.certificate.empty()) {
    config << "  tls:\n    certificate: " << options.certificate << "\n    key: " << options.key
           << "\n";
    if (!options.client_authority.empty()) {
      config << "    clientcas:\n      - " << options.client_authority << "\n";
    }
  }
  if (!options.auth.empty()) config << "auth:\n" << options.auth;
}

}  // namespace

std::string DockerRegistry::missing() {
  return ::access(kProgram, X_OK) == 0 ? ""
                                       : cat(kProgram, " is not there (package docker-registry)");
}

Result<std::unique_ptr<DockerRegistry>> DockerRegistry::start(const Options& options) {
  std::string config = options.folder + "/config.yml";
  write_config(options, config);
  TRY_ASSIGN(Pipe pipe, make_pipe());
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, pipe.write.get(), 1);
  ::posix_spawn_file_actions_adddup2(&actions, pipe.write.get(), 2);
  std::string serve = "serve";
  char* arguments[] = {const_cast<char*>(kProgram), serve.data(), config.data(), nullptr};
  char* environment[] = {nullptr};
  pid_t pid = -1;
  int failure = ::posix_spawn(&pid, kProgram, &actions, nullptr, arguments, environment);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) return fail_errno(failure, cat("start ", kProgram));
  std::unique_ptr<DockerRegistry> registry(new DockerRegistry(pid, std::move(pipe.read)));
  pipe.write.reset();
  TRY_ASSIGN(registry->port_, registry->read_port());
  // Its log goes on, and must not fill the pipe.
  registry->reader_ = std::thread([&self = *registry] { self.read_log(); });
  return registry;
}

// `... "msg":"listening on 127.0.0.1:43211"` or with `, tls` behind it.
Result<std::string> DockerRegistry::read_port() {
  constexpr std::string_view kMark = "listening on 127.0.0.1:";
  std::string log;
  for (;;) {
    char buffer[4096];
    ssize_t count = ::read(log_.get(), buffer, sizeof buffer);
    if (count <= 0) return fail(Code::kUnavailable, cat("start ", kProgram, ": ", log));
    log.append(buffer, static_cast<std::size_t>(count));
    auto begin = log.find(kMark);
    if (begin == std::string::npos) continue;
    begin += kMark.size();
    auto end = log.find_first_not_of("0123456789", begin);
    if (end != std::string::npos) return log.substr(begin, end - begin);
  }
}

void DockerRegistry::read_log() {
  char buffer[4096];
  ssize_t count = 0;
  while ((count = ::read(log_.get(), buffer, sizeof buffer)) > 0) {
    std::lock_guard lock(mutex_);
    text_.append(buffer, static_cast<std::size_t>(count));
    grown_.notify_all();
  }
}

std::size_t DockerRegistry::log_lines_with(std::string_view wanted, std::size_t at_least) const {
  std::unique_lock lock(mutex_);
  std::size_t found = 0;
  grown_.wait_for(lock, kLogTime, [&] {
    found = static_cast<std::size_t>(std::ranges::count_if(
        split(text_, '\n'), [&](std::string_view line) { return line.contains(wanted); }));
    return found >= at_least;
  });
  return found;
}

DockerRegistry::~DockerRegistry() {
  ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  if (reader_.joinable()) reader_.join();
}

}  // namespace dhow::registry::testing
