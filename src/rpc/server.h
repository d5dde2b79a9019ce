// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/strings.h"
#include "rpc/frame.h"
#include "sys/fd.h"

namespace dhow::rpc {

class Server;

// The answer that a call is waiting for: given once, now or later, from the server's thread. One
// that is dropped without an answer is an internal error for the caller. When the caller has gone
// meanwhile, the answer goes nowhere. The server must live longer.
class Reply {
 public:
  Reply(Reply&& other) noexcept
      : server_(std::exchange(other.server_, nullptr)),
        connection_(other.connection_),
        stream_(other.stream_) {}
  Reply& operator=(Reply&& other) noexcept;
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;
  ~Reply();

  template <MessageType M>
  void send(const M& answer) {
    finish(encode(answer));
  }
  void fail(const Error& error);
  template <MessageType M>
  void send(const Result<M>& answer) {
    if (answer) {
      send(*answer);
    } else {
      fail(answer.error());
    }
  }
  // Empty, or the failure.
  void send(const Status& answer);

 private:
  friend class Server;
  Reply(Server* server, std::uint64_t connection, std::uint32_t stream)
      : server_(server), connection_(connection), stream_(stream) {}
  void finish(std::string_view payload);

  Server* server_;
  std::uint64_t connection_;
  std::uint32_t stream_;
};

// The methods of a service, each by the type of its request:
//
//   service.on<KillRequest>([&](const KillRequest& request) -> Status { … });
//   service.on<StateRequest>([&](const StateRequest& request) -> Result<StateResponse> { … });
//   service.on<WaitRequest>([&](const WaitRequest& request, Reply reply) { … });  // answers later
class Service {
 public:
  template <MessageType Q, typename Handler>
  void on(Handler handler) {
    methods_.push_back({Q::kMethod, [handler](std::string_view payload, Reply reply) {
                          auto request = decode<Q>(payload);
                          if (!request) {
                            return reply.fail(Error(
                                Code::kInternal, cat(Q::kMethod, ": ", request.error().message())));
                          }
                          if constexpr (std::is_invocable_v<Handler, const Q&, Reply>) {
                            handler(*request, std::move(reply));
                          } else {
                            reply.send(handler(*request));
                          }
                        }});
  }

 private:
  friend class Server;
  struct Method {
    std::string_view name;
    std::function<void(std::string_view payload, Reply reply)> call;
  };
  std::vector<Method> methods_;
};

// A ttrpc server for one thread that has an event loop of its own: that waits until fd() is
// readable and calls dispatch(). Unary calls only; one that opens a stream is kUnimplemented.
// Nothing here blocks. A caller that does not read its answers is not read from either once 1 MiB
// of them is waiting. Peers of another user (but root) are turned away (SO_PEERCRED).
class Server {
 public:
  static Result<std::unique_ptr<Server>> make();
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Under that name, which must live as long; the service is borrowed. One service can have several
  // names.
  void add(std::string_view name, const Service& service) { services_[name] = &service; }
  // Accepts connections from a socket that listens.
  Status listen(Fd listener);
  // Serves a stream socket that is connected.
  Status serve(Fd connection);

  FdRef fd() const { return epoll_; }
  // Does what can be done without waiting: some of it, if there is much.
  Status dispatch();

  // Whether answers wait for their callers to read: a program that is about to end stays for them.
  bool has_unsent() const;
  std::size_t connections() const { return connections_.size(); }

 private:
  friend class Reply;
  struct Connection;

  Server(Fd epoll, Fd spare);
  void accept_one();
  void attend(std::uint64_t id, Connection& connection, std::uint32_t ready);
  void take_frame(std::uint64_t id, Connection& connection, const Frame& frame);
  void take_request(std::uint64_t id, Connection& connection, const Frame& frame);
  void respond(Connection& connection, std::uint32_t stream, const Response& response);
  void refuse(Connection& connection, std::uint32_t stream, Code code, std::string_view why);
  void watch(std::uint64_t id, Connection& connection);
  // Of a Reply.
  void answer(std::uint64_t id, std::uint32_t stream, const Response& response);

  Fd epoll_;
  Fd spare_;  // closed for a moment when there are no more descriptors, to turn a caller away
  Fd listener_;
  std::map<std::string_view, const Service*> services_;
  std::map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::uint64_t last_id_ = 0;  // 0 stands for the listener
};

}  // namespace dhow::rpc
