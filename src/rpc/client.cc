// SPDX-License-Identifier: Apache-2.0
#include "rpc/client.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <condition_variable>
#include <limits>
#include <map>
#include <mutex>
#include <vector>

#include "base/strings.h"

namespace dhow::rpc {
namespace {

constexpr std::size_t kMaxUnread = std::size_t{8} << 20;

// What an answer's frame means for the one who waits for it.
Result<std::string> read_answer(const Frame& frame) {
  if (frame.oversized) {
    return fail(Code::kResourceExhausted, cat("answer longer than ", kMaxFrameData, " bytes"));
  }
  if (frame.type != FrameType::kResponse) {
    return fail(Code::kInternal, cat("ttrpc peer answered with a frame of type ",
                                     static_cast<unsigned>(frame.type)));
  }
  TRY_ASSIGN(auto response, decode<Response>(frame.data));
  if (response.status && response.status->code != 0) return fail(to_error(*response.status));
  return std::string(response.payload);
}

// The answer to a blocking call, on the stack of its caller.
struct Waiter {
  std::mutex mutex;
  std::condition_variable arrived;
  std::optional<Result<std::string>> answer;

  void put(Result<std::string> result) {
    std::unique_lock lock(mutex);
    answer.emplace(std::move(result));
    arrived.notify_one();  // under the lock: the waiter is gone as soon as it is released
  }
  // False when the time is over.
  bool wait(std::optional<std::chrono::steady_clock::time_point> until) {
    std::unique_lock lock(mutex);
    auto is_there = [this] { return answer.has_value(); };
    if (until) return arrived.wait_until(lock, *until, is_there);
    arrived.wait(lock, is_there);
    return true;
  }
};

}  // namespace

struct Client::Connection {
  struct Completion {
    Done done;
    Result<std::string> answer;
  };

  Connection(EventThread& on, Fd connected, std::string_view with_namespace)
      : thread(on), socket(std::move(connected)), name_space(with_namespace) {}

  // Sends a request and keeps `done` for its answer. The stream, or why nothing was sent; `done` is
  // then untouched.
  Result<std::uint32_t> send(Request& request, Done& done);
  // Forgets a call. False when its answer has come.
  bool drop(std::uint32_t stream);
  void on_ready(std::uint32_t events);
  // Fails all that waits.
  void close(Code code, std::string_view why);

  // With the lock.
  void receive(std::vector<Completion>& completions);
  void end(Code code, std::string_view why, std::vector<Completion>& completions);
  void watch();

