// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "client/client.h"

namespace dhow::crash_test {

struct Answer {
  bool came = false;  // whole; else the daemon has gone
  int status = 0;
  std::string body;
  bool good() const { return came && status < 400; }
};

// One user of the engine's API. For one thread. A call without an answer for a minute is reported:
// nothing that is asked here may take that long.
class Api {
 public:
  using Report = std::function<void(std::string)>;
  // `sent` is told of each request, when it is on its way.
  Api(std::string socket, std::function<void()> sent, Report report);

  Answer call(std::string_view method, std::string path, client::Query query = {},
              std::string body = {});
  Answer get(std::string path, client::Query query = {}) {
    return call("GET", std::move(path), std::move(query));
  }
  Answer post(std::string path, client::Query query = {}, std::string body = {}) {
    return call("POST", std::move(path), std::move(query), std::move(body));
  }

  // A call whose answer is a stream: its head has been read.
  class Stream {
   public:
    // What comes until its end.
    Answer rest();
    bool good() const { return head.good(); }

   private:
    friend class Api;
    Api* api = nullptr;
    std::shared_ptr<client::Client> client;  // in front of what gives connections back to it
    std::unique_ptr<client::Exchange> exchange;
    Answer head;
    std::string path;
  };
  // They are to a daemon that was killed.
  void forget_connections() { client_.reset(); }

  Stream open(std::string path, client::Query query, std::string body = {});

 private:
  Answer failed(std::string_view path, const Error& error);
  Result<client::Exchange> send(client::Call call);

  std::string socket_;
  std::function<void()> sent_;
  Report report_;
  std::shared_ptr<client::Client> client_;
};

}  // namespace dhow::crash_test
