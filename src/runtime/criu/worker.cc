// SPDX-License-Identifier: Apache-2.0
#include "runtime/criu/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::criu {
namespace {

constexpr std::size_t kMaxAnswer = 65536;
constexpr std::size_t kMaxReport = 4096;
constexpr std::size_t kMaxLogTail = 65536;
constexpr std::string_view kSocketFollows = "+";

// All streams but those that criu is to have.
Status silence_stdio(const std::vector<int>& kept) {
  TRY_ASSIGN(Fd null, open_at(kCwd, "/dev/null", O_RDWR));
  for (int stream = 0; stream <= 2; ++stream) {
    if (std::ranges::find(kept, stream) != kept.end()) continue;
    if (::dup2(null.get(), stream) < 0) return fail_errno(errno, "set standard streams");
  }
  return {};
}

std::unexpected<Error> ended() { return fail(Code::kUnavailable, "criu ended without an answer"); }

// In the child. Returns only when criu could not be executed.
//
// The child makes the sockets, so that it is who the kernel names as their maker: criu opens the
// folders that it is given as /proc/<maker>/fd/<number>, and the mount namespace in which they were
// opened must be its own.
Error become_criu(const Worker::Start& start, const Fd& report) {
  Fd socket;
  auto ready = [&]() -> Status {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    if (start.prepare) TRY(start.prepare());
    if (!start.keep_stdio) TRY(silence_stdio(start.inherit));
    TRY_ASSIGN(SocketPair pair, make_socket_pair(SOCK_SEQPACKET));
    TRY(send_message(report, kSocketFollows, {pair.first}));
    socket = std::move(pair.second);
    TRY(set_cloexec_from(3));
    for (int fd : start.inherit) ::fcntl(fd, F_SETFD, 0);
    ::fcntl(socket.get(), F_SETFD, 0);
    return {};
  }();
  if (!ready) return std::move(ready).error();
  std::string number = cat(socket.get());
  const char* arguments[] = {"criu", "swrk", number.c_str(), nullptr};
  ::execvp(arguments[0], const_cast<char* const*>(arguments));
  if (errno == ENOENT) {
    return Error(Code::kNotFound, ENOENT, "criu: executable file not found in $PATH");
  }
  return Error::from_errno(errno, "execute criu");
}

}  // namespace

Result<Worker> Worker::start(const Start& start) {
  TRY_ASSIGN(SocketPair report, make_socket_pair(SOCK_SEQPACKET));
  CloneOptions options;
  options.cgroup = start.cgroup_dir;
  TRY_ASSIGN(CloneResult child, clone_process(options));
  if (child.pid == 0) {
    Error error = become_criu(start, report.second);
    // The code as its one letter; the socket just ends when the exec went well.
    std::string text = cat(static_cast<char>('a' + static_cast<int>(error.code())),
                           error.message().substr(0, kMaxReport - 1));
    std::ignore = send_message(report.second, text);  // nobody else to tell
    ::_exit(127);
  }
  report.second.reset();
  Worker worker(child.pid, std::move(child.pidfd), {});
  TRY_ASSIGN(Message message, receive_message(report.first, kMaxReport));
  if (message.payload == kSocketFollows && message.fds.size() == 1) {
    worker.socket_ = std::move(message.fds[0]);
    TRY_ASSIGN(message, receive_message(report.first, kMaxReport));
    if (message.end) return worker;
  }
  if (message.payload.empty()) return fail(Code::kInternal, "criu's process ended at its start");
  auto code = static_cast<Code>(message.payload.front() - 'a');
  return fail(code, message.payload.substr(1));
}

Worker::~Worker() {
  if (!pidfd_) return;
  socket_.reset();
  std::ignore = wait_for(pid_);  // how it ends says nothing that its answer didn't
}

Status Worker::send(const Request& request) const {
  auto sent = send_message(socket_, encode_request(request));
  if (!sent && sent.error().sys_errno() == EPIPE) return ended();
  return sent;
}

Result<Response> Worker::receive(std::vector<Fd>& fds) const {
  auto message = receive_message(socket_, kMaxAnswer);
  bool reset = !message && message.error().sys_errno() == ECONNRESET;
  if (reset || (message && message->end)) return ended();
  if (!message) return fail(std::move(message).error());
  fds = std::move(message->fds);
  return decode_response(message->payload);
}

Result<Response> Worker::call(const Request& request, const OnNotice& on_notice) const {
  TRY(send(request));
  Status refused;
  while (true) {
    std::vector<Fd> fds;
    auto response = receive(fds);
    if (!refused && (!response || response->type != RequestType::kNotify)) {
      return fail(std::move(refused).error());
    }
    if (!response) return response;
    if (response->type != RequestType::kNotify) return response;
    Status taken = on_notice ? on_notice(*response, std::move(fds)) : Status();
    Request reply{.type = RequestType::kNotify, .notify_success = taken.has_value()};
    if (!taken && refused) refused = std::move(taken);
    TRY(send(reply));
  }
}

Result<int> Worker::version() const {
  TRY_ASSIGN(Response response, call({.type = RequestType::kVersion, .keep_open = true}, {}));
  if (response.success && response.version > 0) return response.version;
  return fail(Code::kUnavailable, cat("criu doesn't tell its version: ", response.error_text));
}

Result<Features> Worker::features(const Features& asked) const {
  Request request{.type = RequestType::kFeatureCheck, .keep_open = true, .features = asked};
  TRY_ASSIGN(Response response, call(request, {}));
  if (response.success) return response.features;
  return fail(Code::kUnavailable, cat("criu feature check failed: ", trim(response.error_text)));
}

std::string last_errors_of(std::string_view log, std::size_t count) {
  std::vector<std::string> errors;
  for (std::string_view line : split(log, '\n')) {
    std::size_t at = line.find("Error (");
    if (at != std::string_view::npos) errors.emplace_back(trim(line.substr(at)));
  }
  if (errors.size() > count) {
    errors.erase(errors.begin(), errors.end() - static_cast<std::ptrdiff_t>(count));
  }
  return join(errors, "; ");
}

std::string last_errors(FdRef folder, std::string_view log_file, std::size_t count) {
  auto file = open_at(folder, log_file, O_RDONLY | O_NOFOLLOW);
  if (!file) return {};
  off_t size = ::lseek(file->get(), 0, SEEK_END);
  off_t start = std::max<off_t>(0, size - static_cast<off_t>(kMaxLogTail));
  if (size < 0 || ::lseek(file->get(), start, SEEK_SET) < 0) return {};
  auto text = read_all(*file, kMaxLogTail * 2);
  return text ? last_errors_of(*text, count) : std::string();
}

}  // namespace dhow::criu
