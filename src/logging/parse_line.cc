// SPDX-License-Identifier: Apache-2.0
#include "logging/parse_line.h"

#include <cstdint>
#include <string>

#include "base/strings.h"
#include "logging/time_text.h"

namespace dhow::logging {
namespace {

void append_utf8(std::string& out, std::uint32_t code) {
  auto byte = [&out](std::uint32_t value) { out += static_cast<char>(value); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | (code >> 6));
    byte(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    byte(0xE0 | (code >> 12));
    byte(0x80 | ((code >> 6) & 0x3F));
    byte(0x80 | (code & 0x3F));
  } else {
    byte(0xF0 | (code >> 18));
    byte(0x80 | ((code >> 12) & 0x3F));
    byte(0x80 | ((code >> 6) & 0x3F));
    byte(0x80 | (code & 0x3F));
  }
}

// Takes one line of a json-file log apart: an object whose members are texts, but for "attrs". Only
// as much of JSON as is needed to find its members again.
class JsonLine {
 public:
  explicit JsonLine(std::string_view text) : rest_(text) {}

  std::optional<Line> parse() {
    Line line;
    bool has_log = false, has_time = false, has_stream = false;
    if (!take('{')) return std::nullopt;
    std::string name, value;
    for (bool first = true; !take('}'); first = false) {
      if (!first && !take(',')) return std::nullopt;
      if (!take_string(name) || !take(':')) return std::nullopt;
      if (name == "attrs") {
        if (!take_raw(line.attrs)) return std::nullopt;
        continue;
      }
      skip_blanks();
      if (!rest_.starts_with('"')) {
        if (!take_raw(value)) return std::nullopt;
        continue;
      }
      if (!take_string(name == "log" ? line.text : value)) return std::nullopt;
      if (name == "log") has_log = true;
      if (name == "stream") {
        has_stream = value == "stdout" || value == "stderr";
        line.stream = value == "stderr" ? Stream::kStderr : Stream::kStdout;
      }
      if (name == "time") {
        auto time = parse_time(value);
        if (!time) return std::nullopt;
        line.time_ns = *time;
        has_time = true;
      }
    }
    skip_blanks();
    if (!rest_.empty() || !has_log || !has_time || !has_stream) return std::nullopt;
    return line;
  }

 private:
  void skip_blanks() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t' || rest_[0] == '\r')) {
      rest_.remove_prefix(1);
    }
  }
  bool take(char c) {
    skip_blanks();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::optional<std::uint32_t> take_hex() {
    if (rest_.size() < 4) return std::nullopt;
    auto value = parse_number<std::uint32_t>(rest_.substr(0, 4), 16);
    if (value) rest_.remove_prefix(4);
    return value;
  }

  bool take_unicode(std::string& out) {
    auto code = take_hex();
    if (!code) return false;
    if (*code >= 0xD800 && *code < 0xDC00 && rest_.starts_with("\\u")) {
      std::string_view before = rest_;
      rest_.remove_prefix(2);
      auto low = take_hex();
      if (low && *low >= 0xDC00 && *low < 0xE000) {
        append_utf8(out, 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00));
        return true;
      }
      rest_ = before;
    }
    append_utf8(out, *code >= 0xD800 && *code < 0xE000 ? 0xFFFD : *code);
    return true;
  }

  bool take_escape(std::string& out) {
    if (rest_.empty()) return false;
    char c = rest_[0];
    rest_.remove_prefix(1);
    static constexpr std::string_view kNames = "\"\\/bfnrt";
    static constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
    if (c == 'u') return take_unicode(out);
    std::size_t index = kNames.find(c);
    if (index == std::string_view::npos) return false;
    out += kValues[index];
    return true;
  }

  bool take_string(std::string& out) {
    out.clear();
    if (!take('"')) return false;
    while (true) {
      std::size_t plain = rest_.find_first_of("\"\\");
      if (plain == std::string_view::npos) return false;
      out.append(rest_.substr(0, plain));
      bool end = rest_[plain] == '"';
      rest_.remove_prefix(plain + 1);
      if (end) return true;
      if (!take_escape(out)) return false;
    }
  }

  // A value of any kind as it stands there.
  bool take_raw(std::string& out) {
    skip_blanks();
    std::size_t depth = 0, at = 0;
    for (bool in_string = false; at < rest_.size(); ++at) {
      char c = rest_[at];
      if (in_string) {
        if (c == '\\') ++at;
        if (c == '"') in_string = false;
      } else if (c == '"') {
        in_string = true;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if ((c == '}' || c == ']') && depth > 0) {
        if (--depth == 0) {
          ++at;
          break;
        }
      } else if (depth == 0 && (c == ',' || c == '}')) {
        break;
      }
    }
    if (depth != 0 || at == 0 || at >= rest_.size()) return false;
    out.assign(rest_.substr(0, at));
    rest_.remove_prefix(at);
    return true;
  }

  std::string_view rest_;
};

}  // namespace

std::optional<Line> parse_json_line(std::string_view text) { return JsonLine(text).parse(); }

std::optional<Line> parse_cri_line(std::string_view text) {
  auto word = [&text]() -> std::string_view {
    std::size_t end = text.find(' ');
    if (end == std::string_view::npos) return {};
    std::string_view found = text.substr(0, end);
    text.remove_prefix(end + 1);
    return found;
  };
  auto time = parse_time(word());
  std::string_view stream = word();
  // Tags are joined by colons; the first one says whether the line goes on.
  std::string_view tags = word();
  std::string_view tag = tags.substr(0, tags.find(':'));
  if (!time || (stream != "stdout" && stream != "stderr") || (tag != "F" && tag != "P")) {
    return std::nullopt;
  }
  Line line;
  line.stream = stream == "stderr" ? Stream::kStderr : Stream::kStdout;
  line.time_ns = *time;
  line.text.assign(text);
  if (tag == "F") line.text += '\n';
  return line;
}

}  // namespace dhow::logging
