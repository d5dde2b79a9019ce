// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/systemd_client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "sys/unix_socket.h"

namespace dhow::cgroup {
namespace {

constexpr std::string_view kService = "org.freedesktop.systemd1";
constexpr std::string_view kObject = "/org/freedesktop/systemd1";
constexpr std::string_view kManager = "org.freedesktop.systemd1.Manager";

DbusValue property_list(const std::vector<UnitProperty>& properties) {
  std::vector<DbusValue> items;
  for (const auto& [name, value] : properties) {
    items.push_back(DbusValue::structure({DbusValue::string(name), DbusValue::variant(value)}));
  }
  return DbusValue::array("(sv)", std::move(items));
}

Result<Fd> connect_abstract(std::string_view name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() + 1 > sizeof address.sun_path) {
    return fail_errno(ENAMETOOLONG, cat("connect to ", quoted(name)));
  }
  ::memcpy(address.sun_path + 1, name.data(), name.size());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno(errno, "make socket");
  auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    return fail_errno(errno, cat("connect to ", quoted(cat("@", name))));
  }
  return socket;
}

std::string environment(const char* name, std::string fallback) {
  const char* value = ::getenv(name);
  return value != nullptr && *value != '\0' ? std::string(value) : std::move(fallback);
}

// What to try, in order: the manager's own socket saves the way through the bus daemon.
std::vector<std::pair<std::string, DbusConnection::Kind>> candidates(bool user) {
  using Kind = DbusConnection::Kind;
  std::vector<std::pair<std::string, Kind>> found;
  if (user) {
    std::string folder = environment("XDG_RUNTIME_DIR", cat("/run/user/", outside_uid()));
    found.emplace_back(cat(folder, "/systemd/private"), Kind::kPeer);
    for (std::string& path : parse_bus_address(environment("DBUS_SESSION_BUS_ADDRESS", ""))) {
      found.emplace_back(std::move(path), Kind::kBus);
    }
    found.emplace_back(cat(folder, "/bus"), Kind::kBus);
    return found;
  }
  if (::geteuid() == 0) found.emplace_back("/run/systemd/private", Kind::kPeer);
  for (std::string& path : parse_bus_address(
           environment("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/dbus/system_bus_socket"))) {
    found.emplace_back(std::move(path), Kind::kBus);
  }
  return found;
}

}  // namespace

int parse_systemd_version(std::string_view text) {
  std::size_t start = text.find_first_of("0123456789");
  if (start == std::string_view::npos) return 0;
  std::size_t end = text.find_first_not_of("0123456789", start);
  if (end == std::string_view::npos) end = text.size();
  return parse_number<int>(text.substr(start, end - start)).value_or(0);
}

Result<DbusConnection> connect_systemd(bool user) {
  std::optional<Error> first;
  for (const auto& [path, kind] : candidates(user)) {
    auto socket = path.starts_with('@') ? connect_abstract(std::string_view(path).substr(1))
                                        : connect_unix(kCwd, path, SOCK_STREAM);
    Result<DbusConnection> connection =
        socket ? DbusConnection::open(std::move(*socket), kind, outside_uid())
               : Result<DbusConnection>(fail(std::move(socket).error()));
    if (connection) return connection;
    if (!first || kind == DbusConnection::Kind::kBus) first = std::move(connection).error();
  }
  if (!first) return fail(Code::kUnavailable, "connect to systemd: no address");
  return fail(
      std::move(*first).add_context(user ? "connect to the user's systemd" : "connect to systemd"));
}

Result<DbusConnection*> SystemdClient::connection() {
  if (!connection_) {
    TRY_ASSIGN(DbusConnection made, connector_());
    connection_ = std::move(made);
    if (connection_->kind() == DbusConnection::Kind::kBus) {
      DbusMessage match;
      match.destination = match.interface = "org.freedesktop.DBus";
      match.path = "/org/freedesktop/DBus";
      match.member = "AddMatch";
      match.body = {DbusValue::string(cat("type='signal',sender='", kService, "',path='", kObject,
                                          "',interface='", kManager, "',member='JobRemoved'"))};
      TRY(connection_->send(std::move(match)));
    }
  }
  return &*connection_;
}

