// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "logging/entry.h"
#include "sys/fd.h"

namespace dhow::logging {

// What a log is made with. The names are those of docker's `--log-opt` where docker has one; values
// are as given there ("10m").
//
// json-file, local, cri: path (absolute; required), max-size (bytes with k, m or g; "-1": no limit;
//   by default 10m for json-file, 20m for local, no limit for cri, whose files kubelet rotates),
//   max-file (how many files, the one being written included; 5), compress (true or false: older
//   files with gzip; by default those of local), max-age (a file whose last line is that old is
//   removed when the next is begun, and none has lines of more than that; seconds with s, m, h or
//   d; 30d for json-file; "0": no limit), attrs (not cri: a JSON object put into each line). What
//   local writes is what json-file does.
// journald: tag, plus container-id, container-name, image-name; field.NAME=VALUE adds fields.
// syslog: syslog-address (unix://, unixgram://, udp://, tcp://; by default the local one),
//   syslog-facility, syslog-format (rfc3164, rfc5424, rfc5424micro), tag.
// none: nothing.
// All: mode (blocking, or non-blocking: what comes while so much waits is dropped, and the
// container
//   is never held up), max-buffer-size (of non-blocking: how much may wait; 1m); cache-path and
//   other options of `local` with "cache-" in front: all lines go into that file as well.
struct DriverOptions {
  std::string driver;
  std::map<std::string, std::string, std::less<>> options;
};

// Where lines of a container go. Used from one thread; calls don't block but on the file system.
class Driver {
 public:
  virtual ~Driver() = default;

  // Takes a line over; it is on its way after the next flush().
  virtual void write(const Entry& entry) = 0;
  // Once a batch: writes what was taken. A destination that can't take it now keeps it waiting;
  // lines that nothing can be done about (a full disk, a server that is gone for long) are dropped
  // and counted, and the log says so at the first chance. Never a reason to stop the container.
  virtual void flush() = 0;
  // True while so much is waiting that the container should be held up.
  virtual bool is_full() const { return false; }
  // How many bytes may wait before it is full, where any wait.
  virtual void set_limit(std::size_t bytes) { static_cast<void>(bytes); }
  // The descriptor to wait on for POLLOUT (then: flush), while something is waiting; else -1.
  virtual int waiting_fd() const { return -1; }
  // Begins a new file at the same path, for one that somebody has renamed (CRI ReopenContainerLog).
  virtual Status reopen() { return {}; }
  // How many lines were dropped so far.
  virtual std::uint64_t dropped() const { return 0; }
};

// Makes a driver of that name; "none" too. kInvalidArgument for an option that it doesn't know or
// can't use; kUnimplemented for a name or an option that dhow hasn't.
Result<std::unique_ptr<Driver>> make_driver(const DriverOptions& options);

// Checks the options as make_driver does, without touching anything.
Status check_driver(const DriverOptions& options);

// "10m": a number of bytes (1024 a k). nullopt when it is none.
std::optional<std::int64_t> parse_size(std::string_view text);
// "36h": seconds.
std::optional<std::int64_t> parse_age(std::string_view text);

}  // namespace dhow::logging
