// SPDX-License-Identifier: Apache-2.0
// stop, kill, restart, pause, unpause, rm, rename, wait, update and commit.
#include "base/strings.h"
#include "cli/container_calls.h"
#include "cli/flag_checks.h"
#include "cli/rows.h"
#include "cli/tables.h"
#include "oci/reference.h"

namespace dhow::cli {
namespace {

using enum FlagKind;

// One call for each container, by its name, which is printed when it is done.
template <typename MakeCall>
Result<int> for_each_container(Session& session, const Arguments& arguments, MakeCall make_call) {
  TRY_ASSIGN(client::Client * client, session.client());
  EachName each(session);
  for (std::string_view name : arguments.positionals()) {
    auto status = client->call_status(make_call(name));
    if (status) {
      each.done(name);
    } else {
      each.failed(status.error());
    }
  }
  return each.finish();
}

client::Call post(std::string_view container, std::string_view verb) {
  client::Call call;
  call.method = "POST";
  call.path = container_path(container, verb);
  return call;
}

Result<int> run_stop_or_restart(Session& session, const Arguments& arguments,
                                std::string_view verb) {
  return for_each_container(session, arguments, [&](std::string_view name) {
    client::Call call = post(name, verb);
    std::string_view flag = arguments.has("time") ? "time" : "timeout";
    if (arguments.has(flag)) call.query.add("t", cat(arguments.integer(flag)));
    call.query.add_given("signal", arguments.string("signal"));
    return call;
  });
}

Result<int> run_stop(Session& session, const Arguments& arguments) {
  return run_stop_or_restart(session, arguments, "/stop");
}
Result<int> run_restart(Session& session, const Arguments& arguments) {
  return run_stop_or_restart(session, arguments, "/restart");
}

Result<int> run_kill(Session& session, const Arguments& arguments) {
  return for_each_container(session, arguments, [&](std::string_view name) {
    client::Call call = post(name, "/kill");
    call.query.add_given("signal", arguments.string("signal"));
    return call;
  });
}

Result<int> run_pause(Session& session, const Arguments& arguments) {
  return for_each_container(session, arguments,
                            [](std::string_view name) { return post(name, "/pause"); });
}
Result<int> run_unpause(Session& session, const Arguments& arguments) {
  return for_each_container(session, arguments,
                            [](std::string_view name) { return post(name, "/unpause"); });
}

Result<int> run_rm(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  bool force = arguments.boolean("force");
  EachName each(session);
  for (std::string_view name : arguments.positionals()) {
    client::Call call;
    call.method = "DELETE";
    std::string_view plain = name.starts_with('/') ? name.substr(1) : name;
    call.path = container_path(plain);
    call.query.add_switch("v", arguments.boolean("volumes"))
        .add_switch("link", arguments.boolean("link"));
    call.query.add_switch("force", force);
    auto status = client->call_status(std::move(call));
    // With --force one that is gone is what was asked for.
    if (status) {
      each.done(name);
    } else if (force && status.error().code() == Code::kNotFound) {
      session.complain_line(status.error().message());
    } else {
      each.failed(status.error());
    }
  }
  return each.finish();
}

Result<int> run_rename(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  client::Call call = post(arguments.positional(0), "/rename");
  call.query.add("name", arguments.positional(1));
  auto renamed = client->call_status(std::move(call));
  if (renamed) return 0;
  session.complain_line(renamed.error().message());
  return fail(Code::kUnknown,
              cat("Error: failed to rename container named ", arguments.positional(0)));
}

Result<int> run_wait(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  EachName each(session);
  for (std::string_view name : arguments.positionals()) {
    client::Call call = post(name, "/wait");
    call.query.add("condition", "not-running");
    auto code = [&]() -> Result<int> {
      TRY_ASSIGN(client::Exchange exchange, client->open(std::move(call)));
      return exit_code_of(exchange);
    }();
    if (code) {
      each.done(cat(*code));
      session.flush();
    } else {
      each.failed(code.error());
    }
  }
  return each.finish();
}

Result<int> run_update(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  oci::JsonWriter json;
  json.begin_object();
  TRY(write_resources(arguments, json));
  if (std::string_view policy = arguments.string("restart"); !policy.empty())
    TRY(write_restart_policy(policy, json));
  json.end_object();
  if (json.text() == "{}")
    return fail(Code::kInvalidArgument,
                "you must provide one or more flags when using this command");
  EachName each(session);
  std::string warnings;
  for (std::string_view name : arguments.positionals()) {
    client::Call call = post(name, "/update");
    call.body = json.text();
    auto answer = client->call(std::move(call));
    if (!answer) {
      each.failed(answer.error());
      continue;
    }
    each.done(name);
    TRY_ASSIGN(auto document, oci::JsonDocument::parse(*answer));
    oci::JsonValue list = document.root().find("Warnings");
    for (std::size_t i = 0; i < list.size(); ++i)
      warnings += cat(list.item(i).as_string().value_or(""), "\n");
  }
  session.print(warnings);
  return each.finish();
}

Result<int> run_commit(Session& session, const Arguments& arguments) {
  TRY_ASSIGN(client::Client * client, session.client());
  client::Call call;
  call.method = "POST";
  call.path = "/commit";
  call.query.add("container", arguments.positional(0));
  if (std::string_view name = arguments.positional(1); !name.empty()) {
    TRY_ASSIGN(oci::Reference reference, oci::parse_image_name(name));
    if (!reference.digest.empty())
      return fail(Code::kInvalidArgument,
                  "invalid reference format: a commit can't be named by digest");
    call.query.add("repo", reference.familiar_name()).add("tag", reference.tag);
  }
  call.query.add_given("comment", arguments.string("message"))
      .add_given("author", arguments.string("author"));
  for (std::string_view change : arguments.list("change")) call.query.add("changes", change);
  if (!arguments.boolean("pause", true)) call.query.add("pause", "0");
  TRY_ASSIGN(std::string answer, client->call(std::move(call)));
  TRY_ASSIGN(auto document, oci::JsonDocument::parse(answer));
  session.print_line(text_member(document.root(), "Id"));
  return 0;
}

constexpr Flag kStopFlags[] = {
    {"signal", kString, 's', "SIGNAL", "signal to send first", "signals"},
    {"timeout", kInt, 't', "SECONDS", "how long to wait before it is killed; -1: for ever"},
    {"time", kInt, 0, "SECONDS", "as --timeout", "", true},
};
constexpr Flag kKillFlags[] = {
    {"signal", kString, 's', "SIGNAL", "signal to send (default: KILL)", "signals"}};
constexpr Flag kRmFlags[] = {
    {"force", kBool, 'f', "", "kill it first when it runs"},
    {"link", kBool, 'l', "", "remove a link, not a container"},
    {"volumes", kBool, 'v', "", "remove its anonymous volumes too"},
};
constexpr Flag kUpdateFlags[] = {
    {"blkio-weight", kUint, 0, "N", "weight of block I/O, 10 to 1000 (0: none)"},
    {"cpu-period", kInt, 0, "USEC", "period of the CPU limit"},
    {"cpu-quota", kInt, 0, "USEC", "CPU time in a period"},
    {"cpu-rt-period", kInt, 0, "USEC", "period of the real-time CPU limit"},
    {"cpu-rt-runtime", kInt, 0, "USEC", "real-time CPU time in a period"},
    {"cpu-shares", kInt, 'c', "N", "weight of CPU time"},
    {"cpus", kCpus, 0, "N", "CPUs' worth of time, as in 1.5"},
    {"cpuset-cpus", kString, 0, "LIST", "CPUs to run on, as in 0-3,5"},
    {"cpuset-mems", kString, 0, "LIST", "memory nodes to use"},
    {"kernel-memory", kBytes, 0, "SIZE", "ignored by today's kernels", "", true},
    {"memory", kBytes, 'm', "SIZE", "memory limit, as in 512m", "", false, size_fault},
    {"memory-reservation", kBytes, 0, "SIZE", "memory that is left alone under pressure", "", false,
     size_fault},
    {"memory-swap", kBytes, 0, "SIZE", "limit of memory and swap together; -1: no limit of swap",
     "", false, swap_fault},
    {"pids-limit", kInt, 0, "N", "most processes; -1: no limit"},
    {"restart", kString, 0, "POLICY", "when it ends: no, always, unless-stopped or on-failure[:N]",
     "restart"},
};
constexpr Flag kCommitFlags[] = {
    {"author", kString, 'a', "TEXT", "who made the image"},
    {"change", kList, 'c', "INSTRUCTION", "apply an instruction of a Dockerfile"},
    {"message", kString, 'm', "TEXT", "what was done"},
    {"pause", kBool, 'p', "", "pause the container meanwhile (default: true)"},
};

constexpr std::string_view kContainers = "CONTAINER [CONTAINER...]";
constexpr std::string_view kOptionsContainers = "[OPTIONS] CONTAINER [CONTAINER...]";

constexpr Command kContainerCommands[] = {
    {.names = "stop|container stop",
     .summary = "Stop one or more running containers",
     .usage = kOptionsContainers,
     .handler = run_stop,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .flags = kStopFlags,
     .completion = "running"},
    {.names = "kill|container kill",
     .summary = "Kill one or more running containers",
     .usage = kOptionsContainers,
     .handler = run_kill,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .flags = kKillFlags,
     .completion = "running"},
    {.names = "restart|container restart",
     .summary = "Restart one or more containers",
     .usage = kOptionsContainers,
     .handler = run_restart,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .flags = kStopFlags,
     .completion = "containers"},
    {.names = "pause|container pause",
     .summary = "Pause all processes of one or more containers",
     .usage = kContainers,
     .handler = run_pause,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .completion = "running"},
    {.names = "unpause|container unpause",
     .summary = "Let the processes of paused containers go on",
     .usage = kContainers,
     .handler = run_unpause,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .completion = "paused"},
    {.names = "rm|container rm|container remove",
     .summary = "Remove one or more containers",
     .usage = kOptionsContainers,
     .handler = run_rm,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .flags = kRmFlags,
     .completion = "containers"},
    {.names = "rename|container rename",
     .summary = "Rename a container",
     .usage = "CONTAINER NEW_NAME",
     .handler = run_rename,
     .min_arguments = 2,
     .max_arguments = 2,
     .completion = "containers"},
    {.names = "wait|container wait",
     .summary = "Wait until containers have stopped and print their exit codes",
     .usage = kContainers,
     .handler = run_wait,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .completion = "containers"},
    {.names = "update|container update",
     .summary = "Change the limits of one or more containers",
     .usage = kOptionsContainers,
     .handler = run_update,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .flags = kUpdateFlags,
     .completion = "containers"},
    {.names = "commit|container commit",
     .summary = "Make an image of a container's files",
     .usage = "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
     .handler = run_commit,
     .min_arguments = 1,
     .max_arguments = 2,
     .flags = kCommitFlags,
     .completion = "containers"},
};

}  // namespace

std::span<const Command> container_commands() { return kContainerCommands; }

}  // namespace dhow::cli
