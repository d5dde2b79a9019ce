// SPDX-License-Identifier: Apache-2.0
#include "runtime/hooks.h"

#include <algorithm>
#include <limits>

#include "base/log.h"
#include "base/strings.h"
#include "sys/spawn.h"

namespace dhow::runtime {
namespace {

std::string annotation(const oci::State& state, const char* name) {
  auto found = state.annotations.find(name);
  return found == state.annotations.end() ? std::string() : found->second;
}

std::string how_it_ended(const SpawnOutput& output, const oci::Hook& hook) {
  if (output.timed_out) return cat("hook ran past timeout of ", *hook.timeout, "s");
  std::string ended = output.exit_code > 128 ? cat("signal: ", output.exit_code - 128)
                                             : cat("exit status ", output.exit_code);
  return cat(ended, ", stdout: ", trim(output.output), ", stderr: ", trim(output.error_text));
}

Status run_hook(const oci::Hook& hook, const oci::State& state, std::string_view state_text,
                const std::vector<std::string>& default_env, std::string_view working_dir) {
  SpawnOptions options;
  options.path = hook.path;
  options.arguments = hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args;
  options.environment = hook.env.value_or(default_env);
  options.working_dir = working_dir;
  options.input = state_text;
  options.output_file = annotation(state, "run.oci.hooks.stdout");
  options.error_file = annotation(state, "run.oci.hooks.stderr");
  if (hook.timeout) {
    constexpr std::int64_t kMax = std::numeric_limits<int>::max() / 1000;
    options.timeout_ms = static_cast<int>(std::clamp<std::int64_t>(*hook.timeout, 0, kMax) * 1000);
  }
  TRY_ASSIGN(SpawnOutput output, spawn_and_wait(options));
  if (output.exit_code == 0 && !output.timed_out) return {};
  return fail(Code::kFailedPrecondition, how_it_ended(output, hook));
}

}  // namespace

Status run_hooks(std::string_view kind, const std::vector<oci::Hook>& hooks,
                 const oci::State& state, const std::vector<std::string>& default_env,
                 std::string_view working_dir) {
  if (hooks.empty()) return {};
  std::string text = oci::state_json(state);
  for (std::size_t i = 0; i < hooks.size(); ++i) {
    TRY_CONTEXT(run_hook(hooks[i], state, text, default_env, working_dir),
                cat("error running ", kind, " hook #", i));
  }
  return {};
}

void run_hooks_warning(std::string_view kind, const std::vector<oci::Hook>& hooks,
                       const oci::State& state, std::string_view working_dir) {
  if (hooks.empty()) return;
  std::string text = oci::state_json(state);
  for (std::size_t i = 0; i < hooks.size(); ++i) {
    auto done = run_hook(hooks[i], state, text, {}, working_dir);
    if (!done)
      log::warning(cat("error running ", kind, " hook #", i, ": ", done.error().message()));
  }
}

}  // namespace dhow::runtime
