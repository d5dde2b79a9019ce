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
#include <utility>
#include <vector>

#include "base/result.h"
#include "registry/proxy.h"
#include "registry/url.h"

namespace dhow::registry {

// The headers of a message, in order; names are compared without regard to case (RFC 9110, 5.1).
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string, std::string>> all) : all_(all) {}

  void add(std::string_view name, std::string_view value);
  // Replaces whatever had that name.
  void set(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  // The first value of that name; "" when there is none.
  std::string_view get(std::string_view name) const;
  std::vector<std::string_view> get_all(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return all_; }

 private:
  std::vector<std::pair<std::string, std::string>> all_;
};

// What makes a TLS connection different from the system's default.
struct TlsOptions {
  std::vector<std::string> ca_files;  // trusted besides the system's authorities
  std::string client_certificate;     // PEM files; "": none
  std::string client_key;             // "": in the file of the certificate
  bool skip_verify = false;

  bool operator==(const TlsOptions&) const = default;
};

// What a request carries. Read from any place, since it may have to be sent again.
class BodySource {
 public:
  virtual ~BodySource() = default;
  virtual std::int64_t size() const = 0;  // bytes
  // Fills the buffer from that place; fewer bytes than asked for only at the end.
  virtual Result<std::size_t> read_at(std::int64_t offset, std::span<char> buffer) = 0;
};

// A text as a body. It is borrowed.
class TextBody final : public BodySource {
 public:
  explicit TextBody(std::string_view text) : text_(text) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(text_.size()); }
  Result<std::size_t> read_at(std::int64_t offset, std::span<char> buffer) override;

 private:
  std::string_view text_;
};

struct HttpResponse {
  int status = 0;
  Headers headers = {};
  std::string body = {};  // unless it went to a sink
  Url url = {};           // what answered, after redirects

  bool ok() const { return status >= 200 && status < 300; }
};

// Takes the body of an answer with a status of 2xx; every other one is kept in HttpResponse::body.
// A failure ends the exchange, and is its failure.
class BodySink {
 public:
  virtual ~BodySink() = default;
  // Called once, before the first write, with status and headers.
  virtual Status begin(const HttpResponse& head) = 0;
  virtual Status write(std::string_view data) = 0;
};

struct HttpRequest {
  std::string method = "GET";
  Url url;
  Headers headers = {};
  BodySource* body = nullptr;           // borrowed
  BodySink* sink = nullptr;             // borrowed; none: the body is kept
  std::size_t body_limit = {1U << 20};  // bytes of a kept body; a longer one of 2xx is kOutOfRange
  TlsOptions tls = {};
  std::chrono::milliseconds dial_timeout{30'000};  // names, connection and TLS handshake
  // The redirects that are followed, by hand: Authorization and `private_headers` only go to the
  // origin that they were meant for, and https never becomes http.
  int max_redirects = 10;
  std::vector<std::string> private_headers = {};
};

// How far a request came that had no answer.
enum class HttpFault {
  kNone,
  kConnect,    // no connection
  kHandshake,  // no TLS on it
  kOther,
};

struct HttpOptions {
  std::string user_agent = {};
  // No byte in either direction for that long is a failure.
  std::chrono::milliseconds no_progress{60'000};
  ProxySettings proxies = ProxySettings::from_environment();
  std::size_t max_idle = 8;  // connections that are kept for later
};

// Speaks HTTP/1.1 by libcurl. Connections are kept and used again. Thread safe; calls block.
class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();

  // One exchange, after redirects. Any status is an answer; a failure is kUnavailable when there
  // was none, kFailedPrecondition when the other side could not be trusted, kCancelled when `stop`
  // was asked for, or the sink's or the body's own. `fault` may be null.
  Result<HttpResponse> send(HttpRequest request, std::stop_token stop, HttpFault* fault = nullptr);

 private:
  struct Pool;
  Result<HttpResponse> exchange(const HttpRequest& request, const std::stop_token& stop,
                                HttpFault* fault);

  HttpOptions options_;
  std::unique_ptr<Pool> pool_;
};

// The failure that an answer of no 2xx status is: what was asked, the status, and what the registry
// said ("errors" of its body, distribution-spec, "Error Codes"). Holds no query and no credential.
Error http_error(std::string_view method, const HttpResponse& response);

// The class of failure that a status is.
Code code_from_status(int status);

}  // namespace dhow::registry
