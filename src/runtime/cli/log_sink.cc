// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/log_sink.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <syslog.h>

#include <algorithm>
#include <tuple>

#include "base/strings.h"
#include "oci/json.h"
#include "sys/file_io.h"
#include "sys/unix_socket.h"

namespace dhow::runtime::cli {
namespace {

void append_padded(std::string& out, long number, std::size_t width) {
  std::string digits = cat(number);
  if (digits.size() < width) out.append(width - digits.size(), '0');
  out += digits;
}

// "2026-11-22T02:36:48Z", with microseconds when asked for.
std::string rfc3339(const timespec& now, bool microseconds) {
  tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  std::string out;
  append_padded(out, parts.tm_year + 1900L, 4);
  out += '-';
  append_padded(out, parts.tm_mon + 1L, 2);
  out += '-';
  append_padded(out, parts.tm_mday, 2);
  out += 'T';
  append_padded(out, parts.tm_hour, 2);
  out += ':';
  append_padded(out, parts.tm_min, 2);
  out += ':';
  append_padded(out, parts.tm_sec, 2);
  if (microseconds) {
    out += '.';
    append_padded(out, now.tv_nsec / 1000, 6);
  }
  out += 'Z';
  return out;
}

// logrus leaves a value bare when it has nothing but these in it.
bool is_bare(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._/@^+").find(c) != std::string_view::npos;
  });
}

int syslog_priority(log::Level level) {
  switch (level) {
    case log::Level::kDebug:
      return LOG_DEBUG;
    case log::Level::kInfo:
      return LOG_INFO;
    case log::Level::kWarning:
      return LOG_WARNING;
    case log::Level::kError:
      return LOG_ERR;
  }
  std::unreachable();
}

// Out of the numbers that --preserve-fds hands to a container: a caller that promises more
// descriptors than it has must not give the log away.
Fd moved_up(Fd fd) {
  constexpr int kAbovePreserved = 200;
  Result<Fd> high = fd.duplicate(kAbovePreserved);
  return high ? std::move(*high) : std::move(fd);  // with a very low RLIMIT_NOFILE it stays
}

}  // namespace

std::string format_log_line(Style style, LogFormat format, log::Level level,
                            std::string_view message, const timespec& now) {
  if (format == LogFormat::kJson) {
    oci::JsonWriter json;
    json.begin_object();
    if (style == Style::kRunc) json.member("level", log::level_name(level));
    json.member("msg", message);
    if (style == Style::kCrun) json.member("level", log::level_name(level));
    json.member("time", rfc3339(now, style == Style::kCrun));
    json.end_object();
    return cat(json.text(), "\n");
  }
  if (style == Style::kCrun) return cat(message, "\n");
  return cat("time=\"", rfc3339(now, false), "\" level=", log::level_name(level),
             " msg=", is_bare(message) ? std::string(message) : quoted(message), "\n");
}

Status LogTarget::open(std::string_view target, bool with_schemes) {
  if (with_schemes && target.starts_with("journald:")) {
    identifier_ = target.substr(sizeof "journald:" - 1);
    TRY_ASSIGN(Fd socket, connect_unix(kCwd, "/run/systemd/journal/socket", SOCK_DGRAM));
    fd_ = moved_up(std::move(socket));
    kind_ = Kind::kJournal;
    return {};
  }
  if (with_schemes && target.starts_with("syslog:")) {
    identifier_ = target.substr(sizeof "syslog:" - 1);
    TRY_ASSIGN(Fd socket, connect_unix(kCwd, "/dev/log", SOCK_DGRAM));
    fd_ = moved_up(std::move(socket));
    kind_ = Kind::kSyslog;
    return {};
  }
  if (with_schemes && target.starts_with("file:")) target.remove_prefix(sizeof "file:" - 1);
  TRY_ASSIGN(Fd file, open_at(kCwd, target, O_WRONLY | O_CREAT | O_APPEND | O_SYNC, 0644));
  fd_ = moved_up(std::move(file));
  kind_ = Kind::kFile;
  return {};
}

void LogTarget::write(log::Level level, std::string_view message) {
  if (kind_ == Kind::kJournal) return write_journal(level, message);
  if (kind_ == Kind::kSyslog) return write_syslog(level, message);
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  std::ignore = write_all(kind_ == Kind::kFile ? FdRef(fd_) : standard_error_,
                          format_log_line(style_, format_, level, message, now));
}

void LogTarget::write_fatal(std::string_view message) {
  write(log::Level::kError, message);
  if (kind_ != Kind::kStandardError) std::ignore = write_all(standard_error_, cat(message, "\n"));
}

void LogTarget::write_journal(log::Level level, std::string_view message) {
  // systemd's native journal protocol: a field with newlines in it is given by its length, 64 bits
  // little endian.
  std::string datagram =
      cat("PRIORITY=", syslog_priority(level), "\nSYSLOG_IDENTIFIER=", identifier_, "\nMESSAGE\n");
  for (std::size_t i = 0; i < 8; ++i) {
    datagram += static_cast<char>(message.size() >> (8 * i) & 0xff);
  }
  datagram += message;
  datagram += '\n';
  std::ignore = send_message(fd_, datagram);
}

void LogTarget::write_syslog(log::Level level, std::string_view message) {
  std::ignore = send_message(
      fd_, cat('<', LOG_DAEMON | syslog_priority(level), '>', identifier_, ": ", message));
}

}  // namespace dhow::runtime::cli