  EventThread& thread;
  std::mutex mutex;
  const Fd socket;
  const std::string name_space;
  std::uint64_t watch_id = 0;
  std::uint32_t watched = EPOLLIN;
  std::uint32_t next_stream = 1;
  FrameReader reader;
  FrameWriter writer;
  std::map<std::uint32_t, Done> waiting;
  std::optional<Error> ended;
};

Result<std::uint32_t> Client::Connection::send(Request& request, Done& done) {
  if (!name_space.empty()) request.metadata.push_back({kNamespaceKey, name_space});
  std::string data = encode(request);
  std::unique_lock lock(mutex);
  if (ended) return fail(*ended);
  if (writer.unsent() > kMaxUnread) {
    return fail(Code::kResourceExhausted, "ttrpc peer does not read what it is sent");
  }
  if (next_stream > std::numeric_limits<std::uint32_t>::max() - 2) {
    return fail(Code::kUnavailable, "ttrpc connection has no more stream ids");
  }
  std::uint32_t stream = next_stream;
  next_stream += 2;
  // A failure to send is told by the event thread too, to all the others that wait.
  TRY(writer.send(socket, stream, FrameType::kRequest, data));
  waiting.emplace(stream, std::move(done));
  watch();
  return stream;
}

bool Client::Connection::drop(std::uint32_t stream) {
  Done dropped;  // what it owns goes after the lock
  std::unique_lock lock(mutex);
  auto found = waiting.find(stream);
  if (found == waiting.end()) return false;
  dropped = std::move(found->second);
  waiting.erase(found);
  return true;
}

void Client::Connection::watch() {
  std::uint32_t wanted = EPOLLIN | (writer.unsent() > 0 ? EPOLLOUT : 0U);
  if (wanted == watched || ended) return;
  // Fails only for want of memory; what is kept is sent with the next call then.
  if (thread.change(watch_id, socket, wanted)) watched = wanted;
}

void Client::Connection::receive(std::vector<Completion>& completions) {
  while (auto frame = reader.next()) {
    auto found = waiting.find(frame->stream);
    if (found == waiting.end()) continue;  // its caller has given up
    completions.push_back({std::move(found->second), read_answer(*frame)});
    waiting.erase(found);
  }
}

void Client::Connection::end(Code code, std::string_view why,
                             std::vector<Completion>& completions) {
  if (ended) return;
  ended.emplace(code, std::string(why));
  thread.remove(watch_id, socket);
  ::shutdown(socket.get(), SHUT_RDWR);
  for (auto& [stream, done] : waiting) completions.push_back({std::move(done), fail(*ended)});
  waiting.clear();
}

void Client::Connection::on_ready(std::uint32_t events) {
  std::vector<Completion> completions;
  {
    std::unique_lock lock(mutex);
    if (ended) return;
    bool broken = (events & EPOLLOUT) != 0 && !writer.flush(socket);
    if (!broken && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
      ReadEnd read = read_frames(socket, reader);
      if (read == ReadEnd::kMore) receive(completions);
      broken = read == ReadEnd::kClosed ||
               (read == ReadEnd::kLater && (events & (EPOLLHUP | EPOLLERR)) != 0);
    }
    if (broken) end(Code::kUnavailable, "ttrpc peer closed the connection", completions);
    watch();
  }
  for (Completion& each : completions) each.done(std::move(each.answer));
}

void Client::Connection::close(Code code, std::string_view why) {
  std::vector<Completion> completions;
  {
    std::unique_lock lock(mutex);
    end(code, why, completions);
  }
  for (Completion& each : completions) each.done(std::move(each.answer));
}

Result<std::unique_ptr<Client>> Client::open(EventThread& thread, Fd socket,
                                             std::string_view name_space) {
  auto connection = std::make_shared<Connection>(thread, std::move(socket), name_space);
  std::unique_lock lock(connection->mutex);  // no event is told before its number is known
  TRY_ASSIGN(connection->watch_id,
             thread.add(connection->socket, EPOLLIN,
                        [connection](std::uint32_t events) { connection->on_ready(events); }));
  lock.unlock();
  return std::unique_ptr<Client>(new Client(std::move(connection)));
}

Client::~Client() { connection_->close(Code::kCancelled, "ttrpc connection is no longer used"); }

void Client::call(std::string_view service, std::string_view method, std::string_view payload,
                  Done done) {
  Request request{service, method, payload};
  auto sent = connection_->send(request, done);
  if (!sent) done(fail(std::move(sent.error())));
}

Result<std::string> Client::call(std::string_view service, std::string_view method,
                                 std::string_view payload, Limit limit) {
  std::optional<std::chrono::steady_clock::time_point> until;
  Request request{service, method, payload};
  if (limit) {
    until = std::chrono::steady_clock::now() + *limit;
    request.timeout_nano = std::chrono::nanoseconds(*limit).count();
  }
  Waiter waiter;
  Done done = [&waiter](Result<std::string> answer) { waiter.put(std::move(answer)); };
  TRY_ASSIGN(std::uint32_t stream, connection_->send(request, done));
  if (waiter.wait(until)) return std::move(*waiter.answer);
  if (connection_->drop(stream)) {
    return fail(Code::kDeadlineExceeded, cat(method, ": no answer within ", limit->count(), " ms"));
  }
  waiter.wait(std::nullopt);  // it came at the last moment
  return std::move(*waiter.answer);
}

Result<pid_t> Client::peer_pid() const {
  struct ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(connection_->socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return fail_errno(errno, "ask for the peer of a ttrpc connection");
  }
  return peer.pid;
}

}  // namespace dhow::rpc
