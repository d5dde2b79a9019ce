// SPDX-License-Identifier: Apache-2.0
#include "registry/url.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cctype>
#include <curl/curl.h>
#include <memory>

#include "base/strings.h"

namespace dhow::registry {
namespace {

using Handle = std::unique_ptr<CURLU, decltype([](CURLU* url) { curl_url_cleanup(url); })>;

std::string_view without_query(std::string_view text) {
  return text.substr(0, text.find_first_of("?#"));
}

std::string part(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, 0) != CURLUE_OK) return {};
  std::string copy = text;
  curl_free(text);
  return copy;
}

Result<Url> read(CURLU* handle, std::string_view text) {
  // Not even named: it is most likely a secret.
  if (!part(handle, CURLUPART_USER).empty() || !part(handle, CURLUPART_PASSWORD).empty()) {
    return fail(Code::kInvalidArgument, "a URL must not hold a user name or a password");
  }
  Url url{.scheme = part(handle, CURLUPART_SCHEME),
          .host = part(handle, CURLUPART_HOST),
          .port = part(handle, CURLUPART_PORT),
          .path = part(handle, CURLUPART_PATH),
          .query = part(handle, CURLUPART_QUERY)};
  if (url.scheme != "http" && url.scheme != "https") {
    return fail(Code::kInvalidArgument,
                cat("parse URL ", quoted(without_query(text)), ": neither http nor https"));
  }
  // What was encoded is not any more: it would be another host when it is written and read again.
  auto is_of_hosts = [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("-._:[]").contains(static_cast<char>(c));
  };
  if (!std::ranges::all_of(url.host, is_of_hosts)) {
    return fail(Code::kInvalidArgument, cat("parse URL ", quoted(without_query(text)),
                                            ": the host has a character that hosts don't have"));
  }
  for (char& c : url.host) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return url;
}

Status set(CURLU* handle, std::string_view text) {
  std::string copy(text);
  CURLUcode code = text.find('\0') != std::string_view::npos
                       ? CURLUE_MALFORMED_INPUT
                       : curl_url_set(handle, CURLUPART_URL, copy.c_str(), 0);
  if (code == CURLUE_OK) return {};
  // What stands before an '@' may be a secret.
  std::string shown(without_query(text));
  if (auto at = shown.find('@'); at != std::string::npos) shown = "..." + shown.substr(at);
  return fail(Code::kInvalidArgument,
              cat("parse URL ", quoted(shown), ": ", curl_url_strerror(code)));
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  Handle handle(curl_url());
  TRY(set(handle.get(), text));
  return read(handle.get(), text);
}

Result<Url> Url::resolve(std::string_view location) const {
  Handle handle(curl_url());
  TRY(set(handle.get(), this->text()));
  TRY(set(handle.get(), location));
  return read(handle.get(), location);
}

std::string Url::authority() const { return port.empty() ? host : cat(host, ":", port); }

std::string Url::safe_text() const { return cat(scheme, "://", authority(), path); }

std::string Url::text() const { return query.empty() ? safe_text() : cat(safe_text(), "?", query); }

std::string_view Url::effective_port() const {
  if (!port.empty()) return port;
  return scheme == "https" ? "443" : "80";
}

bool Url::same_origin(const Url& other) const {
  return scheme == other.scheme && host == other.host && effective_port() == other.effective_port();
}

void Url::add_query(std::string_view name, std::string_view value) {
  if (!query.empty()) query += '&';
  query += cat(name, "=", percent_encode(value));
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '-' || c == '.' || c == '_' || c == '~';
    auto byte = static_cast<unsigned char>(c);
    if (plain) {
      encoded += c;
    } else {
      encoded += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return encoded;
}

bool is_loopback(std::string_view host) {
  if (host == "localhost" || host.ends_with(".localhost")) return true;
  std::string address(host);
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  }
  in_addr four{};
  if (::inet_pton(AF_INET, address.c_str(), &four) == 1) {
    return ntohl(four.s_addr) >> 24 == 127;
  }
  in6_addr six{};
  return ::inet_pton(AF_INET6, address.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

}  // namespace dhow::registry
