// SPDX-License-Identifier: Apache-2.0
#include "registry/curl_exchange.h"

#include <stdio.h>

#include <algorithm>
#include <curl/curl.h>
#include <limits>

#include "base/cleanup.h"
#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::registry {
namespace {

constexpr std::size_t kMaxHeaders = 256U << 10;  // bytes of all headers of one answer
constexpr std::size_t kMaxPem = 4U << 20;

using List = std::unique_ptr<curl_slist, decltype([](curl_slist* l) { curl_slist_free_all(l); })>;

void append(List& list, const std::string& line) {
  if (curl_slist* head = curl_slist_append(list.get(), line.c_str()); head != nullptr) {
    std::ignore = list.release();
    list.reset(head);
  }
}

bool has_line_break(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

Code class_of(CURLcode code) {
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return Code::kFailedPrecondition;
    case CURLE_OUT_OF_MEMORY:
      return Code::kResourceExhausted;
    default:
      return Code::kUnavailable;
  }
}

// With TLS 1.3 a server says after the handshake that it wants another certificate, or any: to
// libcurl that is a failed read, and only OpenSSL's words tell it from a bad line.
bool is_refused_certificate(std::string_view reason) {
  for (std::string_view alert :
       {"alert certificate required", "alert bad certificate", "alert unknown ca",
        "alert unsupported certificate", "alert certificate expired", "alert certificate revoked",
        "alert certificate unknown"}) {
    if (reason.contains(alert)) return true;
  }
  return false;
}

HttpFault fault_of(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
      return HttpFault::kConnect;
    case CURLE_SSL_CONNECT_ERROR:
      return HttpFault::kHandshake;
    default:
      return HttpFault::kOther;
  }
}

}  // namespace

struct CurlHandle::Parts {
  // The multi handle has the connection, and can be woken from another thread.
  CURLM* multi = nullptr;
  CURL* easy = nullptr;
  List headers;

  ~Parts() {
    if (easy != nullptr) curl_easy_cleanup(easy);
    if (multi != nullptr) curl_multi_cleanup(multi);
  }
};

