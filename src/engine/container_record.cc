// SPDX-License-Identifier: Apache-2.0
#include "engine/container_record.h"

#include "engine/container_config_json.h"
#include "metadata/lease_store.h"
#include "oci/json.h"
#include "oci/json_reader.h"

namespace dhow::engine {
namespace {

using oci::JsonReader;
using oci::JsonWriter;

constexpr Phase kPhases[] = {Phase::kCreated,  Phase::kRunning, Phase::kPaused, Phase::kRestarting,
                             Phase::kRemoving, Phase::kExited,  Phase::kDead};

void write_texts(JsonWriter& out, std::string_view name, const std::vector<std::string>& texts) {
  out.key(name).begin_array();
  for (const std::string& text : texts) out.string(text);
  out.end_array();
}

std::string facts_json(const ContainerFacts& facts) {
  JsonWriter out;
  out.begin_object().member("path", facts.path);
  write_texts(out, "args", facts.args);
  out.member("image", facts.image_id);
  out.member("manifest", facts.manifest.digest.text());
  out.member("manifestType", facts.manifest.media_type);
  out.member_number("manifestSize", facts.manifest.size);
  out.member("parent", facts.parent);
  write_texts(out, "anonymous", facts.anonymous);
  if (facts.mounts) out.key("mounts").raw(mounts_json(*facts.mounts));
  out.end_object();
  return out.text();
}

void decode(const JsonReader& in, ContainerFacts& out) {
  oci::required_member(in, "path", out.path);
  oci::required_member(in, "args", out.args);
  oci::required_member(in, "image", out.image_id);
  std::string digest;
  oci::required_member(in, "manifest", digest);
  if (!digest.empty()) {
    auto parsed = Digest::parse(digest);
    if (!parsed) return in.fail(parsed.error().message());
    out.manifest.digest = *parsed;
  }
  oci::required_member(in, "manifestType", out.manifest.media_type);
  oci::required_member(in, "manifestSize", out.manifest.size);
  oci::required_member(in, "parent", out.parent);
  oci::required_member(in, "anonymous", out.anonymous);
  oci::optional_member(in, "mounts", out.mounts);
}

void write_health(JsonWriter& out, const HealthState& health) {
  out.key("health").begin_object();
  out.member("status", health.status).member_number("streak", health.failing_streak);
  out.key("log").begin_array();
  for (const HealthResult& result : health.log) {
    out.begin_object().member_number("start", result.start).member_number("end", result.end);
    out.member_number("code", result.exit_code).member("output", result.output).end_object();
  }
  out.end_array().end_object();
}

void decode(const JsonReader& in, HealthResult& out) {
  oci::required_member(in, "start", out.start);
  oci::required_member(in, "end", out.end);
  oci::required_member(in, "code", out.exit_code);
  oci::required_member(in, "output", out.output);
}

void decode(const JsonReader& in, HealthState& out) {
  oci::required_member(in, "status", out.status);
  oci::required_member(in, "streak", out.failing_streak);
  JsonReader log = in.member("log");
  for (std::size_t i = 0; i < log.value().size(); ++i) decode(log.item(i), out.log.emplace_back());
}

// Only what is set: most of it is not, most of the time.
std::string progress_json(const ContainerProgress& progress) {
  const ContainerState& state = progress.state;
  JsonWriter out;
  out.begin_object().member("phase", phase_name(state.phase));
  if (state.oom_killed) out.member_boolean("oom", true);
  if (state.pid != 0) out.member_number("pid", state.pid);
  if (state.exit_code != 0) out.member_number("code", state.exit_code);
  if (!state.error.empty()) out.member("error", state.error);
  if (state.started != 0) out.member_number("started", state.started);
  if (state.finished != 0) out.member_number("finished", state.finished);
  if (state.health) write_health(out, *state.health);
  if (progress.restart_count != 0) out.member_number("restarts", progress.restart_count);
  if (progress.stopped_by_hand) out.member_boolean("stopped", true);
  if (progress.has_task) out.member_boolean("task", true);
  out.end_object();
  return out.text();
}

void decode(const JsonReader& in, ContainerProgress& out) {
  ContainerState& state = out.state;
  std::string phase;
  oci::required_member(in, "phase", phase);
  for (Phase known : kPhases) {
    if (phase_name(known) == phase) state.phase = known;
  }
  oci::optional_member(in, "oom", state.oom_killed);
  oci::optional_member(in, "pid", state.pid);
  oci::optional_member(in, "code", state.exit_code);
  oci::optional_member(in, "error", state.error);
  oci::optional_member(in, "started", state.started);
  oci::optional_member(in, "finished", state.finished);
  if (JsonReader health = in.member("health"); health.present()) {
    decode(health, state.health.emplace());
  }
  oci::optional_member(in, "restarts", out.restart_count);
  oci::optional_member(in, "stopped", out.stopped_by_hand);
  oci::optional_member(in, "task", out.has_task);
}

// For parse_as, which finds decoders by their arguments' namespace.
struct FactsText {
  ContainerFacts value;
};
void decode(const JsonReader& in, FactsText& out) { decode(in, out.value); }
struct ProgressText {
  ContainerProgress value;
};
void decode(const JsonReader& in, ProgressText& out) { decode(in, out.value); }

Result<ContainerRecord> read_row(const metadata::Row& row) {
  ContainerRecord record;
  record.id = row.text(0);
  record.name = row.text(1);
  record.created = row.integer(2);
  TRY_ASSIGN(record.config, parse_create_config(row.text(3)));
  TRY_ASSIGN(FactsText facts, oci::parse_as<FactsText>(row.text(4)));
  record.facts = std::move(facts.value);
  TRY_ASSIGN(ProgressText progress, oci::parse_as<ProgressText>(row.text(5)));
  record.progress = std::move(progress.value);
  return record;
}

}  // namespace

std::string_view phase_name(Phase phase) {
  switch (phase) {
    case Phase::kCreated:
      return "created";
    case Phase::kRunning:
      return "running";
    case Phase::kPaused:
      return "paused";
    case Phase::kRestarting:
      return "restarting";
    case Phase::kRemoving:
      return "removing";
    case Phase::kExited:
      return "exited";
    case Phase::kDead:
      return "dead";
  }
  return {};
}

Status ContainerRows::insert(const ContainerRecord& record) const {
  TRY(
      transaction_.run("INSERT INTO container (id, namespace, name, created, config, facts, state)"
                       " VALUES (?, ?, ?, ?, ?, ?, ?)",
                       {record.id, std::string(name_space_), record.name, record.created,
                        create_config_json(record.config), facts_json(record.facts),
                        progress_json(record.progress)}));
  if (record.facts.image_id.empty()) return {};
  TRY(transaction_.run("INSERT INTO lease (id, created) VALUES (?, ?)",
                       {record.snapshot(), record.created}));
  return metadata::LeaseStore::add(transaction_, record.snapshot(),
                                   {metadata::ResourceKind::kBlob, record.facts.image_id});
}

Status ContainerRows::set_progress(const ContainerRecord& record) const {
  TRY(transaction_.run("UPDATE container SET state = ? WHERE id = ?",
                       {progress_json(record.progress), record.id}));
  return {};
}

Status ContainerRows::set_config(const ContainerRecord& record) const {
  TRY(transaction_.run("UPDATE container SET config = ? WHERE id = ?",
                       {create_config_json(record.config), record.id}));
  return {};
}

Status ContainerRows::set_name(const ContainerRecord& record) const {
  TRY(transaction_.run("UPDATE container SET name = ? WHERE id = ?", {record.name, record.id}));
  return {};
}

Status ContainerRows::set_facts(const ContainerRecord& record) const {
  TRY(transaction_.run("UPDATE container SET facts = ? WHERE id = ?",
                       {facts_json(record.facts), record.id}));
  return {};
}

Result<std::string> ContainerRows::find_name(std::string_view name) const {
  std::string id;
  TRY(transaction_.query("SELECT id FROM container WHERE namespace = ? AND name = ?",
                         {std::string(name_space_), std::string(name)},
                         [&](const metadata::Row& row) -> Status {
                           id = row.text(0);
                           return {};
                         }));
  return id;
}

Status ContainerRows::remove(std::string_view id) const {
  TRY(transaction_.run("DELETE FROM container WHERE id = ?", {std::string(id)}));
  TRY(transaction_.run("DELETE FROM lease WHERE id = ?", {"container/" + std::string(id)}));
  return {};
}

Result<std::vector<ContainerRecord>> ContainerRows::list(
    const std::function<void(UnreadableRow)>& unreadable) const {
  std::vector<ContainerRecord> records;
  TRY(
      transaction_.query("SELECT id, name, created, config, facts, state FROM container"
                         " WHERE namespace = ? ORDER BY created",
                         {std::string(name_space_)}, [&](const metadata::Row& row) -> Status {
                           auto record = read_row(row);
                           if (record) {
                             records.push_back(std::move(*record));
                           } else {
                             unreadable({std::string(row.text(0)), std::string(row.text(1)),
                                         std::move(record).error()});
                           }
                           return {};
                         }));
  return records;
}

}  // namespace dhow::engine
