// SPDX-License-Identifier: Apache-2.0
#include "registry/http.h"

#include <algorithm>
#include <deque>
#include <mutex>

#include "base/strings.h"
#include "registry/curl_exchange.h"

namespace dhow::registry {
namespace {

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Changes the request into the one that an answer redirects to (RFC 9110, section 15.4).
Status redirect(HttpRequest& request, const HttpResponse& response) {
  TRY_ASSIGN(Url target, request.url.resolve(response.headers.get("Location")));
  if (request.url.scheme == "https" && target.scheme == "http" && !request.tls.skip_verify) {
    return fail(Code::kFailedPrecondition,
                cat(request.method, " ", quoted(request.url.safe_text()), ": redirected to ",
                    quoted(target.safe_text()), ", which is not encrypted"));
  }
  if (!request.url.same_origin(target)) {
    request.headers.remove("Authorization");
    for (const std::string& name : request.private_headers) request.headers.remove(name);
  }
  bool reads = request.method == "GET" || request.method == "HEAD";
  if (!reads && response.status != 307 && response.status != 308) {
    request.method = "GET";
    request.body = nullptr;
    request.headers.remove("Content-Type");
    request.headers.remove("Content-Range");
  }
  request.url = std::move(target);
  return {};
}

}  // namespace

// Handles that have a connection, kept by where it goes, so that the next request finds it.
struct HttpClient::Pool {
  struct Idle {
    std::string origin;
    std::unique_ptr<CurlHandle> handle;
  };

  std::unique_ptr<CurlHandle> take(const std::string& origin) {
    std::lock_guard lock(mutex);
    for (auto it = idle.rbegin(); it != idle.rend(); ++it) {
      if (it->origin != origin) continue;
      auto handle = std::move(it->handle);
      idle.erase(std::next(it).base());
      return handle;
    }
    return nullptr;
  }

  void give(const std::string& origin, std::unique_ptr<CurlHandle> handle, std::size_t limit) {
    std::unique_ptr<CurlHandle> oldest;  // closed without the lock
    std::lock_guard lock(mutex);
    idle.push_back({origin, std::move(handle)});
    if (idle.size() <= limit) return;
    oldest = std::move(idle.front().handle);
    idle.pop_front();
  }

  std::mutex mutex;
  std::deque<Idle> idle;  // the one used last is at the end
};

HttpClient::HttpClient(HttpOptions options)
    : options_(std::move(options)), pool_(std::make_unique<Pool>()) {}
HttpClient::~HttpClient() = default;

Result<HttpResponse> HttpClient::exchange(const HttpRequest& request, const std::stop_token& stop,
                                          HttpFault* fault) {
  std::string origin =
      cat(request.url.scheme, "://", request.url.host, ":", request.url.effective_port());
  auto handle = pool_->take(origin);
  if (handle == nullptr) {
    TRY_ASSIGN(handle, CurlHandle::make());
  }
  CurlExchange exchange(*handle, request, options_);
  Result<HttpResponse> response = exchange.run(stop, fault);
  // After a failure there is no telling in what state the connection is.
  if (response.has_value()) pool_->give(origin, std::move(handle), options_.max_idle);
  return response;
}

Result<HttpResponse> HttpClient::send(HttpRequest request, std::stop_token stop, HttpFault* fault) {
  HttpFault ignored;
  if (fault == nullptr) fault = &ignored;
  for (int redirects = 0;; ++redirects) {
    *fault = HttpFault::kNone;
    TRY_ASSIGN(HttpResponse response, exchange(request, stop, fault));
    if (!is_redirect(response.status) || response.headers.get("Location").empty()) return response;
    if (redirects == request.max_redirects) {
      // None wanted: the caller looks at it itself.
      if (redirects == 0) return response;
      return fail(Code::kFailedPrecondition,
                  cat(request.method, " ", quoted(request.url.safe_text()),
                      ": redirected more than ", redirects, " times"));
    }
    TRY(redirect(request, response));
  }
}

}  // namespace dhow::registry
