// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/testing/fake_runtime.h"

#include <algorithm>

#include "base/strings.h"

namespace dhow::runtime {
namespace testing {

FakeRuntime& fake() {
  static FakeRuntime instance;
  return instance;
}

ContainerInfo container(std::string id, ContainerStatus status, pid_t pid) {
  ContainerInfo info;
  info.id = std::move(id);
  info.status = status;
  info.pid = pid;
  return info;
}

}  // namespace testing

namespace {

Status record(const Context& context, std::string call) {
  testing::fake().context = context;
  testing::fake().calls.push_back(std::move(call));
  if (testing::fake().failure) return fail(*testing::fake().failure);
  return {};
}

Result<int> record_code(const Context& context, std::string call) {
  TRY(record(context, std::move(call)));
  return testing::fake().exit_code;
}

std::string_view yes_no(bool value) { return value ? "true" : "false"; }

}  // namespace

std::string_view status_name(ContainerStatus status) {
  static constexpr std::string_view kNames[] = {"creating", "created", "running", "paused",
                                                "stopped"};
  return kNames[static_cast<int>(status)];
}

Status check_id(std::string_view id) {
  bool valid = !id.empty() && id != "." && id != "..";
  for (char c : id) valid = valid && c != '/' && c != ' ';
  if (!valid) return fail(Code::kInvalidArgument, "invalid container ID format");
  return {};
}

Status create(const Context& context, const CreateOptions& options) {
  testing::fake().create = options;
  return record(context, cat("create ", options.id));
}
Status start(const Context& context, std::string_view id) {
  return record(context, cat("start ", id));
}
Result<int> run(const Context& context, const CreateOptions& options) {
  testing::fake().create = options;
  return record_code(context, cat("run ", options.id));
}
Result<int> exec(const Context& context, const ExecOptions& options) {
  testing::fake().exec = options;
  return record_code(context, cat("exec ", options.id));
}
Status kill(const Context& context, std::string_view id, int signal, bool all) {
  return record(context, cat("kill ", id, " ", signal, " all=", yes_no(all)));
}
Status remove(const Context& context, std::string_view id, bool force) {
  return record(context, cat("remove ", id, " force=", yes_no(force)));
}
Status pause(const Context& context, std::string_view id) {
  return record(context, cat("pause ", id));
}
Status resume(const Context& context, std::string_view id) {
  return record(context, cat("resume ", id));
}
Result<ContainerInfo> state(const Context& context, std::string_view id) {
  testing::fake().context = context;
  for (const ContainerInfo& container : testing::fake().containers) {
    if (container.id == id) return container;
  }
  return fail(Code::kNotFound, "container does not exist");
}
Result<std::vector<ContainerInfo>> list(const Context& context) {
  testing::fake().context = context;
  return testing::fake().containers;
}
Result<std::vector<pid_t>> processes(const Context& context, std::string_view id) {
  TRY(record(context, cat("processes ", id)));
  return testing::fake().pids;
}
Status update(const Context& context, std::string_view id, const oci::Resources& resources) {
  testing::fake().resources = resources;
  return record(context, cat("update ", id));
}
Status update_rdt(const Context& context, std::string_view id, const RdtUpdate& update) {
  testing::fake().rdt = update;
  return record(context, cat("update_rdt ", id));
}
Status events(const Context& context, std::string_view id, int interval_ms, bool once,
              const std::function<void(std::string_view)>& emit) {
  for (const std::string& line : testing::fake().event_lines) emit(line);
  return record(context, cat("events ", id, " ", interval_ms, " once=", yes_no(once)));
}
Status add_mounts(const Context& context, std::string_view id,
                  const std::vector<oci::Mount>& mounts) {
  testing::fake().mounts = mounts;
  return record(context, cat("add_mounts ", id));
}
Status remove_mounts(const Context& context, std::string_view id,
                     const std::vector<oci::Mount>& mounts) {
  testing::fake().mounts = mounts;
  return record(context, cat("remove_mounts ", id));
}
std::string features_json(const Context& context) {
  testing::fake().context = context;
  return "{\n  \"ociVersionMin\": \"1.0.0\"\n}";
}
Status checkpoint(const Context& context, std::string_view id, const CheckpointOptions& options) {
  testing::fake().checkpoint = options;
  return record(context, cat("checkpoint ", id));
}
Result<int> restore(const Context& context, const CheckpointOptions& options) {
  testing::fake().checkpoint = options;
  return record_code(context, cat("restore ", options.create.id));
}

}  // namespace dhow::runtime
