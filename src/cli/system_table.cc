// SPDX-License-Identifier: Apache-2.0
#include "cli/system_verbs.h"
#include "cli/tables.h"

namespace dhow::cli {
namespace {

using enum FlagKind;

constexpr Flag kFormatFlags[] = {
    {"format", kString, 'f', "FORMAT", "\"json\" or a template of Go"},
};
constexpr Flag kEventsFlags[] = {
    {"filter", kFilter, 'f', "KEY=VALUE", "only those that match: type=, event=, container=, …"},
    {"format", kString, 0, "FORMAT", "\"json\" or a template of Go"},
    {"since", kString, 0, "TIME", "from then on: a time, or 10m for ten minutes ago"},
    {"until", kString, 0, "TIME", "up to then, and end"},
};
constexpr Flag kDfFlags[] = {
    {"format", kString, 0, "FORMAT",
     "\"table\", \"table TEMPLATE\", \"json\", or a template of Go"},
    {"verbose", kBool, 'v', "", "each object"},
};
constexpr Flag kPruneFlags[] = {
    {"filter", kFilter, 0, "KEY=VALUE", "only those that match: until=, label=, label!="},
    {"force", kBool, 'f', "", "do not ask"},
};
constexpr Flag kAllFlags[] = {
    {"all", kBool, 'a', "", "all that nothing uses, not those without a name alone"},
};
constexpr Flag kSystemPruneFlags[] = {
    {"all", kBool, 'a', "", "all images that nothing uses, not those without a name alone"},
    {"volumes", kBool, 0, "", "anonymous volumes too"},
};
constexpr Flag kBuilderPruneFlags[] = {
    {"all", kBool, 'a', "", "what is in use for later builds too"},
    {"keep-storage", kBytes, 0, "SIZE", "how much may stay", "", true},
};

constexpr Command kSystemCommands[] = {
    {.names = "version",
     .summary = "Show the versions of the command line and of the engine",
     .usage = "[OPTIONS]",
     .handler = run_version,
     .flags = kFormatFlags},
    {.names = "info|system info",
     .summary = "Show what the engine and its host are",
     .usage = "[OPTIONS]",
     .handler = run_info,
     .flags = kFormatFlags},
    {.names = "events|system events",
     .summary = "Show what happens in the engine, as it happens",
     .usage = "[OPTIONS]",
     .handler = run_events,
     .flags = kEventsFlags},
    {.names = "system df",
     .summary = "Show the space that the engine takes",
     .usage = "[OPTIONS]",
     .handler = run_system_df,
     .flags = kDfFlags},
    {.names = "system prune",
     .summary = "Remove what nothing uses",
     .usage = "[OPTIONS]",
     .handler = run_system_prune,
     .flags = kPruneFlags,
     .more_flags = kSystemPruneFlags},
    {.names = "container prune",
     .summary = "Remove all stopped containers",
     .usage = "[OPTIONS]",
     .handler = run_container_prune,
     .flags = kPruneFlags},
    {.names = "image prune",
     .summary = "Remove images that nothing uses",
     .usage = "[OPTIONS]",
     .handler = run_image_prune,
     .flags = kPruneFlags,
     .more_flags = kAllFlags},
    {.names = "volume prune",
     .summary = "Remove volumes that nothing uses",
     .usage = "[OPTIONS]",
     .handler = run_volume_prune,
     .flags = kPruneFlags,
     .more_flags = kAllFlags},
    {.names = "network prune",
     .summary = "Remove networks that nothing uses",
     .usage = "[OPTIONS]",
     .handler = run_network_prune,
     .flags = kPruneFlags},
    {.names = "builder prune",
     .summary = "Remove the cache of builds",
     .usage = "[OPTIONS]",
     .handler = run_builder_prune,
     .flags = kPruneFlags,
     .more_flags = kBuilderPruneFlags},
    {.names = "system dial-stdio",
     .summary = "Join the standard streams to the engine's socket",
     .handler = run_dial_stdio,
     .hidden = true},
    {.names = "doctor",
     .summary = "Check whether this host can run containers",
     .details = "Tells what is missing and how to mend it. The exit code is 1 when something is "
                "missing without which containers do not run.",
     .handler = run_doctor},
    {.names = "completion",
     .summary = "Print the completion script for a shell",
     .usage = "bash|zsh|fish",
     .details = "For bash: source <(dhow completion bash). For zsh: dhow completion zsh > "
                "\"${fpath[1]}/_dhow\". "
                "For fish: dhow completion fish | source.",
     .handler = run_completion,
     .min_arguments = 1,
     .max_arguments = 1,
     .completion = "shells"},
    {.names = "man",
     .summary = "Write the man pages to a folder",
     .usage = "FOLDER",
     .handler = run_man,
     .min_arguments = 1,
     .max_arguments = 1,
     .completion = "folders",
     .hidden = true},
};

}  // namespace

std::span<const Command> system_commands() { return kSystemCommands; }

}  // namespace dhow::cli
