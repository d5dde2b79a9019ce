// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "oci/config_codec.h"
#include "oci/validate.h"
#include "runtime/exec_process.h"
#include "runtime/handover.h"
#include "runtime/init/process_setup.h"
#include "sys/file_io.h"

namespace dhow::runtime {
namespace {

// --cap adds to the sets that make a capability usable, never to the inheritable one, which would
// survive into programs with file capabilities (CVE-2022-29162); ambient ones need it, so neither.
void add_capabilities(oci::Process& process, const std::vector<std::string>& names) {
  if (names.empty()) return;
  oci::Capabilities sets = process.capabilities.value_or(oci::Capabilities{});
  for (const std::string& name : names) {
    for (auto* set : {&sets.bounding, &sets.permitted, &sets.effective}) {
      if (std::ranges::find(*set, name) == set->end()) set->push_back(name);
    }
  }
  process.capabilities = std::move(sets);
}

Result<oci::Process> make_process(const oci::Config& config, const ExecOptions& options) {
  if (!options.process_file.empty()) {
    TRY_ASSIGN(std::string json, read_file(options.process_file));
    auto process = oci::parse_process(json);
    if (!process) return fail(std::move(process).error().add_context(options.process_file));
    TRY(oci::validate_process(*process, "$"));
    return process;
  }
  if (!config.process) return fail(Code::kInvalidArgument, "$.process: required");
  oci::Process process = *config.process;
  process.args = options.args;
  process.terminal = options.tty;
  if (!options.cwd.empty()) process.cwd = options.cwd;
  process.env.insert(process.env.end(), options.env.begin(), options.env.end());
  if (options.uid) {
    process.user.uid = *options.uid;
    process.user.gid = options.gid.value_or(0);
    process.user.additional_gids.clear();
  } else if (options.gid) {
    process.user.gid = *options.gid;
  }
  for (std::uint32_t gid : options.additional_gids) process.user.additional_gids.push_back(gid);
  if (options.apparmor) process.apparmor_profile = *options.apparmor;
  if (options.process_label) process.selinux_label = *options.process_label;
  if (options.no_new_privs) process.no_new_privileges = *options.no_new_privs;
  add_capabilities(process, options.capabilities);
  TRY(oci::validate_process(process, "$"));
  return process;
}

}  // namespace

Result<ExecPlan> plan_exec(const Context& context, const Container& container,
                           const ExecOptions& options) {
  ExecPlan plan;
  plan.preserved_fds = static_cast<unsigned>(std::max(options.preserve_fds, 0));
  TRY(check_preserved_fds(plan.preserved_fds));
  TRY_ASSIGN(plan.config, container.dir().load_config());
  TRY_ASSIGN(plan.process, make_process(plan.config, options));
  TRY(init::check_selinux_label(plan.process.selinux_label));
  TRY_ASSIGN(plan.init, container.open_init());
  plan.state = hook_state(container.record(), "running");
  TRY_ASSIGN(Identity identity, current_identity());
  plan.rootless = context.rootless.value_or(identity.rootless());
  for (const oci::Namespace& entry : plan.config.linux.namespaces) {
    plan.namespace_flags |= static_cast<int>(clone_flag(entry.type));
    if (entry.type == oci::NamespaceType::kUser) plan.joins_user = true;
  }
  TRY_ASSIGN(plan.seccomp, seccomp::program_of(plan.config));
  TRY_ASSIGN(auto policy, container.dir().load_landlock());
  if (policy) {
    TRY_ASSIGN(plan.landlock, parse_landlock(*policy));
  }
  TRY_ASSIGN(auto cgroup, container.open_cgroup());
  TRY_ASSIGN(plan.join, cgroup->plan_join(options.cgroups, container.record().pid));
  return plan;
}

}  // namespace dhow::runtime