Result<DbusMessage> SystemdClient::call(std::string_view member, std::vector<DbusValue> body) {
  TRY_ASSIGN(DbusConnection * to, connection());
  DbusMessage message;
  message.destination = kService;
  message.path = kObject;
  message.interface = kManager;
  message.member = member;
  message.body = std::move(body);
  return to->call(std::move(message));
}

Result<std::string> SystemdClient::wait_job(std::string_view job) {
  TRY_ASSIGN(DbusConnection * from, connection());
  // JobRemoved(u id, o job, s unit, s result)
  TRY_ASSIGN(DbusMessage removed, from->wait_signal([job](const DbusMessage& signal) {
    return signal.member == "JobRemoved" && signal.body.size() == 4 &&
           signal.body[1].as_string() != nullptr && *signal.body[1].as_string() == job &&
           signal.body[3].as_string() != nullptr;
  }));
  return *removed.body[3].as_string();
}

Status SystemdClient::start_once(std::string_view unit,
                                 const std::vector<UnitProperty>& properties) {
  TRY_ASSIGN(DbusMessage reply,
             call("StartTransientUnit",
                  {DbusValue::string(std::string(unit)), DbusValue::string("replace"),
                   property_list(properties), DbusValue::array("(sa(sv))", {})}));
  if (reply.body.empty() || reply.body[0].as_string() == nullptr) {
    return fail(Code::kInternal, "unexpected answer");
  }
  TRY_ASSIGN(std::string result, wait_job(*reply.body[0].as_string()));
  if (result == "done") return {};
  reset_failed(unit);
  return fail(Code::kInternal, cat("the job ended as ", quoted(result)));
}

Status SystemdClient::start_transient(std::string_view unit,
                                      const std::vector<UnitProperty>& properties) {
  auto started = start_once(unit, properties);
  if (!started && started.error().code() == Code::kAlreadyExists) {
    reset_failed(unit);
    started = start_once(unit, properties);
  }
  if (started) return {};
  return fail(std::move(started).error().add_context(cat("start unit ", quoted(unit))));
}

Status SystemdClient::stop(std::string_view unit) {
  auto reply =
      call("StopUnit", {DbusValue::string(std::string(unit)), DbusValue::string("replace")});
  if (!reply) {
    if (reply.error().code() == Code::kNotFound) return {};
    return fail(std::move(reply).error().add_context(cat("stop unit ", quoted(unit))));
  }
  if (reply->body.empty() || reply->body[0].as_string() == nullptr) {
    return fail(Code::kInternal, cat("stop unit ", quoted(unit), ": unexpected answer"));
  }
  auto result = wait_job(*reply->body[0].as_string());
  if (!result) return fail(std::move(result).error().add_context(cat("stop unit ", quoted(unit))));
  // "canceled" and the like: somebody else's job for the unit came in between.
  return {};
}

void SystemdClient::reset_failed(std::string_view unit) {
  // Most units haven't failed, and then this is an error that says so.
  std::ignore = call("ResetFailedUnit", {DbusValue::string(std::string(unit))});
}

Status SystemdClient::set_properties(std::string_view unit,
                                     const std::vector<UnitProperty>& properties) {
  auto reply = call("SetUnitProperties", {DbusValue::string(std::string(unit)),
                                          DbusValue::boolean(true), property_list(properties)});
  if (reply) return {};
  return fail(std::move(reply).error().add_context(cat("set properties of ", quoted(unit))));
}

Result<std::string> SystemdClient::manager_property(std::string_view name) {
  TRY_ASSIGN(DbusConnection * to, connection());
  DbusMessage message;
  message.destination = kService;
  message.path = kObject;
  message.interface = "org.freedesktop.DBus.Properties";
  message.member = "Get";
  message.body = {DbusValue::string(std::string(kManager)), DbusValue::string(std::string(name))};
  auto reply = to->call(std::move(message));
  if (!reply) {
    return fail(std::move(reply).error().add_context(cat("get systemd's ", quoted(name))));
  }
  if (!reply->body.empty() && reply->body[0].signature == "v") {
    if (const std::string* text = reply->body[0].members()->front().as_string()) return *text;
  }
  return fail(Code::kInternal, cat("get systemd's ", quoted(name), ": not a text"));
}

Result<int> SystemdClient::version() {
  if (!version_) {
    TRY_ASSIGN(std::string text, manager_property("Version"));
    version_ = parse_systemd_version(text);
  }
  return *version_;
}

}  // namespace dhow::cgroup
