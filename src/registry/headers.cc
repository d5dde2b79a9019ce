// SPDX-License-Identifier: Apache-2.0
#include <strings.h>

#include <algorithm>

#include "base/strings.h"
#include "oci/json_value.h"
#include "registry/http.h"

namespace dhow::registry {
namespace {

constexpr std::size_t kMaxShown = 300;

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view status_text(int status) {
  switch (status) {
    case 400:
      return "bad request";
    case 401:
      return "unauthorized";
    case 403:
      return "forbidden";
    case 404:
      return "not found";
    case 405:
      return "method not allowed";
    case 408:
      return "request timeout";
    case 409:
      return "conflict";
    case 413:
      return "content too large";
    case 416:
      return "range not satisfiable";
    case 429:
      return "too many requests";
    case 500:
      return "internal server error";
    case 501:
      return "not implemented";
    case 502:
      return "bad gateway";
    case 503:
      return "service unavailable";
    case 504:
      return "gateway timeout";
    default:
      return {};
  }
}

// A server may say anything: one line of it, cut, is shown.
std::string shown(std::string_view text) {
  std::string line;
  for (char c : trim(text).substr(0, kMaxShown)) {
    auto byte = static_cast<unsigned char>(c);
    line += byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  return line;
}

std::string registry_errors(std::string_view body) {
  auto document = oci::JsonDocument::parse(body);
  if (!document.has_value()) return {};
  oci::JsonValue errors = document->root().find("errors");
  std::string text;
  for (std::size_t i = 0; i < errors.size() && i < 3; ++i) {
    auto code = errors.item(i).find("code").as_string();
    auto message = errors.item(i).find("message").as_string();
    if (!code && !message) continue;
    text += text.empty() ? "" : "; ";
    text += shown(code.value_or(""));
    if (message && !message->empty()) text += (code ? ": " : "") + shown(*message);
  }
  // Token servers say {"details": "..."}, or as OAuth does {"error": ..., "error_description":
  // ...}.
  for (const char* name : {"details", "error_description", "error", "message"}) {
    if (!text.empty()) break;
    if (auto said = document->root().find(name).as_string()) text = shown(*said);
  }
  return text;
}

}  // namespace

void Headers::add(std::string_view name, std::string_view value) { all_.emplace_back(name, value); }

void Headers::set(std::string_view name, std::string_view value) {
  remove(name);
  add(name, value);
}

void Headers::remove(std::string_view name) {
  std::erase_if(all_, [&](const auto& header) { return same_name(header.first, name); });
}

std::string_view Headers::get(std::string_view name) const {
  for (const auto& [key, value] : all_) {
    if (same_name(key, name)) return value;
  }
  return {};
}

std::vector<std::string_view> Headers::get_all(std::string_view name) const {
  std::vector<std::string_view> found;
  for (const auto& [key, value] : all_) {
    if (same_name(key, name)) found.emplace_back(value);
  }
  return found;
}

Result<std::size_t> TextBody::read_at(std::int64_t offset, std::span<char> buffer) {
  std::string_view rest = text_.substr(std::min(static_cast<std::size_t>(offset), text_.size()));
  return rest.copy(buffer.data(), buffer.size());
}

Code code_from_status(int status) {
  switch (status) {
    case 400:
      return Code::kInvalidArgument;
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kPermissionDenied;
    case 404:
      return Code::kNotFound;
    case 405:
    case 501:
      return Code::kUnimplemented;
    case 409:
      return Code::kAborted;
    case 413:
    case 429:
      return Code::kResourceExhausted;
    case 416:
      return Code::kOutOfRange;
    default:
      break;
  }
  if (status == 408 || status >= 500) return Code::kUnavailable;
  return status >= 400 ? Code::kFailedPrecondition : Code::kUnknown;
}

Error http_error(std::string_view method, const HttpResponse& response) {
  std::string message =
      cat(method, " ", quoted(response.url.safe_text()), ": status ", response.status);
  if (auto text = status_text(response.status); !text.empty()) message += cat(" (", text, ")");
  if (auto said = registry_errors(response.body); !said.empty()) message += ": " + said;
  return {code_from_status(response.status), message};
}

}  // namespace dhow::registry
