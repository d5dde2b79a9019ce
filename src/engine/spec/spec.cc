// SPDX-License-Identifier: Apache-2.0
#include "engine/spec/spec.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/strings.h"
#include "engine/names.h"
#include "engine/spec/capabilities.h"
#include "engine/spec/cdi.h"
#include "engine/spec/devices.h"
#include "engine/spec/resources.h"
#include "engine/spec/security.h"
#include "runtime/seccomp/seccomp.h"
#include "sys/process.h"

namespace dhow::engine {
namespace {

using oci::NamespaceType;

constexpr std::string_view kPath =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::string_view kInitInside = "/sbin/docker-init";

// What would tell of the machine, or let it be changed, through /proc and /sys.
constexpr std::string_view kMasked[] = {"/proc/acpi",
                                        "/proc/asound",
                                        "/proc/interrupts",
                                        "/proc/kcore",
                                        "/proc/keys",
                                        "/proc/latency_stats",
                                        "/proc/sched_debug",
                                        "/proc/scsi",
                                        "/proc/timer_list",
                                        "/proc/timer_stats",
                                        "/sys/devices/virtual/powercap",
                                        "/sys/firmware"};
constexpr std::string_view kReadonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                          "/proc/sysrq-trigger"};

oci::Mount mount(std::string_view destination, std::string_view type, std::string_view source,
                 std::string_view options) {
  oci::Mount out;
  out.destination = destination;
  out.type = type;
  out.source = source;
  for (std::string_view option : split(options, ',')) out.options.emplace_back(option);
  return out;
}

oci::Mount bound(std::string_view source, std::string_view destination, std::string_view options) {
  return mount(destination, "bind", source, options);
}

// A name alone takes the variable away.
void merge_environment(std::vector<std::string>& into, const std::vector<std::string>& more) {
  for (const std::string& entry : more) {
    std::string name = entry.substr(0, entry.find('='));
    auto found = std::ranges::find_if(
        into, [&](const std::string& other) { return other.substr(0, other.find('=')) == name; });
    if (entry.find('=') == std::string::npos) {
      if (found != into.end()) into.erase(found);
    } else if (found != into.end()) {
      *found = entry;
    } else {
      into.push_back(entry);
    }
  }
}

class SpecBuilder {
 public:
  SpecBuilder(const SpecInput& input, const SecurityOptions& security)
      : input_(input),
        config_(input.container.config.config),
        host_(input.container.config.host),
        security_(security) {}

  Result<oci::Config> build() {
    // The least that has all that is used here: older runtimes refuse what they don't know.
    spec_.oci_version = "1.0.2";
    spec_.root = oci::Root{.path = "rootfs", .readonly = host_.readonly_rootfs};
    // The host's own names must not be set where its namespace is used.
    if (host_.uts_mode != "host") {
      spec_.hostname = config_.hostname;
      spec_.domainname = config_.domainname;
    }
    TRY(add_process());
    TRY(add_namespaces());
    TRY(add_mounts());
    TRY(add_resources());
    spec_.annotations = host_.annotations;
    TRY(add_seccomp());
    TRY(add_sysctls());
    add_paths();
    std::string parent = host_.resources.cgroup_parent.empty() ? input_.engine.cgroup_parent
                                                               : host_.resources.cgroup_parent;
    if (input_.engine.systemd_cgroup) {
      if (!parent.ends_with(".slice")) parent = "system.slice";
      spec_.linux.cgroups_path = cat(parent, ":docker:", input_.container.id);
    } else if (!parent.empty()) {
      spec_.linux.cgroups_path =
          cat(parent.starts_with('/') ? "" : "/", parent, "/", input_.container.id);
    }
    return std::move(spec_);
  }

 private:
  // What docker sets in each network of a container's own, also in one that the engine has made:
  // ports below 1024 and ping for everybody inside.
  Status add_sysctls() {
    spec_.linux.sysctl = host_.sysctls;
    std::string mode = network_mode(host_);
    if (mode == "host" || mode.starts_with("container:")) return {};
    spec_.linux.sysctl.emplace("net.ipv4.ip_unprivileged_port_start", "0");
    // In a user namespace not all of these groups are there.
    TRY_ASSIGN(bool is_users_own, in_user_namespace());
    if (is_users_own || input_.remap != nullptr) return {};
    spec_.linux.sysctl.emplace("net.ipv4.ping_group_range", "0 2147483647");
    return {};
  }

