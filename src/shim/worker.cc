// SPDX-License-Identifier: Apache-2.0
#include "shim/worker.h"

#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "base/strings.h"
#include "sys/process.h"
#include "sys/unix_socket.h"

namespace dhow::shim {
namespace {

constexpr int kResultSocket = 3;
// What is received at once. Results are a line as a rule, and each page of a buffer is a fault.
constexpr std::size_t kPiece = std::size_t{2} << 10;

// In front of the payload, or of the text of an error.
struct Header {
  std::uint8_t failed;
  std::uint8_t code;
  std::int32_t sys_errno;
};

// Puts copies of the descriptors at their places, and closes everything else. Copies first, since a
// descriptor may be where another one is to go.
bool arrange(const WorkerStreams& streams, int result) {
  int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  const int wanted[] = {streams.in,      streams.out,         streams.err,         result,
                        streams.console, streams.mount_space, streams.empty_mounts};
  constexpr int kCount = 7;
  int copies[kCount];
  for (int i = 0; i < kCount; ++i) {
    int from = wanted[i] >= 0 ? wanted[i] : null;
    copies[i] = ::fcntl(from, F_DUPFD_CLOEXEC, 64);
    if (copies[i] < 0) return false;
  }
  for (int i = 0; i < kCount; ++i) {
    // The standard streams are inherited by what is executed.
    if (::dup3(copies[i], i, i < 3 ? 0 : O_CLOEXEC) < 0) return false;
  }
  ::close_range(kCount, ~0U, 0);
  if (streams.console < 0) ::close(Workers::kConsole);
  return true;
}

void reset_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int signal : {SIGPIPE, SIGXFSZ}) ::signal(signal, SIG_DFL);
}

// A worker lives short and does much, unlike the shim (serve.cc): it keeps the memory that it has.
void tune_memory_of_worker() {
  constexpr int kMuch = 1 << 20;
  for (int option : {M_MMAP_THRESHOLD, M_TRIM_THRESHOLD}) ::mallopt(option, kMuch);
  ::mallopt(M_TOP_PAD, 128 << 10);
}

[[noreturn]] void run_child(const WorkerStreams& streams, int socket, const Workers::Work& work) {
  if (!arrange(streams, socket)) ::_exit(126);
  reset_signals();
  tune_memory_of_worker();
  log::set_sink(nullptr, log::Level::kError);
  auto result = work();
  Header header{};
  std::string text;
  std::vector<FdRef> fds;
  if (result) {
    text = std::move(result->payload);
    for (const Fd& fd : result->fds) fds.emplace_back(fd);
  } else {
    header = {1, static_cast<std::uint8_t>(result.error().code()), result.error().sys_errno()};
    text = result.error().message();
  }
  std::string message(sizeof header, '\0');
  std::memcpy(message.data(), &header, sizeof header);
  message += text;
  auto sent = send_message(FdRef(kResultSocket), message, fds);
  // Without destructors: what they would undo is the shim's.
  ::_exit(sent ? 0 : 125);
}

}  // namespace

struct Workers::Running {
  Fd socket;
  Done done;
  std::string received;
  std::vector<Fd> fds;
  Loop::Watch watch;
};

Workers::Workers(Loop& loop) : loop_(loop) {}
Workers::~Workers() = default;

Result<Workers::Running*> Workers::spawn(const WorkerStreams& streams, const Work& work) {
  TRY_ASSIGN(SocketPair pair, make_socket_pair(SOCK_STREAM));
  TRY_ASSIGN(CloneResult child, clone_process({.want_pidfd = false}));
  if (child.pid == 0) run_child(streams, pair.second.get(), work);
  pair.second.reset();
  auto& running = running_[child.pid];
  running = std::make_unique<Running>();
  running->socket = std::move(pair.first);
  if (::fcntl(running->socket.get(), F_SETFL, O_NONBLOCK) == 0) {
    Running* raw = running.get();
    auto watch =
        loop_.watch(running->socket, EPOLLIN, [this, raw](std::uint32_t) { receive(*raw); });
    if (watch) running->watch = std::move(*watch);
  }
  return running.get();
}

void Workers::start(const WorkerStreams& streams, const Work& work, Done done) {
  auto spawned = spawn(streams, work);
  if (!spawned) {
    loop_.later([done = std::move(done), error = spawned.error()] { done(fail(error)); });
    return;
  }
  (*spawned)->done = std::move(done);
}

void Workers::receive(Running& running) {
  while (true) {
    auto message = receive_message(running.socket, kPiece);
    if (!message || message->end) {
      // EAGAIN, or the other end is gone: then the loop has nothing more to tell.
      if (message) running.watch.set_events(0);
      return;
    }
    running.received += message->payload;
    for (Fd& fd : message->fds) running.fds.push_back(std::move(fd));
  }
}

bool Workers::reaped(pid_t pid, int wait_status) {
  auto found = running_.find(pid);
  if (found == running_.end()) return false;
  std::unique_ptr<Running> running = std::move(found->second);
  running_.erase(found);
  receive(*running);
  Result<WorkerResult> result = fail(Code::kInternal, "");
  Header header{};
  if (running->received.size() < sizeof header) {
    result = fail(Code::kInternal,
                  cat("a worker of the shim died with ", exit_code_from_wait_status(wait_status)));
  } else {
    std::memcpy(&header, running->received.data(), sizeof header);
    std::string text = running->received.substr(sizeof header);
    if (header.failed != 0) {
      result = fail(Error(static_cast<Code>(header.code), header.sys_errno, std::move(text)));
    } else {
      result = WorkerResult{std::move(text), std::move(running->fds)};
    }
  }
  running->watch.reset();
  // After all the children that are reaped in this round: what the worker left behind may be one.
  auto shared = std::make_shared<std::pair<Done, Result<WorkerResult>>>(std::move(running->done),
                                                                        std::move(result));
  loop_.later([shared] { shared->first(std::move(shared->second)); });
  return true;
}

}  // namespace dhow::shim
