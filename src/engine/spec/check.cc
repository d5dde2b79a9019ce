// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "engine/spec/capabilities.h"
#include "engine/spec/devices.h"
#include "engine/spec/resources.h"
#include "engine/spec/security.h"
#include "engine/spec/spec.h"
#include "network/address.h"

// What is refused, and filled in, before anything of a container is made.
namespace dhow::engine {
namespace {

bool is_mode(const std::string& mode, std::initializer_list<std::string_view> plain) {
  return std::ranges::find(plain, mode) != plain.end() ||
         (mode.starts_with("container:") && mode.size() > 10);
}

Status check_modes(const HostConfig& host) {
  auto wrong = [](std::string_view what, const std::string& mode) {
    return fail(Code::kInvalidArgument, cat("invalid ", what, " mode: ", mode));
  };
  if (host.network_mode == "container:") {
    return fail(Code::kInvalidArgument,
                "Invalid network mode: invalid container format container:<name|id>");
  }
  if (!is_mode(host.pid_mode, {"", "host"})) return wrong("PID", host.pid_mode);
  if (!is_mode(host.ipc_mode, {"", "none", "private", "shareable", "host"})) {
    return wrong("IPC", host.ipc_mode);
  }
  if (!host.uts_mode.empty() && host.uts_mode != "host") return wrong("UTS", host.uts_mode);
  if (!host.cgroupns_mode.empty() && host.cgroupns_mode != "private" &&
      host.cgroupns_mode != "host") {
    return wrong("cgroup namespace", host.cgroupns_mode);
  }
  if (!host.isolation.empty() && lower_text(host.isolation) != "default") {
    return fail(Code::kInvalidArgument, cat("invalid isolation: ", quoted(host.isolation),
                                            " - linux only supports 'default'"));
  }
  if (!host.userns_mode.empty() && host.userns_mode != "host") {
    return wrong("user namespace", host.userns_mode);
  }
  return {};
}

Status check_extra_hosts(const HostConfig& host) {
  for (const std::string& entry : host.extra_hosts) {
    std::size_t colon = entry.find(':');
    if (colon == 0 || colon == std::string::npos) {
      return fail(Code::kInvalidArgument, cat("bad format for add-host: ", quoted(entry)));
    }
    std::string_view address = std::string_view(entry).substr(colon + 1);
    std::string_view plain = address;
    if (plain.starts_with('[') && plain.ends_with(']')) plain = plain.substr(1, plain.size() - 2);
    if (address != "host-gateway" && !network::parse_ip(plain)) {
      return fail(Code::kInvalidArgument, cat("invalid IP address in add-host: ", quoted(address)));
    }
  }
  return {};
}

Status check_restart(const HostConfig& host) {
  const RestartPolicy& policy = host.restart_policy;
  if (!is_mode(policy.name, {"", "no", "always", "unless-stopped", "on-failure"}) ||
      policy.name.starts_with("container:")) {
    return fail(Code::kInvalidArgument,
                cat("invalid restart policy: unknown policy '", policy.name,
                    "'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"));
  }
  if (policy.maximum_retry_count < 0) {
    return fail(Code::kInvalidArgument,
                "invalid restart policy: maximum retry count cannot be negative");
  }
  if (policy.maximum_retry_count > 0 && policy.name != "on-failure") {
    return fail(Code::kInvalidArgument,
                "invalid restart policy: maximum retry count can only be used with 'on-failure'");
  }
  if (host.auto_remove && !policy.name.empty() && policy.name != "no") {
    return fail(Code::kInvalidArgument, "can't create 'AutoRemove' container with restart policy");
  }
  return {};
}

Status check_health(const HealthConfig& health) {
  constexpr std::int64_t kLeast = 1'000'000;  // a millisecond
  auto too_short = [](std::int64_t duration) { return duration != 0 && duration < kLeast; };
  if (too_short(health.interval)) {
    return fail(Code::kInvalidArgument, "interval in Healthcheck cannot be less than 1ms");
  }
  if (too_short(health.timeout)) {
    return fail(Code::kInvalidArgument, "timeout in Healthcheck cannot be less than 1ms");
  }
  if (health.retries < 0) {
    return fail(Code::kInvalidArgument, "retries in Healthcheck cannot be negative");
  }
  if (too_short(health.start_period)) {
    return fail(Code::kInvalidArgument, "start period in Healthcheck cannot be less than 1ms");
  }
  if (too_short(health.start_interval)) {
    return fail(Code::kInvalidArgument, "start interval in Healthcheck cannot be less than 1ms");
  }
  return {};
}

}  // namespace

Status check_config(CreateConfig& config, const EngineOptions& engine,
                    std::vector<std::string>& warnings) {
  HostConfig& host = config.host;
  TRY(check_modes(host));
  TRY(check_extra_hosts(host));
  TRY(check_restart(host));
  TRY(check_resources(host.resources, warnings));
  if (config.config.healthcheck) TRY(check_health(*config.config.healthcheck));
  if (host.shm_size < 0) return fail(Code::kInvalidArgument, "SHM size can not be less than 0");
  if (host.oom_score_adj < -1000 || host.oom_score_adj > 1000) {
    return fail(Code::kInvalidArgument, cat("Invalid value ", host.oom_score_adj,
                                            ", range for oom score adj is [-1000, 1000]"));
  }
  const std::string& folder = config.config.working_dir;
  if (!folder.empty() && !folder.starts_with('/')) {
    return fail(Code::kInvalidArgument, cat("the working directory '", folder,
                                            "' is invalid, it needs to be an absolute path"));
  }
  for (const std::string& entry : config.config.env) {
    if (entry.empty() || entry.starts_with('=')) {
      return fail(Code::kInvalidArgument, cat("invalid environment variable: ", entry));
    }
  }
  TRY(container_capabilities(host.cap_add, host.cap_drop, host.privileged));
  TRY(parse_security_options(host.security_opt));
  TRY(spec_rlimits(host.resources.ulimits, engine.default_ulimits));
  for (const std::string& rule : host.resources.device_cgroup_rules) TRY(parse_device_rule(rule));
  if (host.ipc_mode.empty()) host.ipc_mode = engine.ipc_mode;
  if (host.runtime.empty()) host.runtime = engine.default_runtime;
  if (host.shm_size == 0) host.shm_size = engine.shm_size;
  if (host.restart_policy.name.empty()) host.restart_policy.name = "no";
  return {};
}

}  // namespace dhow::engine