  Status add_process() {
    oci::Process process;
    process.terminal = config_.tty;
    if (config_.tty && host_.console_size && host_.console_size->size() == 2) {
      process.console_size =
          oci::ConsoleSize{.height = static_cast<std::uint64_t>((*host_.console_size)[0]),
                           .width = static_cast<std::uint64_t>((*host_.console_size)[1])};
    }
    process.user = input_.user.user;
    if (uses_init()) process.args = {std::string(kInitInside), "--"};
    process.args.push_back(input_.container.facts.path);
    const auto& rest = input_.container.facts.args;
    process.args.insert(process.args.end(), rest.begin(), rest.end());
    process.env = environment();
    process.cwd = config_.working_dir.empty() ? "/" : clean_path(config_.working_dir);
    TRY_ASSIGN(capabilities_,
               container_capabilities(host_.cap_add, host_.cap_drop, host_.privileged));
    oci::Capabilities& caps = process.capabilities.emplace();
    caps.bounding = capabilities_;
    // For others than root they are cleared by execve, so they are not given (as docker does).
    if (process.user.uid == 0) caps.effective = caps.permitted = capabilities_;
    TRY_ASSIGN(process.rlimits,
               spec_rlimits(host_.resources.ulimits, input_.engine.default_ulimits));
    process.no_new_privileges =
        security_.no_new_privileges.value_or(input_.engine.no_new_privileges);
    TRY_ASSIGN(process.apparmor_profile, apparmor());
    process.oom_score_adj = static_cast<std::int32_t>(host_.oom_score_adj);
    spec_.process = std::move(process);
    return {};
  }

  std::vector<std::string> environment() const {
    std::vector<std::string> result = {std::string(kPath), cat("HOSTNAME=", config_.hostname)};
    if (config_.tty) result.emplace_back("TERM=xterm");
    merge_environment(result, input_.link_variables);
    merge_environment(result, config_.env);
    return result;
  }

  Result<std::string> apparmor() const {
    if (!apparmor_enabled()) {
      if (!security_.apparmor.empty() && security_.apparmor != "unconfined") {
        return fail(Code::kInvalidArgument,
                    cat("AppArmor is not enabled on this machine: ", security_.apparmor));
      }
      return std::string();
    }
    if (!security_.apparmor.empty()) return security_.apparmor;
    if (host_.privileged) return std::string("unconfined");
    return std::string(apparmor_has("docker-default") ? "docker-default" : "");
  }

  bool uses_init() const { return !input_.init.empty(); }

  // A namespace of its own, of another container, or, when the mode is "host", none.
  void add_namespace(NamespaceType type, const std::string& mode) {
    if (mode == "host") return;
    oci::Namespace space;
    space.type = type;
    auto joined = input_.joined.find(oci::namespace_name(type));
    if (joined != input_.joined.end()) space.path = joined->second;
    spec_.linux.namespaces.push_back(std::move(space));
  }

  Status add_namespaces() {
    add_namespace(NamespaceType::kMount, {});
    add_namespace(NamespaceType::kNetwork, network_mode(host_));
    add_namespace(NamespaceType::kUts, host_.uts_mode);
    add_namespace(NamespaceType::kPid, host_.pid_mode);
    add_namespace(NamespaceType::kIpc, host_.ipc_mode);
    if (host_.cgroupns_mode == "private") add_namespace(NamespaceType::kCgroup, {});
    if (input_.remap != nullptr) {
      add_namespace(NamespaceType::kUser, {});
      spec_.linux.uid_mappings = input_.remap->uids;
      spec_.linux.gid_mappings = input_.remap->gids;
    }
    return {};
  }

  bool is_taken(std::string_view destination) const {
    return std::ranges::any_of(input_.mounts, [&](const WantedMount& wanted) {
      return wanted.destination == destination ||
             (wanted.destination == "/dev" && destination.starts_with("/dev/"));
    });
  }

  void add_default(oci::Mount one) {
    if (is_taken(one.destination)) return;
    // A root that is read only has nothing that could be written, but for /dev and /proc.
    constexpr std::string_view kWritable[] = {"/proc", "/dev", "/dev/pts", "/dev/shm",
                                              "/dev/mqueue"};
    bool stays = std::ranges::find(kWritable, one.destination) != std::end(kWritable);
    bool is_ro = std::ranges::find(one.options, "ro") != one.options.end();
    if (host_.readonly_rootfs && !stays && !is_ro && !host_.privileged) {
      one.options.emplace_back("ro");
    }
    spec_.mounts.push_back(std::move(one));
  }

