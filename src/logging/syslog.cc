// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "base/strings.h"
#include "logging/socket_drivers.h"
#include "logging/time_text.h"

namespace dhow::logging {
namespace {

// Facilities by their number (RFC 5424, section 6.2.1), with docker's names.
constexpr std::array<std::string_view, 24> kFacilities = {
    "kern",   "user",   "mail",     "daemon", "auth",   "syslog", "lpr",    "news",
    "uucp",   "cron",   "authpriv", "ftp",    "",       "",       "",       "",
    "local0", "local1", "local2",   "local3", "local4", "local5", "local6", "local7"};
constexpr int kInfo = 6;
constexpr int kError = 3;

enum class SyslogFormat { kLocal, kDefault, k3164, k5424, k5424Micro };

struct SyslogSettings {
  LogSocket::Address address{LogSocket::Kind::kUnixDatagram, "/dev/log", {}};
  int facility = 3;
  SyslogFormat format = SyslogFormat::kLocal;
  std::string tag;
  // A TLS library in each shim would be most of its memory: another program has it.
  std::string tls_program = "dhow-tls";
  std::vector<std::pair<std::string, std::string>> tls_files;
  bool verifies_tls = true;

  void set_tunnel() {
    address.tunnel = {tls_program};
    if (verifies_tls) address.tunnel.emplace_back("--verify");
    for (const auto& [flag, file] : tls_files) {
      address.tunnel.insert(address.tunnel.end(), {flag, file});
    }
  }
};

// Whether it is an option for TLS; its value is taken over.
Result<bool> take_tls_option(std::string_view name, const std::string& value,
                             SyslogSettings& settings) {
  static constexpr std::pair<std::string_view, std::string_view> kFiles[] = {
      {"syslog-tls-ca-cert", "--ca"}, {"syslog-tls-cert", "--cert"}, {"syslog-tls-key", "--key"}};
  for (const auto& [option, flag] : kFiles) {
    if (name == option) settings.tls_files.emplace_back(flag, value);
    if (name == option) return true;
  }
  if (name == "tls-program") {
    settings.tls_program = value;
  } else if (name == "syslog-tls-skip-verify") {
    auto skips = parse_bool(value);
    if (!skips) {
      return fail(Code::kInvalidArgument,
                  cat("log opt '", name, "': ", quoted(value), " is neither true nor false"));
    }
    settings.verifies_tls = !*skips;
  } else {
    return false;
  }
  return true;
}

Result<int> parse_facility(std::string_view text) {
  for (std::size_t i = 0; i < kFacilities.size(); ++i) {
    if (!text.empty() && kFacilities[i] == text) return static_cast<int>(i);
  }
  auto number = parse_number<int>(text);
  if (number && *number >= 0 && *number < static_cast<int>(kFacilities.size())) return *number;
  return fail(Code::kInvalidArgument, "invalid syslog facility");
}

Result<SyslogFormat> parse_format(std::string_view text, bool local) {
  if (text.empty()) return local ? SyslogFormat::kLocal : SyslogFormat::kDefault;
  if (text == "rfc3164") return SyslogFormat::k3164;
  if (text == "rfc5424") return SyslogFormat::k5424;
  if (text == "rfc5424micro") return SyslogFormat::k5424Micro;
  return fail(Code::kInvalidArgument, "Invalid syslog format");
}

Result<SyslogSettings> parse_settings(const DriverOptions& options) {
  SyslogSettings settings;
  std::string format, id;
  for (const auto& [name, value] : options.options) {
    TRY_ASSIGN(bool is_for_tls, take_tls_option(name, value, settings));
    if (is_for_tls) continue;
    if (name == "syslog-address") {
      TRY_ASSIGN(settings.address, parse_syslog_address(value));
    } else if (name == "syslog-facility") {
      TRY_ASSIGN(settings.facility, parse_facility(value));
    } else if (name == "syslog-format") {
      format = value;
    } else if (name == "tag") {
      settings.tag = value;
    } else if (name == "container-id") {
      id = value;
    } else if (name != "container-name" && name != "image-name") {
      return fail(Code::kInvalidArgument,
                  cat("unknown log opt '", name, "' for syslog log driver"));
    }
  }
  if (settings.tag.empty()) settings.tag = id.substr(0, 12);
  bool local = settings.address.kind == LogSocket::Kind::kUnixDatagram ||
               settings.address.kind == LogSocket::Kind::kUnixStream;
  TRY_ASSIGN(settings.format, parse_format(format, local));
  if (settings.address.kind == LogSocket::Kind::kTls) settings.set_tunnel();
  return settings;
}

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) return "-";
  return name;
}

// "Jan  2 15:04:05", in UTC: what a shim runs in has no time zone.
std::string stamp(std::string_view full_time) {
  static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::string_view day = full_time.substr(8, 2);
  auto month = parse_number<std::size_t>(full_time.substr(5, 2)).value_or(1);
  return cat(kMonths[month - 1], " ", day[0] == '0' ? " " : day.substr(0, 1), day.substr(1), " ",
             full_time.substr(11, 8));
}

