// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/oom.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::cgroup {
namespace {

std::unexpected<Error> not_controlled(const Folder& folder) {
  return fail(Code::kUnimplemented,
              cat("watch memory of ", quoted(folder.path()), ": memory is not controlled"));
}

}  // namespace

Result<bool> Cgroup::OomWatch::take() {
  std::array<char, 4096> events{};
  ssize_t got = ::read(fd.get(), events.data(), events.size());
  if (got < 0 && errno != EAGAIN && errno != EINTR) return fail_errno(errno, "read OOM events");
  if (!counts) {
    // The end of the cgroup is an event too; reading its files is ENODEV then.
    char byte = 0;
    return got > 0 && ::pread(keep.get(), &byte, 1, 0) == 1;
  }
  if (::lseek(keep.get(), 0, SEEK_SET) < 0) return fail_errno(errno, "rewind memory.events");
  auto text = read_all(keep);
  if (!text) {
    if (text.error().sys_errno() == ENODEV) return false;
    return fail(std::move(text).error());
  }
  std::uint64_t before = std::exchange(seen, keyed_number(*text, "oom_kill").value_or(seen));
  return seen > before;
}

Result<Cgroup::OomWatch> watch_oom_v1(const Folder& folder) {
  auto control = folder.open_file("memory.oom_control", O_RDONLY);
  if (!control) {
    if (control.error().sys_errno() == ENOENT) return not_controlled(folder);
    return fail(std::move(control).error());
  }
  Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return fail_errno(errno, "make eventfd");
  TRY(folder.write("cgroup.event_control", cat(event.get(), " ", control->get())));
  return Cgroup::OomWatch{std::move(event), std::move(*control), false, 0};
}

Result<Cgroup::OomWatch> watch_oom_v2(const Folder& folder) {
  auto counters = folder.open_file("memory.events", O_RDONLY);
  if (!counters) {
    if (counters.error().sys_errno() == ENOENT) return not_controlled(folder);
    return fail(std::move(counters).error());
  }
  Fd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch) return fail_errno(errno, "make inotify descriptor");
  // Watched before it is read, so that no kill falls between.
  std::string file = proc_fd_path(*counters);
  if (::inotify_add_watch(watch.get(), file.c_str(), IN_MODIFY) < 0) {
    return fail_errno(errno, cat("watch ", quoted(cat(folder.path(), "/memory.events"))));
  }
  TRY_ASSIGN(std::uint64_t seen, read_oom_kills(folder, true));
  return Cgroup::OomWatch{std::move(watch), std::move(*counters), true, seen};
}

Result<std::uint64_t> read_oom_kills(const Folder& folder, bool v2) {
  TRY_ASSIGN(std::string text, folder.read(v2 ? "memory.events" : "memory.oom_control"));
  return keyed_number(text, "oom_kill").value_or(0);
}

}  // namespace dhow::cgroup