  Status add_mounts() {
    std::string_view sys_mode = host_.privileged ? "rw" : "ro";
    bool cgroup_rw = host_.privileged || security_.writable_cgroups.value_or(false);
    add_default(mount("/proc", "proc", "proc", "nosuid,noexec,nodev"));
    add_default(mount("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"));
    add_default(mount("/dev/pts", "devpts", "devpts",
                      "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"));
    std::string sys_options = cat("nosuid,noexec,nodev,", sys_mode);
    // A new sysfs shows a network namespace, and only to root there is it given (sysfs(5)).
    // That of another container belongs to a user namespace that is not ours.
    bool has_sysfs = input_.remap == nullptr || !input_.joined.contains("network");
    if (network_mode(host_) == "host") {
      TRY_ASSIGN(bool is_users_own, in_user_namespace());
      has_sysfs = !is_users_own;
    }
    add_default(has_sysfs ? mount("/sys", "sysfs", "sysfs", sys_options)
                          : bound("/sys", "/sys", cat("rbind,rprivate,", sys_options)));
    add_default(mount("/sys/fs/cgroup", "cgroup", "cgroup",
                      cat(cgroup_rw ? "rw" : "ro", ",nosuid,noexec,nodev")));
    add_default(mount("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"));
    add_shm();
    add_network_files();
    if (uses_init()) {
      spec_.mounts.push_back(bound(input_.init, kInitInside, "bind,ro"));
    }
    std::vector<std::size_t> order(input_.mounts.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    // A mount comes after those that it is in.
    std::ranges::stable_sort(order, {}, [&](std::size_t i) {
      return std::ranges::count(input_.mounts[i].destination, '/');
    });
    for (std::size_t i : order) {
      spec_.mounts.push_back(spec_mount(input_.mounts[i], input_.volumes[i]));
      bool is_ours = input_.mounts[i].type == "volume" || input_.mounts[i].type == "image";
      if (input_.remap != nullptr && is_ours && spec_.mounts.back().type == "bind") {
        spec_.mounts.back().uid_mappings = input_.remap->uids;
        spec_.mounts.back().gid_mappings = input_.remap->gids;
      }
      widen_propagation(input_.mounts[i].propagation);
    }
    return {};
  }

  // What comes through a mount has to come through the root first.
  void widen_propagation(std::string_view propagation) {
    auto& root = spec_.linux.rootfs_propagation;
    if (propagation.ends_with("shared")) {
      root = oci::Propagation::kShared;
    } else if (propagation.ends_with("slave") && root != oci::Propagation::kShared) {
      root = oci::Propagation::kSlave;
      spec_.linux.rootfs_propagation_recursive = true;
    }
  }

  void add_shm() {
    if (host_.ipc_mode == "none") return;
    if (host_.ipc_mode == "host") {
      add_default(bound("/dev/shm", "/dev/shm", "rbind,rprivate"));
    } else if (!input_.shm.empty()) {
      add_default(bound(input_.shm, "/dev/shm", "rbind,rprivate"));
    } else {
      std::int64_t size = host_.shm_size != 0 ? host_.shm_size : input_.engine.shm_size;
      add_default(
          mount("/dev/shm", "tmpfs", "shm", cat("nosuid,noexec,nodev,mode=1777,size=", size)));
    }
  }

  void add_network_files() {
    std::string_view options = host_.readonly_rootfs ? "rbind,ro,rprivate" : "rbind,rprivate";
    for (std::string_view name : {"resolv.conf", "hostname", "hosts"}) {
      std::string destination = cat("/etc/", name);
      if (is_taken(destination)) continue;
      spec_.mounts.push_back(bound(cat(input_.folder, "/", name), destination, options));
    }
  }

  Status add_resources() {
    TRY_ASSIGN(oci::Resources resources, spec_resources(host_.resources));
    // A new cgroup has no limit, and where there is none "no limit" could not be written.
    if (resources.pids_limit == -1) resources.pids_limit.reset();
    SpecDevices devices;
    if (host_.privileged) {
      TRY(add_all_devices(devices));
      resources.devices = devices.rules;
    } else {
      resources.devices = default_device_rules();
    }
    devices.rules.clear();
    for (const DeviceMapping& wanted : host_.resources.devices) {
      TRY(add_device(wanted, devices));
    }
    resources.devices.insert(resources.devices.end(), devices.rules.begin(), devices.rules.end());
    for (const std::string& text : host_.resources.device_cgroup_rules) {
      TRY_ASSIGN(oci::DeviceRule rule, parse_device_rule(text));
      resources.devices.push_back(std::move(rule));
    }
    spec_.linux.devices = std::move(devices.nodes);
    spec_.linux.resources = std::move(resources);
    for (const DeviceRequest& request : host_.resources.device_requests) {
      TRY(inject_devices(request, input_.engine.cdi_folders, spec_));
    }
    return {};
  }

  Status add_seccomp() {
    if (security_.seccomp == "unconfined") return {};
    if (security_.seccomp == "builtin") {
      spec_.linux.seccomp = resolve_seccomp(default_seccomp_profile(), capabilities_);
      return {};
    }
    if (!security_.seccomp.empty()) {
      auto profile = parse_seccomp_profile(security_.seccomp);
      if (!profile) {
        return std::unexpected(
            std::move(profile).error().add_context("Decoding seccomp profile failed"));
      }
      spec_.linux.seccomp = resolve_seccomp(*profile, capabilities_);
      return {};
    }
    if (host_.privileged || input_.engine.seccomp_profile == "unconfined") return {};
    std::string ready = input_.takes_ready_filter ? input_.seccomp.ready(capabilities_) : "";
    // A program that somebody wants instead stays where it is.
    bool taken = !ready.empty() &&
                 spec_.annotations.try_emplace(seccomp::kReadyAnnotation, std::move(ready)).second;
    if (!taken) spec_.linux.seccomp = resolve_seccomp(input_.seccomp.profile(), capabilities_);
    return {};
  }

  void add_paths() {
    if (host_.privileged || security_.unconfined_paths) return;
    spec_.linux.masked_paths = masked_paths(host_);
    spec_.linux.readonly_paths = readonly_paths(host_);
  }

  const SpecInput& input_;
  const ContainerConfig& config_;
  const HostConfig& host_;
  const SecurityOptions& security_;
  std::vector<std::string> capabilities_;
  oci::Config spec_;
};

}  // namespace

std::string network_mode(const HostConfig& host) {
  return host.network_mode.empty() || host.network_mode == "default" ? "bridge" : host.network_mode;
}

std::string joined_container(const std::string& mode) {
  constexpr std::string_view kPrefix = "container:";
  return mode.starts_with(kPrefix) ? mode.substr(kPrefix.size()) : std::string();
}

std::vector<std::string> masked_paths(const HostConfig& host) {
  if (host.masked_paths) return *host.masked_paths;
  return {std::begin(kMasked), std::end(kMasked)};
}

std::vector<std::string> readonly_paths(const HostConfig& host) {
  if (host.readonly_paths) return *host.readonly_paths;
  return {std::begin(kReadonly), std::end(kReadonly)};
}

Result<oci::Config> make_spec(const SpecInput& input) {
  TRY_ASSIGN(SecurityOptions security,
             parse_security_options(input.container.config.host.security_opt));
  return SpecBuilder(input, security).build();
}

Result<oci::Process> exec_process(const ContainerRecord& container, const EngineOptions& engine,
                                  const ContainerUser& user, const ExecConfig& exec,
                                  const std::vector<std::string>& link_variables) {
  const ContainerConfig& config = container.config.config;
  const HostConfig& host = container.config.host;
  TRY_ASSIGN(SecurityOptions security, parse_security_options(host.security_opt));
  oci::Process process;
  process.terminal = exec.tty;
  process.user = user.user;
  process.args = exec.cmd;
  process.env = {std::string(kPath), cat("HOSTNAME=", config.hostname)};
  if (exec.tty) process.env.emplace_back("TERM=xterm");
  merge_environment(process.env, link_variables);
  merge_environment(process.env, config.env);
  merge_environment(process.env, exec.env);
  const std::string& folder = exec.working_dir.empty() ? config.working_dir : exec.working_dir;
  process.cwd = folder.empty() ? "/" : clean_path(folder);
  TRY_ASSIGN(
      std::vector<std::string> capabilities,
      container_capabilities(host.cap_add, host.cap_drop, host.privileged || exec.privileged));
  oci::Capabilities& caps = process.capabilities.emplace();
  caps.bounding = capabilities;
  if (process.user.uid == 0) caps.effective = caps.permitted = capabilities;
  TRY_ASSIGN(process.rlimits, spec_rlimits(host.resources.ulimits, engine.default_ulimits));
  process.no_new_privileges =
      !exec.privileged && security.no_new_privileges.value_or(engine.no_new_privileges);
  if (apparmor_enabled()) {
    if (exec.privileged || host.privileged) {
      process.apparmor_profile = "unconfined";
    } else if (!security.apparmor.empty()) {
      process.apparmor_profile = security.apparmor;
    } else if (apparmor_has("docker-default")) {
      process.apparmor_profile = "docker-default";
    }
  }
  process.oom_score_adj = static_cast<std::int32_t>(host.oom_score_adj);
  return process;
}

}  // namespace dhow::engine
