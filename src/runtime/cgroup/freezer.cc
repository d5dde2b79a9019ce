// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/freezer.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "runtime/cgroup/wait.h"
#include "sys/file_io.h"

namespace dhow::cgroup {
namespace {

std::unexpected<Error> not_frozen(const Folder& folder, Error cause) {
  return fail(std::move(cause).add_context(cat("unable to freeze ", quoted(folder.path()))));
}

std::unexpected<Error> too_slow(const Folder& folder, int limit_ms) {
  return not_frozen(
      folder, Error(Code::kDeadlineExceeded, cat("still not frozen after ", limit_ms, " ms")));
}

Result<bool> try_freeze_v1(const Folder& folder) {
  TRY(folder.write("freezer.state", "FROZEN"));
  TRY_ASSIGN(std::string state, folder.read("freezer.state"));
  return state == "FROZEN";
}

Status freeze_v1(const Folder& folder, int limit_ms) {
  // A process that forks while it is frozen can leave the cgroup FREEZING for good. Writing FROZEN
  // again catches most children; thawing for a moment catches the rest.
  constexpr int kRefreezeEvery = 25;
  Backoff backoff(limit_ms);
  for (int attempt = 1;; ++attempt) {
    auto frozen = try_freeze_v1(folder);
    if (frozen && *frozen) return {};
    if (!frozen) {
      std::ignore = folder.write("freezer.state", "THAWED");  // the failure above is what counts
      return not_frozen(folder, std::move(frozen).error());
    }
    if (attempt % kRefreezeEvery == 0) {
      std::ignore = folder.write("freezer.state", "THAWED");  // the next write shows a failure
    }
    if (!backoff.pause()) break;
  }
  std::ignore = folder.write("freezer.state", "THAWED");  // the timeout is what counts
  return too_slow(folder, limit_ms);
}

// Waits for "frozen 1" in cgroup.events, which kernfs tells pollers about by POLLPRI.
Result<bool> wait_frozen(const Fd& events, int limit_ms) {
  Backoff limit(limit_ms);
  while (true) {
    if (::lseek(events.get(), 0, SEEK_SET) < 0) return fail_errno(errno, "rewind cgroup.events");
    TRY_ASSIGN(std::string text, read_all(events));
    if (keyed_number(text, "frozen") == 1U) return true;
    int left = limit.left_ms();
    if (left == 0) return false;
    pollfd waited{.fd = events.get(), .events = POLLPRI, .revents = 0};
    if (::poll(&waited, 1, left) < 0 && errno != EINTR) return fail_errno(errno, "poll");
  }
}

Status freeze_v2(const Folder& folder, int limit_ms) {
  TRY_ASSIGN(Fd events, folder.open_file("cgroup.events", O_RDONLY));
  TRY(folder.write("cgroup.freeze", "1"));
  auto frozen = wait_frozen(events, limit_ms);
  if (frozen && *frozen) return {};
  std::ignore = folder.write("cgroup.freeze", "0");  // the failure to freeze is what counts
  if (!frozen) return not_frozen(folder, std::move(frozen).error());
  return too_slow(folder, limit_ms);
}

}  // namespace

Result<FreezerState> read_freezer(const Folder& folder, bool v2) {
  auto state = folder.read(v2 ? "cgroup.freeze" : "freezer.self_freezing");
  if (!state) {
    if (is_missing(state.error())) return FreezerState::kUndefined;
    return fail(std::move(state).error());
  }
  return *state == "1" ? FreezerState::kFrozen : FreezerState::kThawed;
}

Status freeze_folder(const Folder& folder, bool v2, int limit_ms) {
  return v2 ? freeze_v2(folder, limit_ms) : freeze_v1(folder, limit_ms);
}

Status thaw_folder(const Folder& folder, bool v2) {
  auto written = v2 ? folder.write("cgroup.freeze", "0") : folder.write("freezer.state", "THAWED");
  if (!written && is_missing(written.error())) return {};
  return written;
}

Status thaw_tree_v1(const Folder& folder) {
  TRY(thaw_folder(folder, false));
  auto names = folder.children();
  if (!names) return is_missing(names.error()) ? Status{} : fail(std::move(names).error());
  for (const std::string& name : *names) {
    auto child = folder.child(name);
    if (child) {
      TRY(thaw_tree_v1(*child));
    } else if (!is_missing(child.error())) {
      return fail(std::move(child).error());
    }
  }
  return {};
}

}  // namespace dhow::cgroup
