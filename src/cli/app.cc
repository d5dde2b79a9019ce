// SPDX-License-Identifier: Apache-2.0
#include "cli/app.h"

#include <exception>

#include "base/strings.h"
#include "cli/help.h"
#include "cli/session.h"

namespace dhow::cli {
namespace {

constexpr int kBadFlags = 125;

std::string_view program_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// "requires at least 1 argument"; empty: the number is right.
std::string count_fault(const Command& command, std::size_t count) {
  auto least = static_cast<std::size_t>(command.min_arguments);
  bool open = command.max_arguments == kNoLimit;
  auto most = static_cast<std::size_t>(open ? 0 : command.max_arguments);
  if (count >= least && (open || count <= most)) return {};
  auto arguments = [](std::size_t number) {
    return cat(number, number == 1 ? " argument" : " arguments");
  };
  if (open) return cat("requires at least ", arguments(least));
  if (most == 0) return "accepts no arguments";
  if (least == most) return cat("requires ", arguments(most));
  if (least == 0) return cat("requires at most ", arguments(most));
  return cat("requires at least ", least, " and at most ", arguments(most));
}

void say_usage(Session& session, std::string_view command, std::string_view usage,
               std::string_view word) {
  session.complain_line(cat("\nUsage:  ", session.name(), " ", command, usage.empty() ? "" : " ",
                            usage, "\n\n", word, " '", session.name(), " ", command,
                            " --help' for more information"));
}

int run_command(Session& session, const FoundCommand& found,
                std::span<const std::string_view> words) {
  const Command& command = *found.command;
  session.set_command(command);
  std::string_view name = main_name(command);
  auto arguments =
      parse_arguments(flags_of(command), words.subspan(found.words), command.stop_at_positional);
  if (!arguments) {
    session.complain_line(arguments.error().message());
    say_usage(session, name, command.usage, "Run");
    return kBadFlags;
  }
  if (arguments->boolean("help")) {
    session.print(command_help(session.name(), command));
    return 0;
  }
  std::string fault = count_fault(command, arguments->positionals().size());
  if (!fault.empty()) {
    session.complain_line(cat(session.name(), ": '", session.name(), " ", name, "' ", fault));
    say_usage(session, name, command.usage, command.max_arguments == kNoLimit ? "See" : "Run");
    return 1;
  }
  auto code = command.handler(session, *arguments);
  if (code) return *code;
  session.complain_line(code.error().message());
  return 1;
}

// `help`, `help run`, a group alone, or a word that is none.
int run_words(Session& session, std::span<const std::string_view> words) {
  if (words.front() == "help") {
    FoundCommand found = find_command(words.subspan(1));
    bool group = words.size() > 1 && find_group(words[1]) != nullptr;
    session.print(found.command != nullptr ? command_help(session.name(), *found.command)
                  : group                  ? group_help(session.name(), *find_group(words[1]))
                                           : program_help(session.name()));
    return 0;
  }
  const Group* group = find_group(words.front());
  bool asks = words.size() == 1 || words[1] == "--help" || words[1] == "-h";
  if (group != nullptr && asks) {
    session.print(group_help(session.name(), *group));
    return 0;
  }
  std::string_view name = session.name();
  if (group != nullptr) {
    session.complain_line(cat(name, ": unknown command: ", name, " ", words[0], " ", words[1],
                              "\n\nUsage:  ", name, " ", words[0], "\n\nRun '", name, " ", words[0],
                              " --help' for more information"));
    return 1;
  }
  session.complain_line(cat(name, ": unknown command: ", name, " ", words.front(), "\n\nRun '",
                            name, " --help' for more information"));
  return 1;
}

int run_session(std::string_view name, std::span<const std::string_view> words) {
  constexpr Flag kNoFlags[] = {{"help", FlagKind::kBool, 'h', "", "show help"}};
  auto globals =
      parse_arguments({global_flags(), std::span<const Flag>(kNoFlags), {}}, words, true);
  if (!globals) {
    Arguments none;
    Session session(name, none);
    session.complain_line(cat(globals.error().message(), "\n\nUsage:  ", name,
                              " [OPTIONS] COMMAND [ARG...]\n\nRun '", name,
                              " --help' for more information"));
    return kBadFlags;
  }
  Session session(name, *globals);
  const auto& rest = globals->positionals();
  if (globals->boolean("version")) {
    session.print_line(cat(name, " version " DHOW_VERSION ", build " DHOW_COMMIT));
    return 0;
  }
  if (globals->has("context") && globals->has("host")) {
    session.complain_line("conflicting options: cannot specify both --host and --context");
    return 1;
  }
  if (rest.empty() || globals->boolean("help")) {
    session.print(program_help(name));
    return 0;
  }
  FoundCommand found = find_command(rest);
  return found.command != nullptr ? run_command(session, found, rest) : run_words(session, rest);
}

}  // namespace

int run_program(std::span<const std::string_view> command_line) {
  try {
    return run_session(program_name(command_line.front()), command_line.subspan(1));
  } catch (const std::exception& exception) {
    // Memory that can't be had, as a rule.
    Arguments none;
    Session session(program_name(command_line.front()), none);
    session.complain_line(cat("internal error: ", exception.what()));
    return 1;
  }
}

}  // namespace dhow::cli
