// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/processes.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "runtime/cgroup/paths.h"
#include "runtime/cgroup/wait.h"
#include "sys/file_io.h"

namespace dhow::cgroup {
namespace {

bool is_gone(const Error& error) {
  return error.sys_errno() == ENOENT || error.sys_errno() == ENODEV;
}

Status remove_below(const Folder& folder, Backoff& backoff);

// On v2 the end of the last process is an event (POLLPRI on cgroup.events); on v1 nothing tells.
bool wait_until_free(const Folder& folder, Backoff& backoff) {
  if (folder.kind() == FsKind::kV2) {
    auto events = folder.open_file("cgroup.events", O_RDONLY);
    auto text = events ? read_all(*events) : Result<std::string>("");
    if (text && keyed_number(*text, "populated") == 1U) {
      pollfd waited{.fd = events->get(), .events = POLLPRI, .revents = 0};
      return ::poll(&waited, 1, backoff.left_ms()) != 0;
    }
  }
  return backoff.pause();
}

Status remove_child(const Folder& parent, const std::string& name, Backoff& backoff) {
  std::string path = cat(parent.path(), "/", name);
  while (true) {
    if (::unlinkat(parent.fd().get(), name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) {
      return {};
    }
    int cause = errno;
    if (cause != EBUSY && cause != ENOTEMPTY) {
      return fail_errno(cause, cat("remove cgroup ", quoted(path)));
    }
    auto folder = parent.child(name);
    if (!folder) {
      if (is_gone(folder.error())) return {};
      return fail(std::move(folder).error());
    }
    TRY_ASSIGN(auto below, folder->children());
    if (!below.empty()) {
      TRY(remove_below(*folder, backoff));
      continue;
    }
    if (!wait_until_free(*folder, backoff)) {
      return fail_errno(cause, cat("remove cgroup ", quoted(path)));
    }
  }
}

Status remove_below(const Folder& folder, Backoff& backoff) {
  TRY_ASSIGN(auto names, folder.children());
  for (const std::string& name : names) TRY(remove_child(folder, name, backoff));
  return {};
}

}  // namespace

Status collect_pids(const Folder& folder, bool recursive, std::vector<pid_t>& pids) {
  auto text = folder.read("cgroup.procs");
  // A threaded v2 cgroup shows its processes only in the domain above (cgroup-v2.rst, "Threads").
  if (!text && text.error().sys_errno() != EOPNOTSUPP) {
    return is_gone(text.error()) ? Status{} : fail(std::move(text).error());
  }
  if (text) {
    for (std::string_view line : split(*text, '\n')) {
      // 0: a process of a pid namespace that can't be seen from here.
      if (auto pid = parse_number<pid_t>(line); pid && *pid > 0) pids.push_back(*pid);
    }
  }
  if (!recursive) return {};
  auto names = folder.children();
  if (!names) return is_gone(names.error()) ? Status{} : fail(std::move(names).error());
  for (const std::string& name : *names) {
    auto child = folder.child(name);
    if (child) {
      TRY(collect_pids(*child, true, pids));
    } else if (!is_gone(child.error())) {
      return fail(std::move(child).error());
    }
  }
  return {};
}

Status signal_pids(const std::vector<pid_t>& pids, int signal) {
  Status first;
  for (pid_t pid : pids) {
    if (::kill(pid, signal) != 0 && errno != ESRCH && first) {
      first = fail_errno(errno, cat("send signal ", signal, " to process ", pid));
    }
  }
  return first;
}

Result<bool> try_remove_cgroup(const std::string& path, FsKind kind) {
  auto parent = Folder::open(std::string(parent_path(path)), kind);
  if (!parent) {
    if (is_gone(parent.error())) return true;
    return fail(std::move(parent).error());
  }
  std::string name = path.substr(path.rfind('/') + 1);
  if (::unlinkat(parent->fd().get(), name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) {
    return true;
  }
  if (errno == EBUSY || errno == ENOTEMPTY) return false;
  return fail_errno(errno, cat("remove cgroup ", quoted(path)));
}

Status remove_cgroup(const std::string& path, FsKind kind, int limit_ms) {
  auto parent = Folder::open(std::string(parent_path(path)), kind);
  if (!parent) {
    if (is_gone(parent.error())) return {};
    return fail(std::move(parent).error());
  }
  Backoff backoff(limit_ms);
  return remove_child(*parent, path.substr(path.rfind('/') + 1), backoff);
}

}  // namespace dhow::cgroup
