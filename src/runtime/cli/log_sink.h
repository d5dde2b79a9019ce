// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/result.h"
#include "runtime/cli/personality.h"
#include "sys/fd.h"

namespace dhow::runtime::cli {

enum class LogFormat { kText, kJson };

// One line of the log, with its newline. Text is what logrus writes (`time="…" level=error
// msg="…"`) or, as crun, the message alone; JSON has the members level, msg and time (RFC 3339,
// UTC), which containerd, podman and cri-o read back.
std::string format_log_line(Style style, LogFormat format, log::Level level,
                            std::string_view message, const timespec& now);

// Where the log goes: the standard error, a file, or (by another name than runc) "file:PATH",
// "journald:ID", "syslog:ID". Lines that can't be written are lost: nobody is left to be told.
class LogTarget : public log::Sink {
 public:
  // The standard error.
  LogTarget(Style style, LogFormat format, FdRef standard_error)
      : style_(style), format_(format), standard_error_(standard_error) {}

  // `target` is the value of --log. Files are opened O_APPEND | O_SYNC, made with mode 0644.
  Status open(std::string_view target, bool with_schemes);
  void set_format(LogFormat format) { format_ = format; }

  void write(log::Level level, std::string_view message) override;

  // The last error of the program: to the log and, when that is elsewhere, to the standard error
  // in plain words.
  void write_fatal(std::string_view message);

 private:
  enum class Kind { kStandardError, kFile, kJournal, kSyslog };

  void write_journal(log::Level level, std::string_view message);
  void write_syslog(log::Level level, std::string_view message);

  Style style_;
  LogFormat format_;
  FdRef standard_error_;
  Kind kind_ = Kind::kStandardError;
  Fd fd_;
  std::string identifier_;
};

}  // namespace dhow::runtime::cli
