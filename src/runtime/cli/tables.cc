// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/command.h"

namespace dhow::runtime::cli {
namespace {

using enum FlagKind;

constexpr Flag kGlobalFlags[] = {
    {"root", kString, 0, "DIR", "folder of the containers' state (default: /run/<program name>)"},
    {"debug", kBool, 0, "", "log more"},
    {"log", kString, 0, "FILE",
     "append the log to FILE instead of the standard error; not as runc also file:FILE, "
     "journald:ID or syslog:ID"},
    {"log-format", kString, 0, "FORMAT", "text or json (default: text)"},
    {"log-level", kString, 0, "LEVEL", "least level to log: error, warning, info or debug"},
    {"systemd-cgroup", kBool, 0, "",
     "let systemd make the cgroups; cgroupsPath is then slice:prefix:name"},
    {"cgroup-manager", kString, 0, "MANAGER", "cgroupfs, systemd or disabled (default: cgroupfs)"},
    {"rootless", kString, 0, "VALUE",
     "forgive missing rights to cgroups: true, false or auto (default: auto)"},
    {"criu", kString, 0, "PATH", "ignored: criu is looked up in $PATH", true},
    {"version", kBool, 'v', "", "print the version"},
    {"V", kBool, 'V', "", "print the version", true},
};

constexpr Flag kHelpFlags[] = {
    {"help", kBool, 'h', "", "show help"},
    {"?", kBool, '?', "", "show help", true},
    {"usage", kBool, 0, "", "show the flags in short", true},
};

constexpr std::string_view kConsoleHelp =
    "AF_UNIX socket to send the master end of the terminal to";
constexpr std::string_view kPidfdHelp = "AF_UNIX socket to send a pidfd of the process to";
constexpr std::string_view kPidFileHelp = "write the process id to FILE";
constexpr std::string_view kPreserveHelp =
    "pass N more file descriptors on, after the standard streams and $LISTEN_FDS (default: 0)";
constexpr std::string_view kBundleHelp = "folder of the bundle (default: the working folder)";
constexpr std::string_view kDetachHelp = "leave the process running and return";
constexpr std::string_view kSubreaperHelp = "don't adopt the orphans of the container";
constexpr std::string_view kNoPivotHelp =
    "move the root with MS_MOVE and chroot, for root filesystems on a ramdisk";

constexpr Flag kCreateFlags[] = {
    {"bundle", kString, 'b', "DIR", kBundleHelp},
    {"config", kString, 'f', "FILE", "configuration to use instead of config.json in the bundle"},
    {"console-socket", kString, 0, "SOCKET", kConsoleHelp},
    {"pidfd-socket", kString, 0, "SOCKET", kPidfdHelp},
    {"pid-file", kString, 0, "FILE", kPidFileHelp},
    {"no-pivot", kBool, 0, "", kNoPivotHelp},
    {"no-new-keyring", kBool, 0, "", "keep the session keyring of the caller"},
    {"preserve-fds", kInt, 0, "N", kPreserveHelp},
    {"landlock", kString, 0, "FILE", "Landlock policy for the container, as JSON"},
    {"no-subreaper", kBool, 0, "", kSubreaperHelp},
};

constexpr Flag kRunFlags[] = {
    {"detach", kBool, 'd', "", kDetachHelp},
    {"keep", kBool, 0, "", "keep the container when its process has ended"},
};

constexpr Flag kExecFlags[] = {
    {"console-socket", kString, 0, "SOCKET", kConsoleHelp},
    {"pidfd-socket", kString, 0, "SOCKET", kPidfdHelp},
    {"cwd", kString, 0, "DIR", "working folder in the container"},
    {"env", kList, 'e', "NAME=VALUE", "set an environment variable (may be repeated)"},
    {"tty", kBool, 't', "", "give the process a terminal"},
    {"user", kString, 'u', "UID[:GID]", "user and group of the process, as numbers"},
    {"additional-gids", kList, 'g', "GID", "one more group (may be repeated)"},
    {"process", kString, 'p', "FILE", "process object of the specification, as JSON"},
    {"detach", kBool, 'd', "", kDetachHelp},
    {"pid-file", kString, 0, "FILE", kPidFileHelp},
    {"process-label", kString, 0, "LABEL", "SELinux label of the process"},
    {"apparmor", kString, 0, "PROFILE", "AppArmor profile of the process"},
    {"no-new-privs", kBool, 0, "", "never gain rights by execve"},
    {"cap", kList, 'c', "CAP", "add a capability (may be repeated)"},
    {"preserve-fds", kInt, 0, "N", kPreserveHelp},
    {"cgroup", kList, 0, "[CTRL[,CTRL]:]PATH",
     "run in a cgroup below the container's, for all controllers or those named (may be repeated)"},
    {"ignore-paused", kBool, 0, "", "go ahead although the container is paused"},
};

constexpr Flag kKillFlags[] = {
    {"all", kBool, 'a', "", "signal every process; with a stopped container this is a success"},
    {"regex", kBool, 'r', "", "the id is an extended regular expression: signal all that match"},
};

constexpr Flag kDeleteFlags[] = {
    {"force", kBool, 'f', "", "kill what still runs; a container that isn't there is a success"},
    {"regex", kBool, 'r', "", "the id is an extended regular expression: delete all that match"},
};

constexpr Flag kListFlags[] = {
    {"format", kString, 'f', "FORMAT", "table or json (default: table)"},
    {"quiet", kBool, 'q', "", "print ids alone"},
};

constexpr Flag kPsFlags[] = {
    {"format", kString, 'f', "FORMAT", "table or json (default: table)"},
};

constexpr std::string_view kImagePathHelp = "folder of the image (default: ./checkpoint)";
constexpr std::string_view kWorkPathHelp = "folder for criu's logs and work files";
constexpr std::string_view kTcpHelp = "allow established TCP connections";
constexpr std::string_view kUnixHelp = "allow sockets that are connected to the outside";
constexpr std::string_view kShellJobHelp = "allow a terminal that somebody else owns";
constexpr std::string_view kFileLocksHelp = "allow file locks";
constexpr std::string_view kCgroupsModeHelp =
    "how cgroups are handled: soft (default), full, strict or ignore";
constexpr std::string_view kEmptyNsHelp =
    "leave the content of this kind of namespace out: network (may be repeated)";
constexpr std::string_view kDedupHelp = "drop memory pages from the image that are there twice";
constexpr std::string_view kLazyHelp = "copy memory pages on demand, with userfaultfd";
constexpr std::string_view kLockHelp = "how the network is locked: iptables, nftables or skip";

constexpr Flag kCheckpointFlags[] = {
    {"image-path", kString, 0, "DIR", kImagePathHelp},
    {"work-path", kString, 0, "DIR", kWorkPathHelp},
    {"parent-path", kString, 0, "DIR", "earlier image to build on, relative to --image-path"},
    {"leave-running", kBool, 0, "", "leave the container running"},
    {"tcp-established", kBool, 0, "", kTcpHelp},
    {"tcp-skip-in-flight", kBool, 0, "", "leave out TCP connections that are being made"},
    {"tcp-close", kBool, 0, "", "close established TCP connections"},
    {"link-remap", kBool, 0, "", "allow open files that were removed"},
    {"ext-unix-sk", kBool, 0, "", kUnixHelp},
    {"shell-job", kBool, 0, "", kShellJobHelp},
    {"lazy-pages", kBool, 0, "", kLazyHelp},
    {"status-fd", kString, 0, "FD", "descriptor that criu writes a zero byte to when it is ready"},
    {"page-server", kString, 0, "ADDRESS:PORT", "send memory pages to this page server"},
    {"file-locks", kBool, 0, "", kFileLocksHelp},
    {"pre-dump", kBool, 0, "", "save the memory alone, and leave the container running"},
    {"manage-cgroups-mode", kString, 0, "MODE", kCgroupsModeHelp},
    {"empty-ns", kList, 0, "NAMESPACE", kEmptyNsHelp},
    {"auto-dedup", kBool, 0, "", kDedupHelp},
    {"network-lock", kString, 0, "METHOD", kLockHelp},
};

constexpr Flag kRestoreFlags[] = {
    {"image-path", kString, 0, "DIR", kImagePathHelp},
    {"work-path", kString, 0, "DIR", kWorkPathHelp},
    {"tcp-established", kBool, 0, "", kTcpHelp},
    {"tcp-close", kBool, 0, "", "close TCP connections that were established"},
    {"ext-unix-sk", kBool, 0, "", kUnixHelp},
    {"shell-job", kBool, 0, "", kShellJobHelp},
    {"file-locks", kBool, 0, "", kFileLocksHelp},
    {"manage-cgroups-mode", kString, 0, "MODE", kCgroupsModeHelp},
    {"detach", kBool, 'd', "", kDetachHelp},
    {"empty-ns", kList, 0, "NAMESPACE", kEmptyNsHelp},
    {"auto-dedup", kBool, 0, "", kDedupHelp},
    {"lazy-pages", kBool, 0, "", kLazyHelp},
    {"lsm-profile", kString, 0, "TYPE:NAME", "security profile of the restored processes"},
    {"lsm-mount-context", kString, 0, "CONTEXT", "SELinux context of the restored mounts"},
    {"network-lock", kString, 0, "METHOD", kLockHelp},
};

constexpr Flag kEventsFlags[] = {
    {"interval", kDuration, 0, "TIME", "time between two lines of statistics (default: 5s)"},
    {"stats", kBool, 0, "", "print one line of statistics and end"},
};

constexpr Flag kSpecFlags[] = {
    {"bundle", kString, 'b', "DIR", "folder to write to (default: the working folder)"},
    {"rootless", kBool, 0, "", "for a container that its user runs without root"},
    {"file", kString, 'f', "FILE", "file to write (default: config.json)"},
};

constexpr Flag kUpdateFlags[] = {
    {"resources", kString, 'r', "FILE",
     "take all limits from FILE (-: the standard input), a resources object as JSON; "
     "other flags are then ignored"},
    {"blkio-weight", kString, 0, "N", "weight of block I/O, 10 to 1000"},
    {"cpu-period", kString, 0, "USEC", "period of the CPU limit"},
    {"cpu-quota", kString, 0, "USEC", "CPU time in a period"},
    {"cpu-burst", kString, 0, "USEC", "unused CPU time that may be made up for"},
    {"cpu-share", kString, 0, "N", "weight of CPU time"},
    {"cpu-rt-period", kString, 0, "USEC", "period of the real-time CPU limit"},
    {"cpu-rt-runtime", kString, 0, "USEC", "real-time CPU time in a period"},
    {"cpu-idle", kString, 0, "N", "1: run only when nothing else wants the CPU"},
    {"cpuset-cpus", kString, 0, "LIST", "CPUs to use"},
    {"cpuset-mems", kString, 0, "LIST", "memory nodes to use"},
    {"kernel-memory", kString, 0, "SIZE", "ignored", true},
    {"kernel-memory-tcp", kString, 0, "SIZE", "ignored", true},
    {"memory", kString, 0, "SIZE", "memory limit; sizes may end in k, m, g; -1: none"},
    {"memory-reservation", kString, 0, "SIZE", "memory that is left alone under pressure"},
    {"memory-swap", kString, 0, "SIZE", "limit of memory and swap together; -1: none"},
    {"pids-limit", kString, 0, "N", "most processes; -1: no limit"},
    {"l3-cache-schema", kString, 0, "SCHEMA", "L3 cache allocation of Intel RDT"},
    {"mem-bw-schema", kString, 0, "SCHEMA", "memory bandwidth allocation of Intel RDT"},
};

constexpr Command kCommands[] = {
    {.name = "checkpoint",
     .summary = "save a running container to an image with criu",
     .arguments = "<container-id>",
     .details = "",
     .handler = handle_checkpoint,
     .flags = kCheckpointFlags},
    {.name = "create",
     .summary = "make a container from a bundle, up to the start of its process",
     .arguments = "<container-id>",
     .details = "",
     .handler = handle_create,
     .flags = kCreateFlags},
    {.name = "delete",
     .summary = "remove a stopped container and all that belongs to it",
     .arguments = "<container-id>",
     .details = "",
     .handler = handle_delete,
     .flags = kDeleteFlags},
    {.name = "events",
     .summary = "print statistics and out-of-memory notices, one JSON object a line",
     .arguments = "<container-id>",
     .details = "",
     .handler = handle_events,
     .flags = kEventsFlags},
    {.name = "exec",
     .summary = "run one more process in a container",
     .arguments = "<container-id> <command> [argument...]\n"
                  "   or -p FILE <container-id>",
     .details = "Flags must come before the id: all that follows it belongs to the command.",
     .handler = handle_exec,
     .max_arguments = kNoLimit,
     .stop_at_positional = true,
     .flags = kExecFlags},
    {.name = "features",
     .summary = "print what this runtime can do, as JSON",
     .arguments = "",
     .details = "The document is that of the runtime specification's features.md.",
     .handler = handle_features,
     .min_arguments = 0,
     .max_arguments = 0},
    {.name = "kill",
     .summary = "send a signal to a container's first process",
     .arguments = "<container-id> [signal]",
     .details = "The signal is a number or a name, with or without SIG (default: TERM).",
     .handler = handle_kill,
     .max_arguments = 2,
     .stop_at_positional = true,
     .flags = kKillFlags},
    {.name = "list",
     .summary = "list the containers below the state folder",
     .arguments = "",
     .details = "",
     .handler = handle_list,
     .min_arguments = 0,
     .max_arguments = 0,
     .flags = kListFlags},
    {.name = "mounts",
     .summary = "add mounts to a running container, or remove them",
     .arguments = "add|remove <container-id> FILE",
     .details = "FILE (-: the standard input) has an array of mount objects as JSON.",
     .handler = handle_mounts,
     .min_arguments = 3,
     .max_arguments = 3},
    {.name = "pause",
     .summary = "freeze all processes of a container",
     .arguments = "<container-id>",
     .details = "",
     .handler = handle_pause},
    {.name = "ps",
     .summary = "show the processes of a container",
     .arguments = "<container-id> [ps options]",
     .details = "The table is that of the host's ps (default options: -ef). "
                "JSON is an array of process ids.",
     .handler = handle_ps,
     .max_arguments = kNoLimit,
     .stop_at_positional = true,
     .flags = kPsFlags},
    {.name = "restore",
     .summary = "bring a container back from an image",
     .arguments = "<container-id>",
     .details = "",
     .handler = handle_restore,
     .flags = kRestoreFlags,
     .shared_flags = kCreateFlags},
    {.name = "resume",
     .summary = "thaw a paused container",
     .arguments = "<container-id>",
     .details = "",
     .handler = handle_resume},
    {.name = "run",
     .summary = "create and start a container, and wait for its end",
     .arguments = "<container-id>",
     .details = "The exit code is that of the container's process, or 128 + the signal that "
                "killed it.",
     .handler = handle_run,
     .flags = kCreateFlags,
     .shared_flags = kRunFlags},
    {.name = "spec",
     .summary = "write a configuration to start from",
     .arguments = "",
     .details = "An existing file is left alone.",
     .handler = handle_spec,
     .min_arguments = 0,
     .max_arguments = 0,
     .flags = kSpecFlags},
    {.name = "start",
     .summary = "start the process of a created container",
     .arguments = "<container-id>",
     .details = "",
     .handler = handle_start},
    {.name = "state",
     .summary = "print the state of a container as JSON",
     .arguments = "<container-id>",
     .details = "",
     .handler = handle_state},
    {.name = "update",
     .summary = "change the limits of a container",
     .arguments = "<container-id>",
     .details = "",
     .handler = handle_update,
     .flags = kUpdateFlags},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

const Command* find_command(std::string_view name) {
  for (const Command& command : kCommands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

std::span<const Flag> global_flags() { return kGlobalFlags; }
std::span<const Flag> help_flags() { return kHelpFlags; }

}  // namespace dhow::runtime::cli
