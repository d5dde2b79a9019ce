// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "base/result.h"
#include "logging/driver.h"
#include "logging/log_socket.h"

namespace dhow::logging {

// The native protocol of systemd-journald (systemd.io/JOURNAL_NATIVE_PROTOCOL), with the fields
// that docker's driver of that name gives.
Result<std::unique_ptr<Driver>> make_journald(const DriverOptions& options);
// RFC 3164 or 5424, as docker's syslog driver formats them.
Result<std::unique_ptr<Driver>> make_syslog(const DriverOptions& options);

Status check_journald(const DriverOptions& options);
Status check_syslog(const DriverOptions& options);

// "udp://192.0.2.1:514", "unix:///dev/log".
Result<LogSocket::Address> parse_syslog_address(std::string_view text);

// One field of a journal entry: "NAME=value\n", or with its length when the value has line ends.
void append_journal_field(std::string& out, std::string_view name, std::string_view value);

}  // namespace dhow::logging
