// SPDX-License-Identifier: Apache-2.0
#include "api/docker/http_types.h"

#include <algorithm>

#include "base/strings.h"

namespace dhow::api::docker {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

std::string_view RequestHead::header(std::string_view name) const {
  for (const auto& [own, value] : headers) {
    if (same_name(own, name)) return value;
  }
  return {};
}

std::optional<std::string> url_decode(std::string_view text, bool form) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      auto byte = parse_number<unsigned>(text.substr(i + 1, 2), 16);
      if (!byte) return std::nullopt;
      decoded += static_cast<char>(*byte);
      i += 2;
    } else {
      decoded += form && text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

Query Query::parse(std::string_view text) {
  Query query;
  if (text.empty()) return query;
  for (std::string_view part : split(text, '&')) {
    if (part.empty()) continue;
    std::size_t equals = part.find('=');
    auto name = url_decode(part.substr(0, equals), true);
    auto value = equals == std::string_view::npos ? std::optional(std::string())
                                                  : url_decode(part.substr(equals + 1), true);
    if (name && value) query.values_.emplace_back(std::move(*name), std::move(*value));
  }
  return query;
}

std::string_view Query::get(std::string_view name) const {
  for (const auto& [own, value] : values_) {
    if (own == name) return value;
  }
  return {};
}

bool Query::has(std::string_view name) const {
  return std::ranges::any_of(values_, [&](const auto& entry) { return entry.first == name; });
}

std::vector<std::string> Query::all(std::string_view name) const {
  std::vector<std::string> found;
  for (const auto& [own, value] : values_) {
    if (own == name) found.push_back(value);
  }
  return found;
}

bool Query::flag(std::string_view name, bool missing) const {
  if (!has(name)) return missing;
  std::string value = lower_text(trim(get(name)));
  return !value.empty() && value != "0" && value != "no" && value != "false" && value != "none";
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 101:
      return "UPGRADED";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 409:
      return "Conflict";
    case 413:
      return "Request Entity Too Large";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    default:
      return "Unknown";
  }
}

}  // namespace dhow::api::docker
