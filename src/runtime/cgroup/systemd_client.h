// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "runtime/cgroup/dbus_connection.h"

namespace dhow::cgroup {

using UnitProperty = std::pair<std::string, DbusValue>;

// The calls of org.freedesktop.systemd1.Manager (org.freedesktop.systemd1(5)) that managing a
// container's unit takes. Not thread safe; connects at the first call, and each call blocks until
// systemd has answered and the job, if any, has ended.
class SystemdClient {
 public:
  using Connector = std::function<Result<DbusConnection>()>;

  explicit SystemdClient(Connector connector) : connector_(std::move(connector)) {}

  // Starts a transient unit. A unit of this name that failed earlier is reset and the start tried
  // again; kAlreadyExists when there is one that is alive.
  Status start_transient(std::string_view unit, const std::vector<UnitProperty>& properties);
  // No such unit is success.
  Status stop(std::string_view unit);
  // Forgets a failed unit, so that its name can be used again; whatever goes wrong is no matter.
  void reset_failed(std::string_view unit);
  // Until the next reboot.
  Status set_properties(std::string_view unit, const std::vector<UnitProperty>& properties);
  Result<std::string> manager_property(std::string_view name);
  // The number in front of "252.39-1"; asked for once.
  Result<int> version();

 private:
  Result<DbusConnection*> connection();
  Result<DbusMessage> call(std::string_view member, std::vector<DbusValue> body);
  Status start_once(std::string_view unit, const std::vector<UnitProperty>& properties);
  Result<std::string> wait_job(std::string_view job);

  Connector connector_;
  std::optional<DbusConnection> connection_;
  std::optional<int> version_;
};

// Connects to the system's or the user's manager: to its own socket where that is open to us, else
// through the bus.
Result<DbusConnection> connect_systemd(bool user);

// What a version property tells: "252.39-1~deb12u1", "v245", "systemd 239 (...)". 0: nothing.
int parse_systemd_version(std::string_view text);

}  // namespace dhow::cgroup
