// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup/systemd.h"

#include <signal.h>

#include <utility>

#include "base/strings.h"
#include "runtime/cgroup/paths.h"
#include "runtime/cgroup/processes.h"
#include "runtime/cgroup/systemd_properties.h"
#include "runtime/cgroup/v1.h"
#include "runtime/cgroup/v2.h"
#include "runtime/cgroup/v2_apply.h"
#include "sys/file_io.h"

namespace dhow::cgroup {
namespace {

constexpr std::string_view kSubgroup = "run.oci.systemd.subgroup";

class SystemdCgroup final : public Cgroup {
 public:
  SystemdCgroup(Location location, Settings settings, const HostView& host,
                SystemdClient::Connector connector, std::string slice)
      : location_(std::move(location)),
        settings_(std::move(settings)),
        host_(host),
        client_(std::move(connector)),
        slice_(std::move(slice)) {
    if (is_unified()) {
      auto made = std::make_unique<V2Cgroup>(location_, settings_, host);
      v2_ = made.get();
      files_ = std::move(made);
    } else {
      auto made = std::make_unique<V1Cgroup>(location_, settings_, host);
      v1_ = made.get();
      files_ = std::move(made);
    }
  }

  Result<JoinPlan> prepare(const oci::Resources* resources) override;
  Status attach(pid_t pid, const oci::Resources* resources) override;
  // Systemd has had the limits with the start of the unit.
  Status apply(const oci::Resources& resources) override { return files_->apply(resources); }
  Status update(const oci::Resources& resources) override;
  Status apply_devices(const oci::Resources& resources) override;
  Status enter_delegated(pid_t pid) override { return files_->enter_delegated(pid); }
  Result<JoinPlan> plan_join(const std::map<std::string, std::string>& sub_paths,
                             pid_t init_pid) override {
    return files_->plan_join(sub_paths, init_pid);
  }
  Status freeze() override { return files_->freeze(); }
  Status thaw() override { return files_->thaw(); }
  Result<FreezerState> freezer_state() override { return files_->freezer_state(); }
  Result<std::vector<pid_t>> pids(bool recursive) override { return files_->pids(recursive); }
  Status kill_all(int signal) override { return files_->kill_all(signal); }
  Status destroy() override;
  Result<std::string> stats_json() override { return files_->stats_json(); }
  const Location& location() const override { return location_; }
  bool exists() const override { return files_->exists(); }
  Result<OomWatch> watch_oom() override { return files_->watch_oom(); }
  Result<std::uint64_t> oom_kill_count() override { return files_->oom_kill_count(); }

 private:
  bool is_unified() const {
    return location_.paths.size() == 1 && location_.paths.begin()->first.empty();
  }
  bool is_slice() const { return location_.scope.ends_with(".slice"); }
  Result<std::vector<UnitProperty>> unit_properties(pid_t pid, const oci::Resources* resources);
  Status join_v2(pid_t pid);
  std::string scope_path() const;

