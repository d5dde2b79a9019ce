// SPDX-License-Identifier: Apache-2.0
#include "runtime/state_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"
#include "oci/config_codec.h"
#include "sys/file_io.h"

namespace dhow::runtime {
namespace {

constexpr std::string_view kStateFile = "state.json";
constexpr std::string_view kConfigFile = "config.json";
constexpr std::string_view kLandlockFile = "landlock.json";

std::unexpected<Error> no_such_container() {
  return fail(Code::kNotFound, "container does not exist");
}

}  // namespace

Result<oci::Config> parse_container_config(std::string_view json) {
  TRY_ASSIGN(oci::Config config, oci::parse_config(json));
  auto receiver = config.annotations.find("run.oci.seccomp.receiver");
  if (receiver != config.annotations.end() && config.linux.seccomp &&
      config.linux.seccomp->listener_path.empty()) {
    config.linux.seccomp->listener_path = receiver->second;
  }
  return config;
}

Result<StateDir> StateDir::create(std::string_view root, std::string_view id) {
  TRY(make_dirs(root, 0700));
  std::string path = cat(root, "/", id);
  if (::mkdir(path.c_str(), 0711) != 0) {
    if (errno == EEXIST) {
      return fail(Code::kAlreadyExists, "container with given ID already exists");
    }
    return fail_errno(errno, cat("make state folder ", quoted(path)));
  }
  auto opened = open_at(kCwd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!opened) {
    ::rmdir(path.c_str());
    return fail(std::move(opened).error());
  }
  StateDir dir(std::string(root), std::string(id), std::move(*opened));
  Status ready;
  if (::fchmod(dir.fd_.get(), 0711) != 0) ready = fail_errno(errno, "set mode of state folder");
  if (ready) ready = dir.lock();
  if (ready) return dir;
  // A delete that saw the folder first may hold the lock, and removes it; then this one has failed.
  if (ready.error().code() != Code::kNotFound) ::rmdir(path.c_str());
  return fail(std::move(ready).error());
}

Result<StateDir> StateDir::open(std::string_view root, std::string_view id) {
  auto fd = open_at(kCwd, cat(root, "/", id), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) {
    if (fd.error().sys_errno() == ENOENT || fd.error().sys_errno() == ENOTDIR) {
      return no_such_container();
    }
    return fail(std::move(fd).error());
  }
  return StateDir(std::string(root), std::string(id), std::move(*fd));
}

Status StateDir::lock() const {
  while (::flock(fd_.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return fail_errno(errno, "lock state folder");
  }
  struct stat info{};
  if (::fstat(fd_.get(), &info) != 0) return fail_errno(errno, "stat state folder");
  if (info.st_nlink == 0) return no_such_container();
  return {};
}

Result<bool> StateDir::try_lock() const {
  if (::flock(fd_.get(), LOCK_EX | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK || errno == EINTR) return false;
  return fail_errno(errno, "lock state folder");
}

void StateDir::unlock() const { ::flock(fd_.get(), LOCK_UN); }

Status StateDir::save(const Record& record) const {
  return replace_file(fd_, kStateFile, record_to_json(record), 0600);
}

Result<Record> StateDir::load() const {
  TRY_ASSIGN(std::string json, read_file(fd_, kStateFile));
  auto record = record_from_json(json);
  if (!record) {
    return fail(std::move(record).error().add_context(cat("state of container ", quoted(id_))));
  }
  return record;
}

Status StateDir::save_config(std::string_view json) const {
  return replace_file(fd_, kConfigFile, json, 0600);
}

Result<oci::Config> StateDir::load_config() const {
  TRY_ASSIGN(std::string json, read_file(fd_, kConfigFile));
  return parse_container_config(json);
}

Status StateDir::save_landlock(std::string_view policy) const {
  return replace_file(fd_, kLandlockFile, policy, 0600);
}

Result<std::optional<std::string>> StateDir::load_landlock() const {
  auto policy = read_file(fd_, kLandlockFile);
  if (policy) return std::optional(std::move(*policy));
  if (policy.error().sys_errno() == ENOENT) return std::optional<std::string>();
  return fail(std::move(policy).error());
}

Status StateDir::remove() const {
  TRY_ASSIGN(Fd root, open_at(kCwd, root_, O_RDONLY | O_DIRECTORY));
  return remove_tree(root, id_);
}

Result<std::vector<std::string>> list_state_dirs(std::string_view root) {
  auto dir = open_at(kCwd, root, O_RDONLY | O_DIRECTORY);
  if (!dir) {
    if (dir.error().sys_errno() == ENOENT) return std::vector<std::string>{};
    return fail(std::move(dir).error());
  }
  TRY_ASSIGN(auto names, list_dir(*dir));
  std::ranges::sort(names);
  return names;
}

std::string timestamp_now() {
  struct timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  struct tm parts{};
  ::gmtime_r(&now.tv_sec, &parts);
  char text[64];
  int size = ::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ",
                        parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                        parts.tm_min, parts.tm_sec, now.tv_nsec);
  return std::string(text, static_cast<std::size_t>(size));
}

}  // namespace dhow::runtime