class Syslog final : public Driver {
 public:
  explicit Syslog(const SyslogSettings& settings)
      : socket_(settings.address, false),
        is_stream_(settings.address.is_stream()),
        counts_octets_(settings.address.kind == LogSocket::Kind::kTls &&
                       (settings.format == SyslogFormat::k5424 ||
                        settings.format == SyslogFormat::k5424Micro)),
        facility_(settings.facility),
        format_(settings.format),
        tag_(settings.tag),
        host_(host_name()) {}

  void write(const Entry& entry) override {
    int priority = facility_ * 8 + (entry.stream == Stream::kStderr ? kError : kInfo);
    std::string message = cat("<", priority, ">");
    pid_t pid = ::getpid();
    switch (format_) {
      case SyslogFormat::kLocal:
        message += cat(stamp(full_time(entry)), " ", tag_, "[", pid, "]: ");
        break;
      case SyslogFormat::k3164:
        message += cat(stamp(full_time(entry)), " ", host_, " ", tag_, "[", pid, "]: ");
        break;
      case SyslogFormat::kDefault:
        message += cat(full_time(entry), " ", host_, " ", tag_, "[", pid, "]: ");
        break;
      case SyslogFormat::k5424:
      case SyslogFormat::k5424Micro:
        message += cat("1 ", full_time(entry), " ", host_, " ", tag_, " ", pid, " ", tag_, " - ");
        break;
    }
    message += entry.line;
    // A message on a stream ends with a line end (RFC 6587, section 3.4.2); of the newer form over
    // TLS it has its length in front (RFC 5425, section 4.3).
    if (counts_octets_) {
      message.insert(0, cat(message.size(), " "));
    } else if (is_stream_) {
      message += '\n';
    }
    socket_.send(std::move(message));
    if (socket_.is_full()) socket_.flush();
  }

  void flush() override { socket_.flush(); }
  bool is_full() const override { return socket_.is_full(); }
  void set_limit(std::size_t bytes) override { socket_.set_limit(bytes); }
  int waiting_fd() const override { return socket_.waiting_fd(); }
  std::uint64_t dropped() const override { return socket_.dropped(); }

 private:
  std::string full_time(const Entry& entry) {
    constexpr std::int64_t kSecondNs = 1'000'000'000;
    std::int64_t unit = format_ == SyslogFormat::k5424Micro ? 1000 : kSecondNs;
    std::string text;
    time_.append(text, entry.time_ns / unit * unit, Fraction::kNine);
    // Whole seconds, or six digits and the Z.
    std::size_t size = unit == 1000 ? 26 : 19;
    return text.substr(0, size) + "Z";
  }

  LogSocket socket_;
  bool is_stream_;
  bool counts_octets_;
  int facility_;
  SyslogFormat format_;
  std::string tag_;
  std::string host_;
  TimeWriter time_;
};

}  // namespace

Result<LogSocket::Address> parse_syslog_address(std::string_view text) {
  using Kind = LogSocket::Kind;
  auto bad = [&](std::string_view why) {
    return fail(Code::kInvalidArgument, cat("syslog-address ", quoted(text), ": ", why));
  };
  std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) return bad("should be in form proto://address");
  std::string_view scheme = text.substr(0, colon);
  std::string rest(text.substr(colon + 3));
  if (scheme == "unix" || scheme == "unixgram") {
    if (!rest.starts_with('/')) return bad("the path is not absolute");
    return LogSocket::Address{Kind::kUnixDatagram, std::move(rest), {}};
  }
  const bool is_tls = scheme == "tcp+tls";
  if (scheme != "udp" && scheme != "tcp" && !is_tls) return bad("unsupported scheme");
  std::string port = "514";
  std::size_t last = rest.rfind(':');
  if (last != std::string::npos && rest.find(']', last) == std::string::npos) {
    port = rest.substr(last + 1);
    rest.resize(last);
  }
  if (rest.starts_with('[') && rest.ends_with(']')) rest = rest.substr(1, rest.size() - 2);
  if (rest.empty() || !parse_number<std::uint16_t>(port)) return bad("no host and port");
  // The name that a certificate is for; whoever has TLS looks it up.
  if (is_tls) return LogSocket::Address{Kind::kTls, std::move(rest), port};
  if (rest == "localhost") rest = "127.0.0.1";
  return LogSocket::Address{scheme == "tcp" ? Kind::kTcp : Kind::kUdp, std::move(rest), port};
}

Status check_syslog(const DriverOptions& options) {
  TRY(parse_settings(options));
  return {};
}

Result<std::unique_ptr<Driver>> make_syslog(const DriverOptions& options) {
  TRY_ASSIGN(SyslogSettings settings, parse_settings(options));
  return std::make_unique<Syslog>(settings);
}

}  // namespace dhow::logging
