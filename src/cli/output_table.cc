// SPDX-License-Identifier: Apache-2.0
#include "cli/output_verbs.h"
#include "cli/tables.h"

namespace dhow::cli {
namespace {

using enum FlagKind;

constexpr std::string_view kOutputFormatHelp =
    "\"table\", \"table TEMPLATE\", \"json\", or a template of Go";
constexpr std::string_view kInspectHelp =
    "\"json\" or a template of Go; \"run\" prints the run command of a container";

constexpr Flag kPsFlags[] = {
    {"all", kBool, 'a', "", "those that do not run too"},
    {"filter", kFilter, 'f', "KEY=VALUE", "only those that match: status=, name=, label=, …"},
    {"format", kString, 0, "FORMAT", kOutputFormatHelp},
    {"last", kInt, 'n', "N", "the N that were created last, whatever their state"},
    {"latest", kBool, 'l', "", "the one that was created last, whatever its state"},
    {"no-trunc", kBool, 0, "", "cut nothing short"},
    {"quiet", kBool, 'q', "", "ids alone"},
    {"size", kBool, 's', "", "sizes of their files"},
};

constexpr Flag kInspectFlags[] = {
    {"format", kString, 'f', "FORMAT", kInspectHelp},
    {"size", kBool, 's', "", "sizes of a container's files"},
    {"type", kString, 0, "KIND", "look for a container, image, network or volume alone"},
    {"platform", kString, 0, "OS/ARCH", "platform of an image", "", true},
    {"verbose", kBool, 0, "", "tell more of a network", "", true},
};

constexpr Flag kInspectContainerFlags[] = {
    {"format", kString, 'f', "FORMAT", kInspectHelp},
    {"size", kBool, 's', "", "sizes of its files"},
};

constexpr Flag kLogsFlags[] = {
    {"details", kBool, 0, "", "with the extras that the log driver keeps"},
    {"follow", kBool, 'f', "", "go on as more comes"},
    {"since", kString, 0, "TIME", "from then on: a time, or 10m for ten minutes ago"},
    {"tail", kString, 'n', "N", "only the last N lines"},
    {"timestamps", kBool, 't', "", "with the time of each line"},
    {"until", kString, 0, "TIME", "up to then"},
};

constexpr Flag kStatsFlags[] = {
    {"all", kBool, 'a', "", "those that do not run too"},
    {"format", kString, 0, "FORMAT", kOutputFormatHelp},
    {"no-stream", kBool, 0, "", "once, and end"},
    {"no-trunc", kBool, 0, "", "cut nothing short"},
};

constexpr Command kOutputCommands[] = {
    {.names = "ps|container ls|container list|container ps",
     .summary = "List containers",
     .usage = "[OPTIONS]",
     .handler = run_ps,
     .flags = kPsFlags},
    {.names = "inspect",
     .summary = "Show everything about containers, images, networks or volumes",
     .usage = "[OPTIONS] NAME|ID [NAME|ID...]",
     .handler = run_inspect,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .flags = kInspectFlags,
     .completion = "objects"},
    {.names = "container inspect",
     .summary = "Show everything about one or more containers",
     .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
     .handler = run_inspect_container,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .flags = kInspectContainerFlags,
     .more_flags = {},
     .completion = "containers"},
    {.names = "logs|container logs",
     .summary = "Show the output of a container",
     .usage = "[OPTIONS] CONTAINER",
     .handler = run_logs,
     .min_arguments = 1,
     .max_arguments = 1,
     .flags = kLogsFlags,
     .completion = "containers"},
    {.names = "top|container top",
     .summary = "Show the processes of a container",
     .usage = "CONTAINER [ps OPTIONS]",
     .handler = run_top,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .stop_at_positional = true,
     .completion = "running"},
    {.names = "port|container port",
     .summary = "List the published ports of a container",
     .usage = "CONTAINER [PRIVATE_PORT[/PROTO]]",
     .handler = run_port,
     .min_arguments = 1,
     .max_arguments = 2,
     .completion = "running"},
    {.names = "diff|container diff",
     .summary = "List what has changed in a container's files",
     .usage = "CONTAINER",
     .details = "A is what was added, C what has changed, D what was deleted.",
     .handler = run_diff,
     .min_arguments = 1,
     .max_arguments = 1,
     .completion = "containers"},
    {.names = "stats|container stats",
     .summary = "Show what containers use, again and again",
     .usage = "[OPTIONS] [CONTAINER...]",
     .handler = run_stats,
     .max_arguments = kNoLimit,
     .flags = kStatsFlags,
     .completion = "running"},
};

}  // namespace

std::span<const Command> output_commands() { return kOutputCommands; }

}  // namespace dhow::cli
