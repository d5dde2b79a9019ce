// SPDX-License-Identifier: Apache-2.0
#include "sys/process_lock.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <mutex>
#include <set>
#include <utility>

#include "base/cleanup.h"
#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/process.h"

namespace dhow {
namespace {

// The kernel gives a lock of that kind to its own process as often as it asks.
struct Held {
  std::mutex mutex;
  std::set<std::string> keys;

  bool add(const std::string& key) {
    std::lock_guard lock(mutex);
    return keys.insert(key).second;
  }
  void remove(const std::string& key) {
    std::lock_guard lock(mutex);
    keys.erase(key);
  }
};

Held& held() {
  static Held* const kHeld = new Held;  // locks may be let go after main() has ended
  return *kHeld;
}

struct flock whole_file() {
  struct flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  return whole;
}

// Also where nobody has reaped it yet.
bool has_ended(pid_t pid) {
  auto process = PidFd::open(pid);
  if (!process) return process.error().sys_errno() == ESRCH;
  return process->wait_exit(0).value_or(false);
}

Status lock_whole(const Fd& file, const std::string& name) {
  auto call = [&](int command, struct flock& lock) {
    int done = 0;
    do {
      done = ::fcntl(file.get(), command, &lock);
    } while (done != 0 && errno == EINTR);
    return done == 0;
  };
  while (true) {
    struct flock lock = whole_file();
    if (call(F_SETLK, lock)) return {};
    if (errno != EAGAIN && errno != EACCES) return fail_errno(errno, cat("lock ", quoted(name)));
    struct flock holder = whole_file();
    if (!call(F_GETLK, holder)) return fail_errno(errno, cat("ask who locks ", quoted(name)));
    if (holder.l_type == F_UNLCK) continue;
    if (holder.l_pid <= 0 || !has_ended(holder.l_pid)) {
      return fail(Code::kUnavailable, "it is locked by another process");
    }
    if (!call(F_SETLKW, lock)) return fail_errno(errno, cat("lock ", quoted(name)));
    return {};
  }
}

}  // namespace

Result<ProcessLock> ProcessLock::take(FdRef folder, const std::string& name) {
  struct stat facts{};
  if (::fstat(folder.get(), &facts) != 0) return fail_errno(errno, "stat the folder of a lock");
  std::string key = cat(facts.st_dev, ":", facts.st_ino, "/", name);
  // Before the file is opened: its close would let go of the lock that is held.
  if (!held().add(key)) return fail(Code::kUnavailable, "it is locked by this process");
  Cleanup undo([&key] { held().remove(key); });
  ProcessLock taken;
  TRY_ASSIGN(taken.fd_, open_at(folder, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  TRY(lock_whole(taken.fd_, name));
  undo.dismiss();
  taken.key_ = std::move(key);
  return taken;
}

ProcessLock::ProcessLock(ProcessLock&& other) noexcept
    : fd_(std::move(other.fd_)), key_(std::exchange(other.key_, {})) {}

ProcessLock& ProcessLock::operator=(ProcessLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(key_, other.key_);
  return *this;
}

ProcessLock::~ProcessLock() {
  if (key_.empty()) return;
  fd_.reset();
  held().remove(key_);
}

}  // namespace dhow
