// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/cgroup/dbus_value.h"
#include "sys/fd.h"

namespace dhow::cgroup {

// A client of a D-Bus socket: of a message bus, or of a service that listens itself ("peer", as
// systemd does at /run/systemd/private). Not thread safe. Calls block, 30 s at most each.
class DbusConnection {
 public:
  enum class Kind { kBus, kPeer };

  // Authenticates (EXTERNAL, D-Bus specification "Authentication Protocol") as `uid`, the id that
  // the other side sees; on a bus says hello.
  static Result<DbusConnection> open(Fd socket, Kind kind, std::uint32_t uid);

  Kind kind() const { return kind_; }

  // Sends a call and waits for its reply. An error reply becomes an Error whose message is
  // "<text> (<error name>)"; names that tell a class (not found, exists, denied) set its code.
  // Signals that come meanwhile are kept.
  Result<DbusMessage> call(DbusMessage message);
  // Sends a call whose reply nobody waits for.
  Status send(DbusMessage message);
  // The first signal, kept or new, that is wanted; others are dropped.
  Result<DbusMessage> wait_signal(const std::function<bool(const DbusMessage&)>& wanted);

 private:
  DbusConnection(Fd socket, Kind kind) : socket_(std::move(socket)), kind_(kind) {}
  Status authenticate(std::uint32_t uid);
  Status write(std::string_view data);
  // Appends what the socket has to the buffer, waiting at most until `deadline_ns`.
  Status fill(std::int64_t deadline_ns);
  Result<std::string> read_line(std::int64_t deadline_ns);
  Result<DbusMessage> receive(std::int64_t deadline_ns);

  Fd socket_;
  Kind kind_;
  std::uint32_t last_serial_ = 0;
  std::string buffer_;
  std::deque<DbusMessage> signals_;
};

// The id that processes outside of the user namespace know this one by: what EXTERNAL
// authentication compares.
std::uint32_t outside_uid();

// Candidates for a bus address, in order, as paths of sockets: "unix:path=/run/x,guid=..;..." with
// the escapes of the specification. Abstract sockets are given with a leading '@'.
std::vector<std::string> parse_bus_address(std::string_view address);

}  // namespace dhow::cgroup
