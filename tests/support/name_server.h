// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "dns/message.h"
#include "sys/fd.h"

namespace dhow::testing_support {

// A name server of a test, in a network namespace, in a thread of its own: port 53, UDP and TCP.
class NameServer {
 public:
  // What is sent back for a query, one message after the other.
  using Answers = std::function<std::vector<std::string>(const dns::Query& query, bool is_stream)>;

  static Result<std::unique_ptr<NameServer>> start(FdRef space, const std::string& address,
                                                   Answers answers);
  ~NameServer();
  // What it has been asked so far, "udp NAME" or "tcp NAME".
  std::vector<std::string> asked() const;

 private:
  NameServer() = default;
  void serve();
  std::vector<std::string> take(std::string_view message, bool is_stream);
  void serve_stream();

  Fd datagrams_, listener_, stop_;
  Answers answers_;
  mutable std::mutex mutex_;
  std::vector<std::string> asked_;
  std::thread thread_;
};

// Sends bytes to port 53 there, and waits for what comes back, at most that long; "": nothing. By
// TCP without the lengths.
std::string exchange(FdRef space, const std::string& server, std::string_view message,
                     bool is_stream = false, int milliseconds = 20'000);

// An answer in words: its addresses or its name, "failure N", "truncated", "silence".
std::string words_of_answer(std::string_view answer, const dns::Query& query);

// What the resolver of a container says to a name.
std::string look_up(FdRef space, const std::string& name, dns::Type type = dns::Type::kA,
                    bool is_stream = false);

}  // namespace dhow::testing_support
