// SPDX-License-Identifier: Apache-2.0
#include "shim/serve.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <initializer_list>
#include <optional>
#include <tuple>

#include "base/log.h"
#include "base/strings.h"
#include "logging/time_text.h"
#include "rpc/server.h"
#include "runtime/runtime.h"
#include "shim/loop.h"
#include "shim/mounts.h"
#include "shim/process_io.h"
#include "shim/service.h"
#include "sys/file_io.h"

namespace dhow::shim {
namespace {

constexpr int kListener = 3;
constexpr int kLoggerOut = 3;
constexpr int kLoggerErr = 4;
constexpr int kLoggerReady = 5;

// Signals in a descriptor, and as nothing else: the loop hears of them when it has time.
Result<Fd> take_signals(std::initializer_list<int> signals) {
  sigset_t set;
  ::sigemptyset(&set);
  for (int signal : signals) ::sigaddset(&set, signal);
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return fail_errno(errno, "block signals");
  // A client or a log that goes is an error of a write, and no more.
  for (int signal : {SIGPIPE, SIGXFSZ}) std::ignore = ::signal(signal, SIG_IGN);
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return fail_errno(errno, "make signalfd");
  return fd;
}

// A shim lives long and does little: freed memory goes back at once.
void tune_memory() {
  ::mallopt(M_MMAP_THRESHOLD, 32 << 10);
  ::mallopt(M_TRIM_THRESHOLD, 16 << 10);
  ::mallopt(M_TOP_PAD, 4 << 10);
}

// Lines for whoever reads the fifo `log` of the bundle, which is the engine; dropped while nobody
// does.
class FifoSink final : public log::Sink {
 public:
  explicit FifoSink(Fd fd) : fd_(std::move(fd)) {}
  void write(log::Level level, std::string_view message) override {
    std::string line = "time=\"";
    time_.append(line, logging::now_ns(), logging::Fraction::kNine);
    line += cat("\" level=", log::level_name(level), " msg=", quoted(message), "\n");
    std::ignore = ::write(fd_.get(), line.data(), line.size());
  }

 private:
  Fd fd_;
  logging::TimeWriter time_;
};

// The socket that the start action has made and written down; empty for the engine's own.
std::string socket_of_start() {
  std::string address = read_file("address").value_or("");
  constexpr std::string_view kScheme = "unix://";
  return address.starts_with(kScheme) ? address.substr(kScheme.size()) : std::string();
}

void open_log(std::unique_ptr<FifoSink>& sink, bool debug) {
  auto fifo = open_at(kCwd, "log", O_RDWR | O_NONBLOCK);
  if (!fifo) return;
  sink = std::make_unique<FifoSink>(std::move(*fifo));
  log::set_sink(sink.get(), debug ? log::Level::kDebug : log::Level::kWarning);
}

}  // namespace

std::string runtime_root_of(std::string_view given, std::string_view address) {
  if (!given.empty()) return std::string(given);
  constexpr std::string_view kScheme = "unix://";
  if (address.starts_with(kScheme)) address.remove_prefix(kScheme.size());
  std::size_t slash = address.rfind('/');
  if (slash == std::string_view::npos) return "/run/dhow/runtime";
  return cat(address.substr(0, slash), "/runtime");
}

Status serve(const CommandLine& command_line) {
  tune_memory();
  // Started by a descriptor, its name would be that number. Lists of processes have the one of
  // every shim, as far as the kernel keeps it: 15 bytes.
  std::ignore = ::prctl(PR_SET_NAME, "containerd-shim");
  // The daemon's own, when its service manager gave it one: to runtimes it would mean that the
  // container is to tell of its start.
  ::unsetenv("NOTIFY_SOCKET");
  Fd listener(kListener);
  if (::fcntl(kListener, F_SETFD, FD_CLOEXEC) != 0) {
    return fail(Code::kInvalidArgument, "serve: descriptor 3 is not open");
  }
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
    return fail_errno(errno, "prctl PR_SET_CHILD_SUBREAPER");
  // What was blocked or ignored by whoever started us is not passed on: workers clear it.
  TRY_ASSIGN(Fd signals, take_signals({SIGCHLD, SIGTERM, SIGINT}));
  std::unique_ptr<FifoSink> sink;
  open_log(sink, command_line.debug);
  // Before the shim leaves for mounts of its own: all shims of the host use the same one.
  std::optional<Fd> empty_mounts = runtime::empty_mounts();
  TRY_ASSIGN(Fd host_mounts, leave_host_mounts());
  TRY_ASSIGN(auto loop, Loop::make());
  ServiceOptions options;
  options.name_space = command_line.name_space;
  options.events_address = command_line.address;
  options.runtime_root = runtime_root_of(command_line.runtime_root, command_line.address);
  options.host_mounts = std::move(host_mounts);
  if (empty_mounts) options.empty_mounts = std::move(*empty_mounts);
  TaskService service(*loop, std::move(options));
  TRY_ASSIGN(auto server, rpc::Server::make());
  service.add_to(*server);
  TRY(server->listen(std::move(listener)));
  TRY_ASSIGN(auto calls, loop->watch(server->fd(), EPOLLIN, [&](std::uint32_t) {
    auto done = server->dispatch();
    if (!done) log::error(done.error().message());
  }));
  TRY_ASSIGN(auto children, loop->watch(signals, EPOLLIN, [&](std::uint32_t) {
    struct signalfd_siginfo info[8];
    while (::read(signals.get(), info, sizeof info) > 0) continue;
    service.reap();
  }));
  service.on_finished([&] { loop->stop(); });
  std::string path = socket_of_start();
  Status served = loop->run();
  if (!path.empty()) std::ignore = ::unlink(path.c_str());
  // Without destructors of what containers still have, and with the answer to Shutdown on its way.
  log::set_sink(nullptr, log::Level::kError);
  return served;
}

Status keep_streams(std::string_view uri_text) {
  tune_memory();
  std::ignore = ::prctl(PR_SET_NAME, "dhow-io");
  Fd out(kLoggerOut), err(kLoggerErr), ready(kLoggerReady);
  for (const Fd* fd : {&out, &err, &ready}) {
    if (::fcntl(fd->get(), F_SETFD, FD_CLOEXEC) != 0) {
      return fail(Code::kInvalidArgument, "io: descriptors 3, 4 and 5 are not open");
    }
  }
  // A shim that ends its logger wants it to finish: the streams end by themselves then.
  TRY_ASSIGN(Fd signals, take_signals({SIGTERM, SIGINT}));
  TRY_ASSIGN(auto loop, Loop::make());
  TRY_ASSIGN(Uri uri, parse_uri(uri_text));
  TRY_ASSIGN(auto io, ProcessIo::keep(*loop, uri, std::move(out), std::move(err)));
  io->on_done([&] {
    if (io->is_done()) loop->stop();
  });
  TRY_ASSIGN(auto ended, loop->watch(signals, EPOLLIN, [&](std::uint32_t) {
    struct signalfd_siginfo info{};
    while (::read(signals.get(), &info, sizeof info) > 0) continue;
    io->finish();
    if (io->is_done()) loop->stop();
  }));
  ready.reset();
  return loop->run();
}

}  // namespace dhow::shim
