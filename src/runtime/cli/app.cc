// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/app.h"

#include <optional>
#include <tuple>

#include "base/cleanup.h"
#include "base/strings.h"
#include "runtime/cli/log_sink.h"
#include "sys/file_io.h"

namespace dhow::runtime::cli {
namespace {

constexpr int kFailure = 1;
constexpr int kExecFailure = 255;
constexpr int kUnknownCommand = 3;  // runc's framework
constexpr int kUsageFailure = 64;   // EX_USAGE of sysexits.h, as argp answers for crun

class App {
 public:
  App(std::span<const std::string_view> command_line, const Streams& streams)
      : streams_(streams),
        argv0_(command_line.empty() ? "dhow-runtime" : command_line.front()),
        arguments_(command_line.subspan(command_line.empty() ? 0 : 1)),
        personality_(personality_of(argv0_)),
        log_(personality_.style, LogFormat::kText, streams.err) {}

  int run();

 private:
  bool as_crun() const { return personality_.style == Style::kCrun; }
  void print(FdRef fd, std::string_view text) const { std::ignore = write_all(fd, text); }

  Status set_up_log(const ParsedArguments& global);
  Status set_up_context(const ParsedArguments& global);
  std::optional<int> answer_global_question(const ParsedArguments& global);

  int run_command(std::string_view name, std::span<const std::string_view> arguments);
  int run_help(std::span<const std::string_view> arguments);
  int unknown_command(std::string_view name);
  // nullopt: the number of arguments is right.
  std::optional<int> check_argument_count(const Command& command, std::size_t count);
  int usage_failure(const Command* command, const ParseFailure& failure);
  int fatal(std::string_view message, int code = kFailure) {
    log_.write_fatal(message);
    return code;
  }
  int failure_code(const Command& command, const ParsedArguments& arguments);

