// SPDX-License-Identifier: Apache-2.0
#include "cli/run_verbs.h"
#include "cli/tables.h"

namespace dhow::cli {
namespace {

using enum FlagKind;

constexpr std::string_view kKeysHelp =
    "keys that leave it running and return (default: ctrl-p,ctrl-q)";
constexpr std::string_view kProxyHelp = "hand signals on to the process (default: true)";

constexpr Flag kRunFlags[] = {
    {"detach", kBool, 'd', "", "leave it running and print its id"},
    {"detach-keys", kString, 0, "KEYS", kKeysHelp},
    {"sig-proxy", kBool, 0, "", kProxyHelp},
};

constexpr Flag kExecFlags[] = {
    {"detach", kBool, 'd', "", "leave it running and return"},
    {"detach-keys", kString, 0, "KEYS", kKeysHelp},
    {"env", kList, 'e', "NAME[=VALUE]", "set an environment variable, or hand one on"},
    {"env-file", kList, 0, "FILE", "read environment variables from a file", "files"},
    {"interactive", kBool, 'i', "", "hand the standard input on"},
    {"privileged", kBool, 0, "", "all rights of the host's root"},
    {"tty", kBool, 't', "", "give the process a terminal"},
    {"user", kString, 'u', "USER[:GROUP]", "user and group, by name or number"},
    {"workdir", kString, 'w', "DIR", "working folder"},
};

constexpr Flag kStartFlags[] = {
    {"attach", kBool, 'a', "", "show its output and hand signals on"},
    {"checkpoint", kString, 0, "NAME", "go on from a checkpoint", "", true},
    {"checkpoint-dir", kString, 0, "DIR", "folder of the checkpoint", "folders", true},
    {"detach-keys", kString, 0, "KEYS", kKeysHelp},
    {"interactive", kBool, 'i', "", "hand the standard input on"},
    {"sig-proxy", kBool, 0, "", kProxyHelp, "", true},
};

constexpr Flag kAttachFlags[] = {
    {"detach-keys", kString, 0, "KEYS", kKeysHelp},
    {"no-stdin", kBool, 0, "", "leave the standard input alone"},
    {"sig-proxy", kBool, 0, "", kProxyHelp},
};

const Command kRunCommands[] = {
    {.names = "run|container run",
     .summary = "Create and run a new container from an image",
     .usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
     .details =
         "The exit code is that of the command; 125 when the container can't be made, 126 when the "
         "command can't be run, 127 when it is not there.",
     .handler = run_run,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .stop_at_positional = true,
     .flags = create_flags(),
     .more_flags = kRunFlags,
     .completion = "images"},
    {.names = "create|container create",
     .summary = "Create a new container",
     .usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
     .handler = run_create,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .stop_at_positional = true,
     .flags = create_flags(),
     .completion = "images"},
    {.names = "exec|container exec",
     .summary = "Execute a command in a running container",
     .usage = "[OPTIONS] CONTAINER COMMAND [ARG...]",
     .details = "The exit code is that of the command.",
     .handler = run_exec,
     .min_arguments = 2,
     .max_arguments = kNoLimit,
     .stop_at_positional = true,
     .flags = kExecFlags,
     .completion = "running"},
    {.names = "start|container start",
     .summary = "Start one or more stopped containers",
     .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
     .handler = run_start,
     .min_arguments = 1,
     .max_arguments = kNoLimit,
     .flags = kStartFlags,
     .completion = "stopped"},
    {.names = "attach|container attach",
     .summary = "Attach the standard streams to a running container",
     .usage = "[OPTIONS] CONTAINER",
     .handler = run_attach,
     .min_arguments = 1,
     .max_arguments = 1,
     .flags = kAttachFlags,
     .completion = "running"},
};

}  // namespace

std::span<const Command> run_commands() { return kRunCommands; }

}  // namespace dhow::cli
