// SPDX-License-Identifier: Apache-2.0
#include "rpc/server.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

namespace dhow::rpc {
namespace {

constexpr std::size_t kMaxUnsent = std::size_t{1} << 20;
constexpr std::uint64_t kListener = 0;

bool is_trusted(FdRef socket) {
  struct ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

}  // namespace

struct Server::Connection {
  Fd socket;
  FrameReader reader;
  FrameWriter writer;
  std::uint32_t last_stream = 0;
  std::vector<std::uint32_t> open;  // streams that wait for their response
  std::uint32_t watched = EPOLLIN;
  bool broken = false;
};

Reply& Reply::operator=(Reply&& other) noexcept {
  Reply old(std::move(*this));  // answered as dropped
  server_ = std::exchange(other.server_, nullptr);
  connection_ = other.connection_;
  stream_ = other.stream_;
  return *this;
}

Reply::~Reply() {
  if (server_ != nullptr) fail(Error(Code::kInternal, "call ended without an answer"));
}

void Reply::finish(std::string_view payload) {
  Response response;
  response.payload = payload;
  if (server_ != nullptr) std::exchange(server_, nullptr)->answer(connection_, stream_, response);
}

void Reply::fail(const Error& error) {
  Response response;
  response.status = to_call_status(error);
  if (server_ != nullptr) std::exchange(server_, nullptr)->answer(connection_, stream_, response);
}

void Reply::send(const Status& answer) {
  if (answer) {
    finish({});
  } else {
    fail(answer.error());
  }
}

Result<std::unique_ptr<Server>> Server::make() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno(errno, "make epoll");
  Fd spare(::eventfd(0, EFD_CLOEXEC));
  if (!spare) return fail_errno(errno, "make spare descriptor");
  return std::unique_ptr<Server>(new Server(std::move(epoll), std::move(spare)));
}

Server::Server(Fd epoll, Fd spare) : epoll_(std::move(epoll)), spare_(std::move(spare)) {}

Server::~Server() = default;

Status Server::listen(Fd listener) {
  struct epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kListener;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener.get(), &event) != 0) {
    return fail_errno(errno, "watch ttrpc socket");
  }
  listener_ = std::move(listener);
  return {};
}

Status Server::serve(Fd connection) {
  std::uint64_t id = ++last_id_;
  struct epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = id;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connection.get(), &event) != 0) {
    return fail_errno(errno, "watch ttrpc connection");
  }
  auto entry = std::make_unique<Connection>();
  entry->socket = std::move(connection);
  connections_.emplace(id, std::move(entry));
  return {};
}

void Server::accept_one() {
  Fd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!connection && (errno == EMFILE || errno == ENFILE)) {
    // Left in the backlog it would wake this loop up for ever; so it gets an end of file.
    spare_.reset();
    Fd turned_away(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    turned_away.reset();
    spare_.reset(::eventfd(0, EFD_CLOEXEC));
    return;
  }
  if (!connection || !is_trusted(connection)) return;
  // Without memory or watches for it the caller sees its connection end.
  std::ignore = serve(std::move(connection));
}

Status Server::dispatch() {
  struct epoll_event events[8];
  int count = ::epoll_wait(epoll_.get(), events, 8, 0);
  if (count < 0 && errno != EINTR) return fail_errno(errno, "wait for ttrpc callers");
  for (int i = 0; i < count; ++i) {
    std::uint64_t id = events[i].data.u64;  // the structure is packed: no reference to it
    if (id == kListener) {
      accept_one();
      continue;
    }
    auto found = connections_.find(id);
    if (found == connections_.end()) continue;
    attend(id, *found->second, events[i].events);
    if (found->second->broken) connections_.erase(found);
  }
  return {};
}

void Server::attend(std::uint64_t id, Connection& connection, std::uint32_t ready) {
  if ((ready & EPOLLOUT) != 0 && !connection.writer.flush(connection.socket)) {
    connection.broken = true;
  }
  bool gone = (ready & (EPOLLHUP | EPOLLERR)) != 0;
  if ((ready & EPOLLIN) != 0 || gone) {
    switch (read_frames(connection.socket, connection.reader)) {
      case ReadEnd::kMore:
        break;
      case ReadEnd::kLater:
        connection.broken = connection.broken || gone;
        break;
      case ReadEnd::kClosed:
        connection.broken = true;
    }
  }
  while (!connection.broken) {
    auto frame = connection.reader.next();
    if (!frame) break;
    take_frame(id, connection, *frame);
  }
  watch(id, connection);
}

