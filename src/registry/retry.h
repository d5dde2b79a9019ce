// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "registry/http.h"

namespace dhow::registry {

struct RetryOptions {
  int rounds = 6;  // how often each host is asked at most
  std::chrono::milliseconds first_wait{200};
  std::chrono::milliseconds longest_wait{10'000};
  // A server that wants more time than this (Retry-After) gets this much.
  std::chrono::milliseconds longest_retry_after{60'000};
};

// What a failed attempt means for the next one.
struct Failure {
  Error error;
  bool again = false;                                   // it may work later
  std::optional<std::chrono::milliseconds> after = {};  // not before that
};

// A transport that failed: worth another try when it was the network.
Failure transport_failure(Error error);
// An answer of no 2xx status: worth another try for 408, 429 and 5xx but 501 and 505.
Failure status_failure(std::string_view method, const HttpResponse& response);

// Retry-After (RFC 9110, section 10.2.3): seconds, or a date. None for anything else.
std::optional<std::chrono::milliseconds> parse_retry_after(
    std::string_view value, std::chrono::system_clock::time_point now);

// Waits, at most until `stop` is asked for: kCancelled.
Status wait_for(std::chrono::milliseconds time, const std::stop_token& stop);

// Which of several hosts is to be asked next. Each is asked once a round; one that failed for good
// is left out from then on, as is a mirror (all but the last) that failed twice; between rounds
// there is a pause that doubles each time, with a random half so that many clients don't come back
// together. For one thread.
class Rounds {
 public:
  Rounds(std::vector<std::string> names, RetryOptions options, std::stop_token stop);

  // The index of the next host. Blocks for the pause. When none is left, the failure of all: that
  // of the last host, which is the registry itself, and what the others said.
  Result<std::size_t> next();
  void failed(Failure failure);
  // Something was gained: what failed before counts no more.
  void progressed();

 private:
  struct Entry {
    std::string name;
    std::optional<Error> error;
    bool out = false;
  };

  Status pause();
  Error summary() const;

  std::vector<Entry> hosts_;
  RetryOptions options_;
  std::stop_token stop_;
  std::size_t current_ = 0;
  bool started_ = false;
  int round_ = 0;
  std::optional<std::chrono::milliseconds> after_;
};

}  // namespace dhow::registry
