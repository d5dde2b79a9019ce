// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "rpc/event_thread.h"
#include "rpc/frame.h"
#include "sys/fd.h"

namespace dhow::rpc {

// A connection to a ttrpc server. Thread safe; any number of calls can be under way. Nothing here
// waits for the peer but the blocking calls, each for its own answer.
//
// What a call fails with: the code and the text of the server; kUnavailable when the peer has
// closed the connection, or does (all calls at once then, and all later ones); kDeadlineExceeded
// when the limit is over; kResourceExhausted when a message is longer than 4 MiB, or 8 MiB are
// waiting for a peer that doesn't read; kCancelled when the Client goes.
class Client {
 public:
  using Limit = std::optional<std::chrono::milliseconds>;
  using Done = std::function<void(Result<std::string>)>;

  // Takes a connected stream socket. Each call carries `name_space` as containerd's calls do,
  // unless it is empty. The thread must live longer.
  static Result<std::unique_ptr<Client>> open(EventThread& thread, Fd socket,
                                              std::string_view name_space);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Blocks until the answer is there. Not on the event thread.
  Result<std::string> call(std::string_view service, std::string_view method,
                           std::string_view payload, Limit limit);
  // Returns at once. `done` is called once, on the event thread as a rule, or before this returns
  // when the call can't be sent; it must not block.
  void call(std::string_view service, std::string_view method, std::string_view payload, Done done);

  // The same with messages: client.call<StateResponse>(kServiceV2, StateRequest{…}, limit).
  template <MessageType A, MessageType Q>
  Result<A> call(std::string_view service, const Q& request, Limit limit) {
    TRY_ASSIGN(std::string payload, call(service, Q::kMethod, encode(request), limit));
    return decode<A>(payload);
  }
  template <MessageType A, MessageType Q>
  void call_async(std::string_view service, const Q& request, std::function<void(Result<A>)> done) {
    call(service, Q::kMethod, encode(request),
         [done = std::move(done)](Result<std::string> answer) {
           done(answer ? decode<A>(*answer) : Result<A>(fail(std::move(answer.error()))));
         });
  }

  // Who listens on the socket of the peer, or made the pair (SO_PEERCRED).
  Result<pid_t> peer_pid() const;

 private:
  struct Connection;
  explicit Client(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}

  std::shared_ptr<Connection> connection_;
};

}  // namespace dhow::rpc