void Server::watch(std::uint64_t id, Connection& connection) {
  std::size_t unsent = connection.writer.unsent();
  std::uint32_t wanted = (unsent > kMaxUnsent ? 0U : EPOLLIN) | (unsent > 0 ? EPOLLOUT : 0U);
  if (connection.broken || wanted == connection.watched) return;
  connection.watched = wanted;
  struct epoll_event event{};
  event.events = wanted;
  event.data.u64 = id;
  // Only fails for want of memory; then this caller's connection ends with its next event.
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.socket.get(), &event) != 0) {
    connection.broken = true;
  }
}

void Server::refuse(Connection& connection, std::uint32_t stream, Code code, std::string_view why) {
  std::erase(connection.open, stream);
  Response response;
  response.status = CallStatus{status_number(code), std::string(why), {}};
  respond(connection, stream, response);
}

void Server::respond(Connection& connection, std::uint32_t stream, const Response& response) {
  auto sent =
      connection.writer.send(connection.socket, stream, FrameType::kResponse, encode(response));
  if (sent) return;
  if (sent.error().code() == Code::kResourceExhausted) {
    refuse(connection, stream, sent.error().code(), sent.error().message());
  } else {
    connection.broken = true;
  }
}

void Server::take_frame(std::uint64_t id, Connection& connection, const Frame& frame) {
  bool is_request = frame.type == FrameType::kRequest;
  if (!is_request && frame.type != FrameType::kData) return;
  if (frame.oversized) {
    if (is_request) connection.last_stream = std::max(connection.last_stream, frame.stream);
    refuse(connection, frame.stream, Code::kResourceExhausted,
           cat("message longer than ", kMaxFrameData, " bytes"));
  } else if (is_request) {
    take_request(id, connection, frame);
  } else {
    refuse(connection, frame.stream, Code::kInvalidArgument, "data on a stream that is not open");
  }
}

void Server::take_request(std::uint64_t id, Connection& connection, const Frame& frame) {
  std::uint32_t stream = frame.stream;
  if (stream % 2 == 0) {
    refuse(connection, stream, Code::kInvalidArgument, "stream id of a client must be odd");
    return;
  }
  if (stream <= connection.last_stream) {
    refuse(connection, stream, Code::kInvalidArgument, "stream id is not larger than the last");
    return;
  }
  connection.last_stream = stream;
  auto request = decode<Request>(frame.data);
  if (!request) {
    refuse(connection, stream, Code::kInvalidArgument, request.error().message());
    return;
  }
  auto service = services_.find(request->service);
  if (service == services_.end()) {
    refuse(connection, stream, Code::kUnimplemented, cat("service ", request->service));
    return;
  }
  const auto& methods = service->second->methods_;
  auto method = std::ranges::find(methods, request->method, &Service::Method::name);
  if (method == methods.end()) {
    refuse(connection, stream, Code::kUnimplemented, cat("method ", request->method));
    return;
  }
  if ((frame.flags & kFlagRemoteOpen) != 0) {
    refuse(connection, stream, Code::kUnimplemented,
           cat("method ", request->method, ": streams are not supported"));
    return;
  }
  connection.open.push_back(stream);
  method->call(request->payload, Reply(this, id, stream));
}

void Server::answer(std::uint64_t id, std::uint32_t stream, const Response& response) {
  auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  // A stream that has been ended for a fault of the caller's gets no second response.
  if (std::erase(connection.open, stream) == 0 || connection.broken) return;
  respond(connection, stream, response);
  watch(id, connection);
  // Wakes dispatch() up, which is the only one to take connections away.
  if (connection.broken) ::shutdown(connection.socket.get(), SHUT_RDWR);
}

bool Server::has_unsent() const {
  return std::ranges::any_of(connections_,
                             [](const auto& entry) { return entry.second->writer.unsent() > 0; });
}

}  // namespace dhow::rpc
