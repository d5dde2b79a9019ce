// SPDX-License-Identifier: Apache-2.0
#include "api/docker/log_stream.h"

#include "base/rfc3339.h"
#include "base/strings.h"

namespace dhow::api::docker {
namespace {

constexpr std::size_t kTogether = std::size_t{32} << 10;
constexpr std::int64_t kSecondOfLog = 1'000'000'000;

// Escaped as a query has it, since ',' and '=' are between them.
std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += '%';
      for (char digit : hex_text({&c, 1})) {
        out += digit >= 'a' ? static_cast<char>(digit - 'a' + 'A') : digit;
      }
    }
  }
  return out;
}

std::string attributes_text(const engine::TextMap& attributes) {
  std::string text;
  for (const auto& [key, value] : attributes) {
    if (!text.empty()) text += ',';
    text += cat(escaped(key), "=", escaped(value));
  }
  return text;
}

}  // namespace

void append_frame(std::string& out, FrameStream stream, std::string_view payload) {
  auto size = static_cast<std::uint32_t>(payload.size());
  out += static_cast<char>(stream);
  out.append(3, '\0');
  for (int shift : {24, 16, 8, 0}) out += static_cast<char>(size >> shift & 0xff);
  out += payload;
}

std::string log_time(std::int64_t nanoseconds) {
  std::string text = rfc3339_nano(nanoseconds / kSecondOfLog * kSecondOfLog);
  std::string fraction = cat(nanoseconds % kSecondOfLog);
  text.pop_back();
  return cat(text, ".", std::string(9 - fraction.size(), '0'), fraction, "Z");
}

Status LogStream::write(const engine::LogRecord& record) {
  std::string line;
  if (options_.timestamps) line += cat(log_time(record.time), " ");
  if (options_.details) line += cat(attributes_text(record.attributes), " ");
  line += record.text;
  if (options_.framed) {
    append_frame(pending_, record.is_error ? FrameStream::kError : FrameStream::kOutput, line);
  } else {
    pending_ += line;
  }
  if (options_.at_once || pending_.size() >= kTogether) return flush();
  return {};
}

Status LogStream::write_fault(std::string_view text) {
  if (options_.framed) {
    append_frame(pending_, FrameStream::kFault, text);
  } else {
    pending_ += text;
  }
  return flush();
}

Status LogStream::flush() {
  if (pending_.empty()) return {};
  Status sent = exchange_.write(pending_);
  pending_.clear();
  return sent;
}

}  // namespace dhow::api::docker
