// SPDX-License-Identifier: Apache-2.0
// The ways in which a task goes.
#include <signal.h>
#include <unistd.h>

#include <tuple>

#include "base/log.h"
#include "base/strings.h"
#include "sys/file_io.h"
#include "task/local_tasks.h"

namespace dhow::task {

using namespace std::chrono_literals;

namespace {

Exit to_exit(const rpc::task::DeleteResponse& deleted) {
  return {deleted.exit_status, deleted.exited_at.value_or(rpc::timestamp_now())};
}

// Asks a shim without tasks to end. It may do so before it answers.
Status shut_down(Shim& shim, std::chrono::milliseconds limit) {
  auto asked = shim.call(rpc::task::ShutdownRequest{shim.key().id, true}, limit);
  if (asked || asked.error().code() == Code::kUnavailable) return {};
  return fail(std::move(asked.error()));
}

bool is_gone(const Error& error) {
  return error.code() == Code::kUnavailable || error.code() == Code::kDeadlineExceeded;
}

}  // namespace

std::optional<Bootstrap> LocalTasks::read_bootstrap(const Key& key) const {
  auto bundle = bundles_.find(key);
  if (!bundle) return std::nullopt;
  auto text = read_file(*bundle, kBootstrapFile);
  if (!text) {
    // Its engine was killed as it had started the shim, or before that.
    Bootstrap unknown;
    unknown.address = cat("unix://", bundles_.path(key), "/", kShimSocket);
    return unknown;
  }
  auto bootstrap = parse_bootstrap_json(*text);
  if (bootstrap) return std::move(*bootstrap);
  log::warning(cat(bundles_.path(key), "/bootstrap.json: ", bootstrap.error().message()));
  return std::nullopt;
}

Result<Exit> LocalTasks::end_in(Shim& shim) {
  auto limit = options_.limits.cleanup;
  const std::string& id = shim.key().id;
  // Not there, or ended already: Wait and Delete will tell.
  auto killed = shim.call(rpc::task::KillRequest{id, {}, SIGKILL, true}, limit);
  if (!killed && is_gone(killed.error())) return fail(std::move(killed.error()));
  auto waited = shim.call<rpc::task::WaitResponse>(rpc::task::WaitRequest{id, {}}, limit);
  if (!waited && is_gone(waited.error())) return fail(std::move(waited.error()));
  auto deleted = shim.call<rpc::task::DeleteResponse>(rpc::task::DeleteRequest{id, {}}, limit);
  if (!deleted && deleted.error().code() != Code::kNotFound)
    return fail(std::move(deleted.error()));
  TRY(shut_down(shim, options_.limits.shutdown));
  return deleted ? to_exit(*deleted) : Exit{kLostStatus, rpc::timestamp_now()};
}

Exit LocalTasks::clean_after(const Key& key, const std::optional<Bootstrap>& bootstrap) {
  Exit exit{kLostStatus, rpc::timestamp_now()};
  auto limit = options_.limits.cleanup;
  std::string program = options_.shim_program;
  log::info(cat("clean up after the shim of ", key.id, last_words(key)));
  if (bootstrap) {
    std::ignore = kill_shim(*bootstrap, limit);  // it may be gone
    if (!bootstrap->program.empty()) program = bootstrap->program;
  }
  if (!program.empty() && bundles_.find(key)) {
    auto deleted = run_delete(site(key), program, limit);
    if (deleted) {
      exit = *deleted;
    } else {
      log::warning(cat("clean up after the shim of ", key.id, ": ", deleted.error().message()));
    }
  }
  // Foreign shims listen elsewhere, and those that are killed leave their sockets.
  if (bootstrap && !bootstrap->program.empty()) {
    ::unlink(bootstrap->address.substr(bootstrap->address.find("//") + 2).c_str());
  }
  if (auto removed = bundles_.remove(key); !removed) log::warning(removed.error().message());
  return exit;
}

// containerd's shim leaves it to the daemon to see that a container runs: its failure has no code.
Error LocalTasks::explain_refusal(Shim& shim, Error error) const {
  if (error.code() != Code::kUnknown) return error;
  auto state = shim.call<rpc::task::StateResponse>(rpc::task::StateRequest{shim.key().id, {}},
                                                   options_.limits.state);
  if (!state || state->status == rpc::task::ProcessStatus::kStopped) return error;
  return Error(Code::kFailedPrecondition, error.message());
}

Result<Exit> LocalTasks::remove(const Key& key, std::string_view exec_id) {
  TRY_ASSIGN(auto shim, find(key));
  auto deleted = shim->call<rpc::task::DeleteResponse>(
      rpc::task::DeleteRequest{key.id, std::string(exec_id)}, options_.limits.call);
  if (!exec_id.empty()) {
    if (!deleted) return fail(std::move(deleted.error()));
    return to_exit(*deleted);
  }
  if (!deleted) {
    Code code = deleted.error().code();
    if (code == Code::kUnavailable || code == Code::kNotFound) return cleanup(key);
    return fail(explain_refusal(*shim, std::move(deleted.error())));
  }
  if (!shut_down(*shim, options_.limits.shutdown)) std::ignore = kill_shim(shim->bootstrap(), 0ms);
  TRY(bundles_.remove(key));
  std::unique_lock lock(mutex_);
  shims_.erase(key);
  return to_exit(*deleted);
}

Result<Exit> LocalTasks::cleanup(const Key& key) {
  TRY(check_key(key));
  std::shared_ptr<Shim> shim;
  {
    std::unique_lock lock(mutex_);
    auto found = shims_.find(key);
    if (found != shims_.end()) shim = found->second;
  }
  auto bootstrap = shim ? std::optional(shim->bootstrap()) : read_bootstrap(key);
  if (!shim && bootstrap) {
    auto connected = Shim::connect(*thread_, key, *bootstrap);
    if (connected) shim = std::move(*connected);
  }
  Exit exit{kLostStatus, rpc::timestamp_now()};
  auto ended = shim ? end_in(*shim) : Result<Exit>(fail(Code::kUnavailable, "no shim"));
  if (ended) {
    exit = *ended;
    TRY(bundles_.remove(key));
  } else {
    exit = clean_after(key, bootstrap);
  }
  std::unique_lock lock(mutex_);
  shims_.erase(key);
  return exit;
}

}  // namespace dhow::task