  Location location_;
  Settings settings_;
  HostView host_;
  SystemdClient client_;
  std::string slice_;
  std::unique_ptr<Cgroup> files_;
  V1Cgroup* v1_ = nullptr;  // one of both is what files_ owns
  V2Cgroup* v2_ = nullptr;
  bool foreign_ = false;  // prepare() found the cgroup in use
};

Result<JoinPlan> SystemdCgroup::prepare(const oci::Resources*) {
  foreign_ = false;
  if (v2_ != nullptr) TRY(v2_->delegated_path());
  if (!files_->exists()) return JoinPlan{};
  foreign_ = true;
  auto found = files_->pids(true);
  if (found && !found->empty()) {
    return fail(Code::kFailedPrecondition,
                cat("container's cgroup is not empty: ", found->size(), " process(es) found"));
  }
  auto state = files_->freezer_state();
  if (state && *state == FreezerState::kFrozen) {
    return fail(Code::kFailedPrecondition, "container's cgroup unexpectedly frozen");
  }
  foreign_ = false;
  return JoinPlan{};
}

Result<std::vector<UnitProperty>> SystemdCgroup::unit_properties(pid_t pid,
                                                                 const oci::Resources* resources) {
  std::vector<UnitProperty> properties;
  properties.emplace_back(
      "Description",
      DbusValue::string(cat(settings_.program_name, " container ", settings_.container_id)));
  if (is_slice()) {
    properties.emplace_back("Wants", DbusValue::array("s", {DbusValue::string(slice_)}));
  } else {
    properties.emplace_back("Slice", DbusValue::string(slice_));
    properties.emplace_back("Delegate", DbusValue::boolean(true));
    properties.emplace_back(
        "PIDs", DbusValue::array("u", {DbusValue::uint32(static_cast<std::uint32_t>(pid))}));
  }
  for (const char* name : {"MemoryAccounting", "CPUAccounting", "TasksAccounting",
                           v2_ != nullptr ? "IOAccounting" : "BlockIOAccounting"}) {
    properties.emplace_back(name, DbusValue::boolean(true));
  }
  properties.emplace_back("DefaultDependencies", DbusValue::boolean(false));
  TRY_ASSIGN(auto annotated, annotation_properties(settings_.annotations));
  for (UnitProperty& property : annotated) properties.push_back(std::move(property));
  if (resources == nullptr) return properties;
  TRY_ASSIGN(auto limits,
             limit_properties(*resources, v2_ != nullptr, [this] { return client_.version(); }));
  for (UnitProperty& property : limits) properties.push_back(std::move(property));
  // The user's manager may not set device rules, so there it would only complain in the log.
  if (location_.user_manager) return properties;
  TRY_ASSIGN(DevicePolicy policy, make_device_policy(resources->devices));
  auto known = read_file("/proc/devices");
  for (UnitProperty& property : device_properties(policy, known ? *known : "")) {
    properties.push_back(std::move(property));
  }
  return properties;
}

std::string SystemdCgroup::scope_path() const {
  const std::string& path = location_.paths.begin()->second;
  std::size_t at = path.find(cat("/", location_.scope));
  return at == std::string::npos ? path : path.substr(0, at + 1 + location_.scope.size());
}

Status SystemdCgroup::join_v2(pid_t pid) {
  const std::string& path = location_.paths.at("");
  std::string scope = scope_path();
  TRY_ASSIGN(Folder folder, Folder::open(scope, host_.v2_kind()));
  bool below = path != scope;
  if (below) {
    TRY_ASSIGN(auto made, Folder::make(path, scope, host_.v2_kind()));
    folder = std::move(made.folder);
  }
  if (below || is_slice()) TRY(folder.write("cgroup.procs", cat(pid)));
  // Controllers can be passed on only now, when the process has left the scope itself.
  if (below) TRY(enable_controllers(scope, path, host_.v2_kind(), {}));
  return v2_->delegate();
}

Status SystemdCgroup::attach(pid_t pid, const oci::Resources* resources) {
  TRY_ASSIGN(auto properties, unit_properties(pid, resources));
  auto started = client_.start_transient(location_.scope, properties);
  // A slice may be shared with others.
  if (!started && !(is_slice() && started.error().code() == Code::kAlreadyExists)) return started;
  return v2_ != nullptr ? join_v2(pid) : v1_->make_and_join(pid);
}

Status SystemdCgroup::update(const oci::Resources& resources) {
  TRY_ASSIGN(auto properties,
             limit_properties(resources, v2_ != nullptr, [this] { return client_.version(); }));
  // The files first: what the kernel refuses systemd would keep, and try again at any time.
  TRY_ASSIGN(OldValues old, v2_ != nullptr ? v2_->change(resources) : v1_->change(resources));
  if (properties.empty()) return {};
  auto told = client_.set_properties(location_.scope, properties);
  if (!told) {
    put_back(old);
    return told;
  }
  // Systemd has written the files in its turn, and rounds some of the numbers.
  return files_->apply(resources);
}

Status SystemdCgroup::apply_devices(const oci::Resources& resources) {
  return files_->apply_devices(resources);
}

Status SystemdCgroup::destroy() {
  if (foreign_) return {};
  // Stopping a scope sends SIGTERM and waits; nothing is to be left that could ignore that.
  auto left = files_->pids(true);
  if (left && !left->empty()) TRY(files_->kill_all(SIGKILL));
  TRY(client_.stop(location_.scope));
  client_.reset_failed(location_.scope);
  return files_->destroy();
}

Result<std::string> default_base(SystemdClient::Connector connector, bool user) {
  if (!user) return std::string();
  SystemdClient client(std::move(connector));
  TRY_ASSIGN(std::string base, client.manager_property("ControlGroup"));
  return base == "/" ? std::string() : base;
}

}  // namespace

Result<std::unique_ptr<Cgroup>> make_systemd(const Settings& settings, const HostView& host,
                                             const Layout& layout,
                                             SystemdClient::Connector connector) {
  TRY_ASSIGN(UnitName unit,
             parse_unit_path(settings.cgroups_path, settings.container_id, settings.program_name));
  bool user = settings.rootless;
  bool unified = layout.mode == Mode::kUnified;
  if (user && !unified) {
    return fail(Code::kUnimplemented,
                "the user's systemd manages cgroups only where all of them are v2");
  }
  if (unit.slice.empty()) unit.slice = user ? "user.slice" : "system.slice";
  std::string path;
  if (unit.is_slice()) {
    TRY_ASSIGN(path, expand_slice(unit.name));
  } else {
    TRY_ASSIGN(path, expand_slice(unit.slice));
    path += cat("/", unit.unit());
  }
  TRY_ASSIGN(std::string base, default_base(connector, user));
  Location location;
  location.kind = ManagerKind::kSystemd;
  location.scope = unit.unit();
  location.user_manager = user;
  for (const Hierarchy& hierarchy : layout.v1) {
    for (const std::string& name : hierarchy.names) {
      location.paths[name] = cat(hierarchy.mount, path);
    }
  }
  if (layout.unified) {
    std::string scope = cat(layout.unified->mount, base, path);
    auto sub = settings.annotations.find(std::string(kSubgroup));
    if (unified && sub != settings.annotations.end()) {
      TRY_ASSIGN(scope, join_sub_path(scope, sub->second));
    }
    location.paths[""] = std::move(scope);
  }
  return std::make_unique<SystemdCgroup>(std::move(location), settings, host, std::move(connector),
                                         unit.slice);
}

Result<std::unique_ptr<Cgroup>> open_systemd(const Location& location, const Settings& settings,
                                             const HostView& host,
                                             SystemdClient::Connector connector) {
  return std::make_unique<SystemdCgroup>(location, settings, host, std::move(connector), "");
}

}  // namespace dhow::cgroup
