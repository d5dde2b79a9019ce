// SPDX-License-Identifier: Apache-2.0
#include "client/frames.h"

#include <algorithm>

#include "base/strings.h"

namespace dhow::client {

namespace {
constexpr std::size_t kHeaderSize = 8;
}  // namespace

Status FrameReader::feed(std::string_view bytes, const Sink& sink) {
  while (!bytes.empty()) {
    if (left_ == 0) {
      std::size_t take = std::min(kHeaderSize - header_.size(), bytes.size());
      header_ += bytes.substr(0, take);
      bytes.remove_prefix(take);
      if (header_.size() < kHeaderSize) return {};
      auto byte = [this](std::size_t i) { return static_cast<std::uint8_t>(header_[i]); };
      if (byte(0) > 3) {
        return fail(Code::kDataLoss,
                    cat("the engine's stream has a frame of unknown kind ", byte(0)));
      }
      kind_ = static_cast<StreamKind>(byte(0));
      left_ = std::uint32_t{byte(4)} << 24 | std::uint32_t{byte(5)} << 16 |
              std::uint32_t{byte(6)} << 8 | std::uint32_t{byte(7)};
      header_.clear();
      continue;
    }
    std::size_t take = std::min<std::size_t>(left_, bytes.size());
    TRY(sink(kind_, bytes.substr(0, take)));
    left_ -= static_cast<std::uint32_t>(take);
    bytes.remove_prefix(take);
  }
  return {};
}

Status JsonStream::feed(std::string_view bytes,
                        const std::function<Status(std::string_view)>& sink) {
  pending_ += bytes;
  std::size_t start = 0;
  for (; scanned_ < pending_.size(); ++scanned_) {
    char c = pending_[scanned_];
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
      continue;
    }
    bool between = depth_ == 0;
    if (between && (c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\x1e')) {
      start = scanned_ + 1;
      continue;
    }
    if (between && c != '{')
      return fail(Code::kDataLoss, "the engine's stream is not made of JSON objects");
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') ++depth_;
    if (c == '}' || c == ']') --depth_;
    if (depth_ == 0) {
      TRY(sink(std::string_view(pending_).substr(start, scanned_ + 1 - start)));
      start = scanned_ + 1;
    }
  }
  pending_.erase(0, start);
  scanned_ -= start;
  if (pending_.size() > kLimit) {
    return fail(Code::kOutOfRange,
                cat("the engine's stream has an object of more than ", kLimit, " bytes"));
  }
  return {};
}

}  // namespace dhow::client
