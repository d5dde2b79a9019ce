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
#include "rpc/client.h"
#include "task/bundle.h"
#include "task/tasks.h"

namespace dhow::task {

// A shim that is connected to, and the one task in it. Thread safe.
class Shim {
 public:
  // Connects; does not wait for the shim to accept. kUnavailable when nobody listens any more;
  // kResourceExhausted when nobody accepts either.
  static Result<std::shared_ptr<Shim>> connect(rpc::EventThread& thread, const Key& key,
                                               Bootstrap bootstrap);

  const Key& key() const { return key_; }
  const Bootstrap& bootstrap() const { return bootstrap_; }

  template <rpc::MessageType A = rpc::Empty, rpc::MessageType Q>
  Result<A> call(const Q& request, std::chrono::milliseconds limit) {
    Result<A> answer = client_->call<A>(service(), request, limit);
    if (!answer && answer.error().code() == Code::kDeadlineExceeded) {
      return fail(std::move(answer).error().add_context("the shim of " + key_.id));
    }
    return answer;
  }
  template <rpc::MessageType A, rpc::MessageType Q>
  void call_async(const Q& request, std::function<void(Result<A>)> done) {
    client_->call_async<A>(service(), request, std::move(done));
  }

  // Asks a foreign shim for its pid, so that it can be killed when it hangs. Before it is shared.
  void learn_pid(std::chrono::milliseconds limit);
  // Blocks until a process has ended.
  Result<rpc::task::WaitResponse> wait_exit(std::string_view exec_id, rpc::Client::Limit limit) {
    return client_->call<rpc::task::WaitResponse>(
        service(), rpc::task::WaitRequest{key_.id, std::string(exec_id)}, limit);
  }

  // Some shims of version 3 have only the second one's service: true when that is to be tried, with
  // the request that has failed. Before the shim is shared.
  bool fall_back(const Error& error);

 private:
  Shim(Key key, Bootstrap bootstrap, std::unique_ptr<rpc::Client> client)
      : key_(std::move(key)), bootstrap_(std::move(bootstrap)), client_(std::move(client)) {}
  std::string_view service() const {
    return bootstrap_.version == 2 ? rpc::task::kServiceV2 : rpc::task::kServiceV3;
  }

  Key key_;
  Bootstrap bootstrap_;
  std::unique_ptr<rpc::Client> client_;
};

}  // namespace dhow::task
