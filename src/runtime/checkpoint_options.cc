// SPDX-License-Identifier: Apache-2.0
#include <sched.h>
#include <unistd.h>

#include <algorithm>

#include "base/strings.h"
#include "runtime/checkpoint_plan.h"

namespace dhow::runtime {
namespace {

Result<criu::CgroupMode> cgroup_mode(std::string_view name) {
  if (name.empty() || name == "soft") return criu::CgroupMode::kSoft;
  if (name == "full") return criu::CgroupMode::kFull;
  if (name == "strict") return criu::CgroupMode::kStrict;
  if (name == "ignore") return criu::CgroupMode::kIgnore;
  return fail(Code::kInvalidArgument, cat("invalid manage-cgroups-mode ", quoted(name)));
}

Result<std::optional<criu::NetworkLock>> network_lock(std::string_view name) {
  if (name.empty()) return std::optional<criu::NetworkLock>();
  if (name == "iptables") return std::optional(criu::NetworkLock::kIptables);
  if (name == "nftables") return std::optional(criu::NetworkLock::kNftables);
  if (name == "skip") return std::optional(criu::NetworkLock::kSkip);
  return fail(Code::kInvalidArgument, cat("invalid network-lock ", quoted(name)));
}

Result<std::uint32_t> namespace_mask(const std::vector<std::string>& names) {
  std::uint32_t mask = 0;
  for (const std::string& name : names) {
    if (name != "network") {
      return fail(Code::kInvalidArgument, cat("namespace ", quoted(name), " is not supported"));
    }
    mask |= CLONE_NEWNET;
  }
  return mask;
}

bool joins(const oci::Config& config, oci::NamespaceType type) {
  const oci::Namespace* found = config.linux.find_namespace(type);
  return found != nullptr && !found->path.empty();
}

}  // namespace

Result<criu::Options> criu_options(const CheckpointOptions& options) {
  criu::Options result;
  TRY_ASSIGN(result.cgroup_mode, cgroup_mode(options.cgroups_mode));
  TRY_ASSIGN(result.network_lock, network_lock(options.network_lock));
  TRY_ASSIGN(result.empty_namespaces, namespace_mask(options.empty_ns));
  if (!options.page_server.empty()) {
    std::size_t colon = options.page_server.rfind(':');
    auto port = colon == std::string::npos
                    ? std::nullopt
                    : parse_number<std::uint16_t>(options.page_server.substr(colon + 1));
    if (!port) {
      return fail(Code::kInvalidArgument,
                  cat("page server ", quoted(options.page_server), ": want ADDRESS:PORT"));
    }
    result.page_server = criu::PageServer{options.page_server.substr(0, colon), *port};
  }
  if (!options.status_fd_number.empty()) {
    auto number = parse_number<int>(options.status_fd_number);
    if (!number || *number < 0) {
      return fail(Code::kInvalidArgument,
                  cat("invalid status-fd ", quoted(options.status_fd_number)));
    }
    result.status_fd = *number;
  }
  result.parent_image = options.parent_path;
  result.lsm_profile = options.lsm_profile;
  result.lsm_mount_context = options.lsm_mount_context;
  result.leave_running = options.leave_running;
  result.tcp_established = options.tcp_established;
  result.tcp_skip_in_flight = options.tcp_skip_in_flight;
  result.tcp_close = options.tcp_close;
  result.external_unix_sockets = options.ext_unix_sk;
  result.shell_job = options.shell_job;
  result.file_locks = options.file_locks;
  result.link_remap = options.link_remap;
  result.auto_dedup = options.auto_dedup;
  result.lazy_pages = options.lazy_pages;
  // Pages that changed since an earlier image are told from the others by tracking.
  result.track_memory = options.pre_dump || !options.parent_path.empty();
  result.orphan_pts_master = true;
  result.notify = true;
  return result;
}

Status check_criu_version(const CheckpointOptions& options, const oci::Config& config,
                          int version) {
  struct Need {
    bool wanted;
    int version;
    std::string_view what;
  };
  const Need needs[] = {
      {true, 30000, "checkpoint and restore"},
      {options.tcp_close, 31100, "--tcp-close"},
      {!options.lsm_profile.empty(), 31400, "--lsm-profile"},
      {!options.lsm_mount_context.empty(), 31600, "--lsm-mount-context"},
      {!options.network_lock.empty() && options.network_lock != "skip", 31600, "--network-lock"},
      {options.network_lock == "skip", 31800, "--network-lock skip"},
      {joins(config, oci::NamespaceType::kNetwork), 31100, "a network namespace of others"},
      {joins(config, oci::NamespaceType::kPid), 31500, "a pid namespace of others"},
  };
  for (const Need& need : needs) {
    if (!need.wanted || version >= need.version) continue;
    return fail(Code::kFailedPrecondition,
                cat(need.what, " needs criu ", criu::version_text(need.version), ", this is criu ",
                    criu::version_text(version)));
  }
  return {};
}

std::string criu_config_file(const oci::StringMap& annotations, std::string_view program_name,
                             std::string_view folder) {
  if (auto found = annotations.find("org.criu.config"); found != annotations.end()) {
    return found->second;
  }
  for (std::string_view name : {program_name, std::string_view("runc")}) {
    std::string path = cat(folder, "/", name, ".conf");
    if (::access(path.c_str(), F_OK) == 0) return path;
  }
  return {};
}

std::string_view external_namespace_key(oci::NamespaceType type) {
  if (type == oci::NamespaceType::kNetwork) return "extRootNetNS";
  if (type == oci::NamespaceType::kPid) return "extRootPidNS";
  return {};
}

}  // namespace dhow::runtime
