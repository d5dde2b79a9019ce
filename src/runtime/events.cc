// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "base/strings.h"
#include "oci/json.h"
#include "runtime/container.h"
#include "runtime/runtime.h"

namespace dhow::runtime {
namespace {

std::string event_line(std::string_view type, std::string_view id, std::string_view data) {
  oci::JsonWriter json;
  json.begin_object().member("type", type).member("id", id);
  if (!data.empty()) json.key("data").raw(data);
  json.end_object();
  return json.text();
}

Result<Fd> make_timer(int interval_ms) {
  Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) return fail_errno(errno, "make timer");
  struct timespec interval{interval_ms / 1000, (interval_ms % 1000) * 1'000'000L};
  struct itimerspec spec{interval, interval};
  if (::timerfd_settime(timer.get(), 0, &spec, nullptr) != 0) return fail_errno(errno, "set timer");
  return timer;
}

void empty(const Fd& fd) {
  char buffer[4096];
  std::ignore = ::read(fd.get(), buffer, sizeof buffer);
}

}  // namespace

Status events(const Context& context, std::string_view id, int interval_ms, bool once,
              const std::function<void(std::string_view)>& emit) {
  if (interval_ms <= 0) {
    return fail(Code::kInvalidArgument, "duration interval must be greater than 0");
  }
  TRY_ASSIGN(Container container, Container::open(context, id, false));
  TRY_ASSIGN(ContainerStatus status, container.status());
  if (status == ContainerStatus::kStopped) {
    return fail(Code::kFailedPrecondition, cat("container with id ", id, " is not running"));
  }
  TRY_ASSIGN(auto cgroup, container.open_cgroup());
  if (once) {
    TRY_ASSIGN(std::string stats, cgroup->stats_json());
    emit(event_line("stats", id, stats));
    return {};
  }
  TRY_ASSIGN(PidFd init, container.open_init());
  TRY_ASSIGN(Fd timer, make_timer(interval_ms));
  auto watch = cgroup->watch_oom();
  if (!watch) log::warning(cat("no OOM events: ", watch.error().message()));
  int oom_fd = watch ? watch->fd.get() : -1;
  while (true) {
    struct pollfd entries[3] = {
        {init.fd().get(), POLLIN, 0}, {timer.get(), POLLIN, 0}, {oom_fd, POLLIN, 0}};
    if (::poll(entries, 3, -1) < 0) {
      if (errno == EINTR) continue;
      return fail_errno(errno, "wait for events");
    }
    // Also when init has ended: the last OOM kill is often the reason.
    if (watch && (entries[2].revents != 0 || entries[0].revents != 0)) {
      auto killed = watch->take();
      if (killed && *killed) emit(event_line("oom", id, ""));
    }
    if (entries[0].revents != 0) return {};
    if (entries[1].revents != 0) {
      empty(timer);
      auto stats = cgroup->stats_json();
      if (stats) {
        emit(event_line("stats", id, *stats));
      } else {
        log::error(stats.error().message());
      }
    }
  }
}

}  // namespace dhow::runtime
