// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "registry/http.h"

namespace dhow::registry {

// A libcurl handle with the connection that it last used.
class CurlHandle {
 public:
  // kResourceExhausted when libcurl has none.
  static Result<std::unique_ptr<CurlHandle>> make();
  ~CurlHandle();

 private:
  friend class CurlExchange;
  struct Parts;
  explicit CurlHandle(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

// One request and its answer. All of it is borrowed, and made and run by one thread.
class CurlExchange {
 public:
  CurlExchange(CurlHandle& handle, const HttpRequest& request, const HttpOptions& options)
      : handle_(handle), request_(request), options_(options) {}

  // Blocks until the answer is there as a whole.
  Result<HttpResponse> run(const std::stop_token& stop, HttpFault* fault);

 private:
  using Clock = std::chrono::steady_clock;

  Status prepare();
  Status prepare_tls();
  void prepare_method();
  Status perform(const std::stop_token& stop, HttpFault* fault);
  Status result(int code, HttpFault* fault);
  std::string what() const;

  // libcurl's callbacks: how many bytes were taken, or kStop.
  std::size_t on_header(std::string_view line);
  std::size_t on_body(std::string_view data);
  std::size_t on_send(std::span<char> buffer);
  bool on_seek(std::int64_t offset);
  void fail_with(Error error);

  CurlHandle& handle_;
  const HttpRequest& request_;
  const HttpOptions& options_;
  HttpResponse response_;
  std::optional<Error> error_;  // what made a callback stop the exchange
  bool to_sink_ = false;
  std::int64_t sent_ = 0;
  Clock::time_point last_progress_;
  std::string ca_;
  char reason_[256] = "";  // CURL_ERROR_SIZE

  friend struct CurlCallbacks;
};

}  // namespace dhow::registry
