// SPDX-License-Identifier: Apache-2.0
#include "shim/uri.h"

#include <cstdint>

#include "base/strings.h"

namespace dhow::shim {
namespace {

Result<std::string> decode_percent(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      auto value = parse_number<std::uint8_t>(text.substr(i + 1, 2), 16);
      if (!value || i + 2 >= text.size() || *value == 0) {
        return fail(Code::kInvalidArgument, cat("stream URI: bad escape in ", quoted(text)));
      }
      out += static_cast<char>(*value);
      i += 2;
    } else if (c == '\0') {
      return fail(Code::kInvalidArgument, "stream URI: a NUL byte");
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string_view Uri::value(std::string_view name) const {
  std::string_view found;
  for (const auto& [key, each] : query) {
    if (key == name) found = each;
  }
  return found;
}

Result<Uri> parse_uri(std::string_view text) {
  Uri uri;
  std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) {
    // A path as it stands, percent signs included.
    uri.scheme = "fifo";
    uri.path = text;
  } else {
    uri.scheme = text.substr(0, colon);
    std::string_view rest = text.substr(colon + 3);
    std::size_t question = rest.find('?');
    TRY_ASSIGN(uri.path, decode_percent(rest.substr(0, question)));
    if (question != std::string_view::npos && question + 1 < rest.size()) {
      for (std::string_view part : split(rest.substr(question + 1), '&')) {
        std::size_t equals = part.find('=');
        TRY_ASSIGN(std::string name, decode_percent(part.substr(0, equals)));
        std::string value;
        if (equals != std::string_view::npos) {
          TRY_ASSIGN(value, decode_percent(part.substr(equals + 1)));
        }
        if (!name.empty()) uri.query.emplace_back(std::move(name), std::move(value));
      }
    }
  }
  if (!uri.path.starts_with('/') || uri.path.find('\0') != std::string::npos) {
    return fail(Code::kInvalidArgument, cat("stream URI ", quoted(text), ": not an absolute path"));
  }
  return uri;
}

}  // namespace dhow::shim
