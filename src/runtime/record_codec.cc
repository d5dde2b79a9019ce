// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "base/strings.h"
#include "oci/json.h"
#include "oci/json_value.h"
#include "runtime/state_store.h"

namespace dhow::runtime {
namespace {

// Raised when a field changes its meaning; an unknown version is refused, never guessed at.
constexpr std::int64_t kFormatVersion = 1;

std::string_view manager_name(cgroup::ManagerKind kind) {
  switch (kind) {
    case cgroup::ManagerKind::kCgroupfs:
      return "cgroupfs";
    case cgroup::ManagerKind::kSystemd:
      return "systemd";
    case cgroup::ManagerKind::kDisabled:
      return "disabled";
  }
  std::unreachable();
}

void write_map(oci::JsonWriter& json, std::string_view name, const oci::StringMap& map) {
  json.key(name).begin_object();
  for (const auto& [key, value] : map) json.member(key, value);
  json.end_object();
}

// Reads members and remembers the first that is missing or of the wrong kind.
class Reader {
 public:
  explicit Reader(oci::JsonValue object) : object_(object) {}

  // Without NUL: as a C string a path would end before what was checked ends.
  std::string text(std::string_view name) {
    auto value = object_.find(name).as_string();
    if (!value || value->contains('\0')) note(name);
    return std::string(value.value_or(""));
  }
  // From 0 to `max`: a pid that was cut off would name another process.
  std::int64_t number(std::string_view name, std::int64_t max) {
    auto value = object_.find(name).as_int64();
    if (!value || *value < 0 || *value > max) note(name);
    return value.value_or(0);
  }
  bool boolean(std::string_view name) {
    auto value = object_.find(name).as_boolean();
    if (!value) note(name);
    return value.value_or(false);
  }
  bool boolean_or(std::string_view name, bool otherwise) {
    return object_.find(name).kind() == oci::JsonKind::kNull ? otherwise : boolean(name);
  }
  oci::StringMap map(std::string_view name) {
    oci::StringMap result;
    oci::JsonValue value = object_.find(name);
    if (value.kind() != oci::JsonKind::kObject) note(name);
    for (std::size_t i = 0; i < value.size(); ++i) {
      oci::JsonMember member = value.member(i);
      auto content = member.value.as_string();
      if (!content) note(name);
      result.emplace(member.name, content.value_or(""));
    }
    return result;
  }
  Reader object(std::string_view name) {
    oci::JsonValue value = object_.find(name);
    if (value.kind() != oci::JsonKind::kObject) note(name);
    return Reader(value);
  }
  void note(std::string_view name) {
    if (fault_.empty()) fault_ = name;
  }
  const std::string& fault() const { return fault_; }

 private:
  oci::JsonValue object_;
  std::string fault_;
};

// delete removes these folders.
bool is_cgroup_path(std::string_view path) {
  return path.starts_with('/') && !path.contains('\0') && !cat(path, "/").contains("/../");
}

cgroup::Location read_location(Reader& reader) {
  cgroup::Location location;
  std::string manager = reader.text("manager");
  if (manager == "cgroupfs") {
    location.kind = cgroup::ManagerKind::kCgroupfs;
  } else if (manager == "systemd") {
    location.kind = cgroup::ManagerKind::kSystemd;
  } else if (manager == "disabled") {
    location.kind = cgroup::ManagerKind::kDisabled;
  } else {
    reader.note("manager");
  }
  location.paths = reader.map("paths");
  for (const auto& [controller, path] : location.paths) {
    if (!is_cgroup_path(path) || controller.contains('\0')) reader.note("paths");
  }
  location.scope = reader.text("scope");
  location.user_manager = reader.boolean("userManager");
  return location;
}

}  // namespace

std::string record_to_json(const Record& record) {
  oci::JsonWriter json;
  json.begin_object();
  json.member_number("version", kFormatVersion);
  json.member("id", record.id);
  json.member_number("pid", record.pid);
  json.member_number("startTime", static_cast<std::int64_t>(record.start_time));
  json.member("bundle", record.bundle);
  json.member("rootfs", record.rootfs);
  json.member("created", record.created);
  json.member_number("owner", record.owner_uid);
  json.member_boolean("ownUserNamespace", record.own_user_namespace);
  json.member_boolean("ownPidNamespace", record.own_pid_namespace);
  json.member_boolean("ready", record.ready);
  json.member_boolean("lateHooks", record.late_hooks);
  json.member("rdtGroup", record.rdt_group);
  json.member("rdtMonitor", record.rdt_monitor);
  write_map(json, "annotations", record.annotations);
  json.key("cgroup").begin_object();
  json.member("manager", manager_name(record.cgroup.kind));
  json.member("scope", record.cgroup.scope);
  json.member_boolean("userManager", record.cgroup.user_manager);
  write_map(json, "paths", record.cgroup.paths);
  json.end_object();
  json.end_object();
  return json.text();
}

Result<Record> record_from_json(std::string_view text) {
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(text));
  Reader reader(document.root());
  constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();
  std::int64_t version = reader.number("version", kAny);
  if (version != kFormatVersion) {
    return fail(Code::kFailedPrecondition, cat("state file of version ", version,
                                               ", this program reads version ", kFormatVersion));
  }
  Record record;
  record.id = reader.text("id");
  record.pid = static_cast<pid_t>(reader.number("pid", std::numeric_limits<pid_t>::max()));
  record.start_time = static_cast<std::uint64_t>(reader.number("startTime", kAny));
  record.bundle = reader.text("bundle");
  record.rootfs = reader.text("rootfs");
  record.created = reader.text("created");
  record.owner_uid =
      static_cast<std::uint32_t>(reader.number("owner", std::numeric_limits<std::uint32_t>::max()));
  record.own_user_namespace = reader.boolean("ownUserNamespace");
  record.own_pid_namespace = reader.boolean("ownPidNamespace");
  record.ready = reader.boolean("ready");
  record.late_hooks = reader.boolean_or("lateHooks", true);
  record.rdt_group = reader.text("rdtGroup");
  record.rdt_monitor = reader.text("rdtMonitor");
  record.annotations = reader.map("annotations");
  Reader location = reader.object("cgroup");
  record.cgroup = read_location(location);
  if (!location.fault().empty()) reader.note(cat("cgroup.", location.fault()));
  if (!reader.fault().empty()) {
    return fail(Code::kDataLoss, cat("state file: bad or missing field ", quoted(reader.fault())));
  }
  return record;
}

}  // namespace dhow::runtime
