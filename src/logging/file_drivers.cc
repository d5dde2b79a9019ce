// SPDX-License-Identifier: Apache-2.0
#include "logging/file_drivers.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "logging/time_text.h"

namespace dhow::logging {
namespace {

// Bytes of a batch are kept up to that many between two flushes; memory beyond is given back.
constexpr std::size_t kKeptBuffer = 4096;
// A rotation can only come between two writes, so a batch is cut into parts of that size.
constexpr std::size_t kWriteSize = std::size_t{64} << 10;

// How many bytes the UTF-8 character at the beginning of `text` has, or 0 when it is none.
// Surrogates, overlong forms and what is past U+10FFFF are none (RFC 3629).
std::size_t utf8_length(std::string_view text) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned lead = byte(0);
  std::size_t size = lead < 0x80   ? 1
                     : lead < 0xC2 ? 0
                     : lead < 0xE0 ? 2
                     : lead < 0xF0 ? 3
                     : lead < 0xF5 ? 4
                                   : 0;
  if (size == 0 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (size > 1) {
    unsigned second = byte(1);
    if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F)) return 0;
    if ((lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) return 0;
  }
  return size;
}

bool is_plain(char c) {
  auto value = static_cast<unsigned char>(c);
  return value >= 0x20 && value < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

// The shared part of drivers that write files: a batch, what became of it, and lines about lines
// that were lost.
class FileDriver : public Driver {
 public:
  explicit FileDriver(LogFile file) : file_(std::move(file)) {}

  void write(const Entry& entry) override {
    format(buffer_, entry);
    if (buffer_.size() >= kWriteSize) flush();
  }

  void flush() override {
    if (buffer_.empty()) return;
    std::size_t written = 0;
    if (!file_.append(buffer_, now_ns(), written)) {
      auto lost = std::ranges::count(std::string_view(buffer_).substr(written), '\n');
      if (dropped_ == 0)
        log::error(cat("log ", quoted(file_.path()), ": lines are lost: disk full"));
      dropped_ += static_cast<std::uint64_t>(lost);
    }
    buffer_.clear();
    if (buffer_.capacity() > kKeptBuffer) std::string().swap(buffer_);
  }

  Status reopen() override { return file_.reopen(); }
  std::uint64_t dropped() const override { return dropped_; }

 protected:
  virtual void format(std::string& out, const Entry& entry) = 0;
  TimeWriter time_;

 private:
  LogFile file_;
  std::string buffer_;
  std::uint64_t dropped_ = 0;
};

class JsonFile final : public FileDriver {
 public:
  JsonFile(LogFile file, std::string attrs)
      : FileDriver(std::move(file)), attrs_(std::move(attrs)) {}

 private:
  void format(std::string& out, const Entry& entry) override {
    out += "{\"log\":";
    append_json_text(out, entry.line, entry.ends_line);
    out += ",\"stream\":\"";
    out += stream_name(entry.stream);
    out += '"';
    if (!attrs_.empty()) {
      out += ",\"attrs\":";
      out += attrs_;
    }
    out += ",\"time\":\"";
    time_.append(out, entry.time_ns, Fraction::kShort);
    out += "\"}\n";
  }

  std::string attrs_;
};

class CriFile final : public FileDriver {
 public:
  using FileDriver::FileDriver;

 private:
  void format(std::string& out, const Entry& entry) override {
    time_.append(out, entry.time_ns, Fraction::kNine);
    out += ' ';
    out += stream_name(entry.stream);
    out += entry.ends_line ? " F " : " P ";
    std::string_view line = entry.line;
    if (entry.ends_line && line.ends_with('\r')) line.remove_suffix(1);
    out += line;
    out += '\n';
  }
};

}  // namespace

void append_json_text(std::string& out, std::string_view text, bool newline) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    auto special = std::ranges::find_if_not(text, is_plain);
    auto plain = static_cast<std::size_t>(special - text.begin());
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    auto c = static_cast<unsigned char>(text[0]);
    std::size_t size = utf8_length(text);
    if (size == 0) {
      out += "\\ufffd";
      size = 1;
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += text[0];
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (size == 1) {
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else if (text.starts_with("\xE2\x80\xA8") || text.starts_with("\xE2\x80\xA9")) {
      // Line ends of JavaScript, as Go's encoder has them.
      out += text[2] == '\xA8' ? "\\u2028" : "\\u2029";
    } else {
      out.append(text.substr(0, size));
    }
    text.remove_prefix(size);
  }
  if (newline) out += "\\n";
  out += '"';
}

Result<std::unique_ptr<Driver>> make_json_file(const LogFileOptions& file, std::string attrs) {
  TRY_ASSIGN(LogFile opened, LogFile::open(file));
  return std::make_unique<JsonFile>(std::move(opened), std::move(attrs));
}

Result<std::unique_ptr<Driver>> make_cri_file(const LogFileOptions& file) {
  TRY_ASSIGN(LogFile opened, LogFile::open(file));
  return std::make_unique<CriFile>(std::move(opened));
}

}  // namespace dhow::logging
