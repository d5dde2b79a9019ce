// SPDX-License-Identifier: Apache-2.0
#include "oci/json_items.h"

#include <utility>

#include "base/strings.h"

namespace dhow::oci {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::unexpected<Error> no_array(std::string_view what) {
  return fail(Code::kInvalidArgument, cat("invalid JSON: ", what));
}

}  // namespace

// Every byte of a long list passes here.
std::size_t JsonItems::skip_item(std::string_view text) {
  const char* at = text.data();
  const char* end = at + text.size();
  for (; at != end; ++at) {
    if (in_string_) {
      if (std::exchange(escaped_, false)) continue;
      while (at != end && *at != '"' && *at != '\\') ++at;
      if (at == end) break;
      in_string_ = *at != '"';
      escaped_ = in_string_;
      continue;
    }
    char c = *at;
    if (c == '"') {
      in_string_ = true;
    } else if (c == '[' || c == '{') {
      ++depth_;
    } else if (depth_ > 0) {
      if (c == ']' || c == '}') --depth_;
    } else if (c == ',' || c == ']') {
      break;
    }
  }
  return static_cast<std::size_t>(at - text.data());
}

Result<std::size_t> JsonItems::skip_frame(std::string_view text) {
  std::size_t blanks = 0;
  while (blanks < text.size() && is_blank(text[blanks])) ++blanks;
  if (blanks == text.size()) return blanks;
  char c = text[blanks];
  if (place_ == Place::kAfter) return no_array("more text after the array");
  if (place_ == Place::kBefore) {
    if (c != '[') return no_array("expected an array");
    place_ = Place::kFirst;
    return blanks + 1;
  }
  place_ = c == ']' ? Place::kAfter : Place::kItem;
  return blanks + (c == ']' ? 1 : 0);
}

Status JsonItems::feed(std::string_view piece, const Take& take) {
  while (!piece.empty()) {
    if (place_ != Place::kItem) {
      TRY_ASSIGN(std::size_t taken, skip_frame(piece));
      piece.remove_prefix(taken);
      continue;
    }
    std::size_t length = skip_item(piece);
    std::string_view item = piece.substr(0, length);
    if (length == piece.size()) {
      kept_ += item;
      return {};
    }
    if (piece[length] == ']') place_ = Place::kAfter;
    piece.remove_prefix(length + 1);
    if (!kept_.empty()) item = kept_ += item;
    TRY(take(item));
    kept_.clear();
  }
  return {};
}

Status JsonItems::end() const {
  if (place_ == Place::kAfter) return {};
  return no_array("the array has no end");
}

}  // namespace dhow::oci