CurlHandle::CurlHandle(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
CurlHandle::~CurlHandle() = default;

Result<std::unique_ptr<CurlHandle>> CurlHandle::make() {
  // Safe from several threads since libcurl 7.84; never undone, as others may use it too.
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  auto parts = std::make_unique<Parts>();
  if (started == CURLE_OK) {
    parts->multi = curl_multi_init();
    parts->easy = curl_easy_init();
  }
  if (parts->multi == nullptr || parts->easy == nullptr) {
    return fail(Code::kResourceExhausted, "start libcurl: no handle");
  }
  return std::unique_ptr<CurlHandle>(new CurlHandle(std::move(parts)));
}

struct CurlCallbacks {
  static CurlExchange& of(void* self) { return *static_cast<CurlExchange*>(self); }

  static std::size_t header(char* data, std::size_t, std::size_t size, void* self) {
    return of(self).on_header({data, size});
  }
  static std::size_t body(char* data, std::size_t, std::size_t size, void* self) {
    return of(self).on_body({data, size});
  }
  static std::size_t send(char* data, std::size_t, std::size_t size, void* self) {
    return of(self).on_send({data, size});
  }
  static int seek(void* self, curl_off_t offset, int origin) {
    if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
    return of(self).on_seek(offset) ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
  }
};

std::string CurlExchange::what() const {
  return cat(request_.method, " ", quoted(request_.url.safe_text()));
}

void CurlExchange::fail_with(Error error) {
  if (!error_) error_ = std::move(error);
}

std::size_t CurlExchange::on_header(std::string_view line) {
  last_progress_ = Clock::now();
  std::string_view text = trim(line);
  if (line.starts_with("HTTP/")) {  // of a final answer or of a 1xx before it
    response_.headers = {};
    auto space = text.find(' ');
    response_.status = space == std::string_view::npos
                           ? 0
                           : parse_number<int>(text.substr(space + 1, 3)).value_or(0);
    return line.size();
  }
  if (text.empty()) {  // the end of the headers, or of the trailers after a body
    if (response_.ok() && request_.sink != nullptr && !to_sink_) {
      to_sink_ = true;
      if (Status status = request_.sink->begin(response_); !status.has_value()) {
        fail_with(status.error());
        return 0;
      }
    }
    return line.size();
  }
  std::size_t held = 0;
  for (const auto& [name, value] : response_.headers.all()) held += name.size() + value.size();
  auto colon = text.find(':');
  if (colon == std::string_view::npos) return line.size();
  if (held + text.size() > kMaxHeaders) {
    fail_with(
        Error(Code::kOutOfRange, cat(what(), ": more than ", kMaxHeaders, " bytes of headers")));
    return 0;
  }
  response_.headers.add(text.substr(0, colon), trim(text.substr(colon + 1)));
  return line.size();
}

std::size_t CurlExchange::on_body(std::string_view data) {
  // Again after a sink that was slow: it was not the network.
  Cleanup progress([this] { last_progress_ = Clock::now(); });
  if (to_sink_) {
    if (Status status = request_.sink->write(data); !status.has_value()) {
      fail_with(status.error());
      return 0;
    }
    return data.size();
  }
  std::size_t room = request_.body_limit - std::min(request_.body_limit, response_.body.size());
  if (data.size() > room && response_.ok()) {
    fail_with(Error(Code::kOutOfRange,
                    cat(what(), ": the answer is larger than ", request_.body_limit, " bytes")));
    return 0;
  }
  response_.body += data.substr(0, room);
  return data.size();
}

std::size_t CurlExchange::on_send(std::span<char> buffer) {
  Cleanup progress([this] { last_progress_ = Clock::now(); });
  if (request_.body == nullptr) return 0;
  Result<std::size_t> count = request_.body->read_at(sent_, buffer);
  if (!count.has_value()) {
    fail_with(count.error());
    return CURL_READFUNC_ABORT;
  }
  sent_ += static_cast<std::int64_t>(*count);
  return *count;
}

bool CurlExchange::on_seek(std::int64_t offset) {
  // libcurl sends a request again when a connection that was kept turns out to be closed. One whose
  // body was under way may have arrived: only the caller knows whether it may come twice.
  return offset == sent_;
}

void CurlExchange::prepare_method() {
  CURL* easy = handle_.parts_->easy;
  if (request_.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request_.method == "GET") {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
  } else {
    if (request_.method != "DELETE" || request_.body != nullptr) {
      curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
      curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
                       curl_off_t{request_.body == nullptr ? 0 : request_.body->size()});
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
}

Status CurlExchange::prepare_tls() {
  CURL* easy = handle_.parts_->easy;
  const TlsOptions& tls = request_.tls;
  // The system's authorities stay, by the folder of hashes that libcurl was built with.
  ca_.clear();
  for (const std::string& file : tls.ca_files) {
    TRY_ASSIGN(std::string pem, read_file(file, kMaxPem));
    ca_ += pem + "\n";
  }
  if (!ca_.empty()) {
    curl_blob blob{.data = ca_.data(), .len = ca_.size(), .flags = CURL_BLOB_NOCOPY};
    curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
  }
  if (!tls.client_certificate.empty()) {
    const std::string& key = tls.client_key.empty() ? tls.client_certificate : tls.client_key;
    curl_easy_setopt(easy, CURLOPT_SSLCERT, tls.client_certificate.c_str());
    curl_easy_setopt(easy, CURLOPT_SSLKEY, key.c_str());
  }
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls.skip_verify ? 0L : 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls.skip_verify ? 0L : 2L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
  return {};
}

Status CurlExchange::prepare() {
  CURL* easy = handle_.parts_->easy;
  curl_easy_reset(easy);
  TRY(prepare_tls());
  prepare_method();
  curl_easy_setopt(easy, CURLOPT_URL, request_.url.text().c_str());
  curl_easy_setopt(easy, CURLOPT_PROXY, options_.proxies.choose(request_.url).c_str());
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  // A handle has one request at a time, so that HTTP/2 would give nothing.
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  curl_easy_setopt(easy, CURLOPT_USERAGENT, options_.user_agent.c_str());
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(request_.dial_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L << 10);
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, reason_);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &CurlCallbacks::header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &CurlCallbacks::body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, &CurlCallbacks::send);
  curl_easy_setopt(easy, CURLOPT_READDATA, this);
  curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, &CurlCallbacks::seek);
  curl_easy_setopt(easy, CURLOPT_SEEKDATA, this);
  List list;
  append(list, "Expect:");  // no round trip before each body
  for (const auto& [name, value] : request_.headers.all()) {
    if (has_line_break(name) || has_line_break(value)) {
      return fail(Code::kInvalidArgument,
                  cat(what(), ": the header ", quoted(name), " holds a line break"));
    }
    // An empty header is sent with a semicolon to libcurl, which makes it a colon.
    append(list, value.empty() ? cat(name, ";") : cat(name, ": ", value));
  }
  handle_.parts_->headers = std::move(list);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, handle_.parts_->headers.get());
  return {};
}

