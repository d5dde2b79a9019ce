// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "runtime/cli/command.h"

namespace dhow::runtime::cli {
namespace {

// "--bundle DIR, -b DIR"
std::string flag_heading(const Flag& flag) {
  std::string text = cat("--", flag.name);
  if (!flag.value_name.empty()) text += cat(" ", flag.value_name);
  if (flag.short_name != 0) {
    text += cat(", -", flag.short_name);
    if (!flag.value_name.empty()) text += cat(" ", flag.value_name);
  }
  return text;
}

std::string flag_section(std::string_view title, std::span<const std::span<const Flag>> groups) {
  std::size_t width = 0;
  for (std::span<const Flag> group : groups) {
    for (const Flag& flag : group) {
      if (!flag.hidden) width = std::max(width, flag_heading(flag).size());
    }
  }
  std::string text = cat("\n", title, ":\n");
  for (std::span<const Flag> group : groups) {
    for (const Flag& flag : group) {
      if (flag.hidden) continue;
      std::string heading = flag_heading(flag);
      text += cat("   ", heading, std::string(width - heading.size() + 2, ' '), flag.help, "\n");
    }
  }
  return text;
}

void append_usage(std::string& text, std::span<const Flag> flags) {
  for (const Flag& flag : flags) {
    if (flag.hidden) continue;
    text += cat(" [--", flag.name);
    if (!flag.value_name.empty()) text += cat("=", flag.value_name);
    text += "]";
  }
}

}  // namespace

std::string program_help(const Personality& personality, std::string_view root) {
  std::string_view name = personality.name;
  std::string text =
      cat("NAME:\n   ", name,
          " - run containers from bundles of the Open Container Initiative\n\n"
          "USAGE:\n   ",
          name, " [global options] <command> [options] [arguments...]\n\nVERSION:\n");
  text += cat("   ", version_text(personality, root), "\nCOMMANDS:\n");
  std::size_t width = 0;
  for (const Command& command : commands()) width = std::max(width, command.name.size());
  for (const Command& command : commands()) {
    if (command.hidden) continue;
    text += cat("   ", command.name, std::string(width - command.name.size() + 2, ' '),
                command.summary, "\n");
  }
  text += cat("   help", std::string(width - 2, ' '), "show help for the program or a command\n");
  std::span<const Flag> groups[] = {global_flags(), help_flags()};
  text += flag_section("GLOBAL OPTIONS", groups);
  return text;
}

std::string command_help(const Personality& personality, const Command& command) {
  std::string text = cat("NAME:\n   ", personality.name, " ", command.name, " - ", command.summary,
                         "\n\nUSAGE:\n   ", personality.name, " ", command.name, " [options]");
  if (!command.arguments.empty()) text += cat(" ", command.arguments);
  text += "\n";
  if (!command.details.empty()) text += cat("\n", command.details, "\n");
  std::span<const Flag> groups[] = {command.flags, command.shared_flags, help_flags()};
  text += flag_section("OPTIONS", groups);
  return text;
}

std::string usage_line(const Personality& personality, const Command* command) {
  std::string text = cat("Usage: ", personality.name);
  if (command == nullptr) {
    append_usage(text, global_flags());
    append_usage(text, help_flags());
    return cat(text, " <command> [options] [arguments...]\n");
  }
  text += cat(" ", command->name);
  append_usage(text, command->flags);
  append_usage(text, command->shared_flags);
  append_usage(text, help_flags());
  if (!command->arguments.empty()) text += cat(" ", command->arguments);
  return cat(text, "\n");
}

}  // namespace dhow::runtime::cli