  const Streams& streams_;
  std::string_view argv0_;
  std::span<const std::string_view> arguments_;
  Personality personality_;
  LogTarget log_;
  runtime::Context context_;
};

// --log, --log-format, --log-level and --debug. What fails before is on the standard error.
Status App::set_up_log(const ParsedArguments& global) {
  std::string_view format = global.string("log-format", "text");
  if (format == "json") {
    log_.set_format(LogFormat::kJson);
  } else if (format != "text" && !format.empty()) {
    return fail(Code::kInvalidArgument, as_crun() ? cat("unknown log format type ", format)
                                                  : cat("invalid log-format: ", format));
  }
  // crun keeps quiet about what does no harm.
  log::Level level = as_crun() ? log::Level::kError : log::Level::kInfo;
  if (global.has("log-level")) {
    std::string_view name = global.string("log-level");
    bool known = false;
    for (log::Level candidate :
         {log::Level::kDebug, log::Level::kInfo, log::Level::kWarning, log::Level::kError}) {
      if (name == log::level_name(candidate)) {
        level = candidate;
        known = true;
      }
    }
    if (!known) return fail(Code::kInvalidArgument, cat("unknown log level ", quoted(name)));
  }
  context_.debug = global.boolean("debug");
  if (context_.debug) level = log::Level::kDebug;
  log::set_sink(&log_, level);
  if (std::string_view target = global.string("log"); !target.empty()) {
    TRY(log_.open(target, personality_.name != "runc"));
  }
  return {};
}

Status App::set_up_context(const ParsedArguments& global) {
  context_.program_name = personality_.name;
  if (global.has("root")) {
    TRY_ASSIGN(context_.root, absolute_path(global.string("root")));
    while (context_.root.size() > 1 && context_.root.ends_with('/')) context_.root.pop_back();
    if (context_.root.empty() || context_.root == "/") {
      return fail(Code::kInvalidArgument,
                  cat("root folder ", quoted(context_.root), " is not allowed"));
    }
  } else {
    TRY_ASSIGN(context_.root, default_root(personality_));
  }

  if (global.boolean("systemd-cgroup")) context_.cgroup_manager = cgroup::ManagerKind::kSystemd;
  if (global.has("cgroup-manager")) {
    std::string_view manager = global.string("cgroup-manager");
    if (manager == "cgroupfs") {
      context_.cgroup_manager = cgroup::ManagerKind::kCgroupfs;
    } else if (manager == "systemd") {
      context_.cgroup_manager = cgroup::ManagerKind::kSystemd;
    } else if (manager == "disabled") {
      context_.cgroup_manager = cgroup::ManagerKind::kDisabled;
    } else {
      return fail(Code::kInvalidArgument, "unknown cgroup manager specified");
    }
  }

  std::string_view rootless = global.string("rootless", "auto");
  if (as_crun() || rootless == "auto") return {};  // crun takes any value and ignores it
  if (rootless == "true" || rootless == "false") {
    context_.rootless = rootless == "true";
    return {};
  }
  return fail(Code::kInvalidArgument,
              cat("invalid value ", quoted(rootless), " for flag -rootless: parse error"));
}

// --help, --version and --usage before a command.
std::optional<int> App::answer_global_question(const ParsedArguments& global) {
  std::string root(global.string("root"));
  if (root.empty()) root = cat("/run/", personality_.name);
  if (global.boolean("version") || global.boolean("V")) {
    print(streams_.out, version_text(personality_, root));
    return 0;
  }
  if (global.boolean("usage")) {
    print(streams_.out, usage_line(personality_, nullptr));
    return 0;
  }
  bool no_command = global.positionals().empty();
  if (global.boolean("help") || global.boolean("?") || (no_command && !as_crun())) {
    print(streams_.out, program_help(personality_, root));
    return 0;
  }
  if (no_command) return fatal("please specify a command");
  return std::nullopt;
}

int App::usage_failure(const Command* command, const ParseFailure& failure) {
  std::string message = failure.message(personality_.style);
  if (as_crun()) {
    std::string_view who = command == nullptr ? argv0_ : command->name;
    std::string_view ask = command == nullptr ? std::string_view(personality_.name) : who;
    print(streams_.err, cat(who, ": ", message, "\nTry `", ask, " --help' or `", ask,
                            " --usage' for more information.\n"));
    return kUsageFailure;
  }
  std::string help = command == nullptr ? program_help(personality_, context_.root)
                                        : command_help(personality_, *command);
  print(streams_.out,
        cat("Incorrect Usage", command == nullptr ? ". " : ": ", message, "\n\n", help));
  return fatal(message);
}

int App::unknown_command(std::string_view name) {
  if (as_crun()) return fatal(cat("unknown command ", name));
  return fatal(cat("No help topic for '", name, "'"), kUnknownCommand);
}

int App::run_help(std::span<const std::string_view> arguments) {
  if (arguments.empty()) {
    print(streams_.out, program_help(personality_, context_.root));
    return 0;
  }
  const Command* command = find_command(arguments.front());
  if (command == nullptr) return unknown_command(arguments.front());
  print(streams_.out, command_help(personality_, *command));
  return 0;
}

std::optional<int> App::check_argument_count(const Command& command, std::size_t count) {
  int given = static_cast<int>(count);
  int most = command.max_arguments;
  if (as_crun() && command.name == "ps") most = 1;
  bool too_few = given < command.min_arguments;
  bool too_many = most != kNoLimit && given > most;
  if (!too_few && !too_many) return std::nullopt;
  int bound = too_few ? command.min_arguments : most;
  std::string_view kind = too_few ? "a minimum of" : "a maximum of";
  if (as_crun()) {
    if (given == 0) return fatal("please specify a ID for the container");
    return fatal(cat(argv0_, ": `", command.name, "` requires ", kind, " ", bound, " arguments"));
  }
  if (command.min_arguments == most) kind = "exactly";
  print(streams_.out, cat("Incorrect Usage.\n\n", command_help(personality_, command)));
  return fatal(cat(argv0_, ": \"", command.name, "\" requires ", kind, " ", bound, " argument(s)"));
}

// A failed `exec` answers 255, so that it isn't taken for the command's own code; as crun only when
// the container could have run it.
int App::failure_code(const Command& command, const ParsedArguments& arguments) {
  if (command.name != "exec") return kFailure;
  if (!as_crun()) return kExecFailure;
  Result<ContainerInfo> info = runtime::state(context_, arguments.positionals().front());
  return info && info->status != ContainerStatus::kStopped ? kExecFailure : kFailure;
}

int App::run_command(std::string_view name, std::span<const std::string_view> arguments) {
  if (!as_crun() && (name == "help" || name == "h")) return run_help(arguments);
  const Command* command = find_command(name);
  if (command == nullptr) return unknown_command(name);
  FlagGroups groups{command->flags, command->shared_flags, help_flags()};
  auto parsed = parse_arguments(
      groups, arguments,
      {.style = personality_.style, .stop_at_positional = command->stop_at_positional});
  if (!parsed) return usage_failure(command, parsed.error());
  if (parsed->boolean("usage")) {
    print(streams_.out, usage_line(personality_, command));
    return 0;
  }
  if (parsed->boolean("help") || parsed->boolean("?")) {
    print(streams_.out, command_help(personality_, *command));
    return 0;
  }
  if (auto code = check_argument_count(*command, parsed->positionals().size())) return *code;
  Result<int> result = command->handler({.personality = personality_,
                                         .context = context_,
                                         .arguments = *parsed,
                                         .streams = streams_});
  if (!result) {
    std::string message = result.error().message();
    return fatal(message, failure_code(*command, *parsed));
  }
  return *result;
}

int App::run() {
  Cleanup no_sink([] { log::set_sink(nullptr, log::Level::kInfo); });
  FlagGroups groups{global_flags(), help_flags()};
  auto global = parse_arguments(groups, arguments_,
                                {.style = personality_.style, .stop_at_positional = true});
  if (!global) {
    context_.root = cat("/run/", personality_.name);
    return usage_failure(nullptr, global.error());
  }
  if (auto answer = answer_global_question(*global)) return *answer;
  if (Status status = set_up_log(*global); !status) return fatal(status.error().message());
  if (Status status = set_up_context(*global); !status) return fatal(status.error().message());
  const std::vector<std::string_view>& words = global->positionals();
  return run_command(words.front(), std::span(words).subspan(1));
}

}  // namespace

int run_program(std::span<const std::string_view> command_line, const Streams& streams) {
  return App(command_line, streams).run();
}

}  // namespace dhow::runtime::cli