Status CurlExchange::result(int number, HttpFault* fault) {
  auto code = static_cast<CURLcode>(number);
  if (error_) return std::unexpected(std::move(*error_));
  if (code == CURLE_OK) return {};
  *fault = fault_of(code);
  std::string_view reason = reason_[0] != '\0' ? reason_ : curl_easy_strerror(code);
  if (is_refused_certificate(reason)) {
    return fail(Code::kFailedPrecondition,
                cat(what(), ": the client's certificate is refused: ", trim(reason)));
  }
  return fail(class_of(code), cat(what(), ": ", trim(reason)));
}

Status CurlExchange::perform(const std::stop_token& stop, HttpFault* fault) {
  CURLM* multi = handle_.parts_->multi;
  CURL* easy = handle_.parts_->easy;
  std::stop_callback wake(stop, [multi] { curl_multi_wakeup(multi); });
  curl_multi_add_handle(multi, easy);
  Cleanup remove([&] { curl_multi_remove_handle(multi, easy); });
  last_progress_ = Clock::now();
  // A connection has the time that it is given.
  auto allowed = std::max(options_.no_progress, request_.dial_timeout);
  for (;;) {
    int running = 0;
    CURLMcode failure = curl_multi_perform(multi, &running);
    if (failure != CURLM_OK) {
      *fault = HttpFault::kOther;
      return fail(Code::kUnavailable, cat(what(), ": ", curl_multi_strerror(failure)));
    }
    int left = 0;
    if (CURLMsg* message = curl_multi_info_read(multi, &left); message != nullptr) {
      return result(static_cast<int>(message->data.result), fault);
    }
    if (stop.stop_requested()) return fail(Code::kCancelled, cat(what(), ": cancelled"));
    curl_off_t connected = 0;
    curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
    auto limit = connected > 0 ? options_.no_progress : allowed;
    auto idle =
        std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - last_progress_);
    if (idle >= limit) {
      *fault = HttpFault::kOther;
      return fail(Code::kUnavailable,
                  cat(what(), ": no progress for ", idle.count(), " milliseconds"));
    }
    auto wait = std::min<std::int64_t>((limit - idle).count() + 1, 1000);
    curl_multi_poll(multi, nullptr, 0, static_cast<int>(wait), nullptr);
  }
}

Result<HttpResponse> CurlExchange::run(const std::stop_token& stop, HttpFault* fault) {
  response_.url = request_.url;
  TRY(prepare());
  // The handle outlives this object, whose buffers it must not see again.
  Cleanup reset([this] { curl_easy_reset(handle_.parts_->easy); });
  TRY(perform(stop, fault));
  return std::move(response_);
}

}  // namespace dhow::registry
