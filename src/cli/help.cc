// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include <algorithm>

#include "base/strings.h"

namespace dhow::cli {
namespace {

constexpr std::size_t kWidth = 78;
constexpr std::string_view kCommonCommands[] = {
    "run", "exec", "ps", "pull", "push", "images", "login", "logout", "search", "version", "info"};

// Appends words after what is there, in lines of at most kWidth from column `left` on.
void append_wrapped(std::string& text, std::size_t left, std::string_view words) {
  std::size_t column = left;
  bool first = true;
  for (std::string_view word : split(words, ' ')) {
    if (!first && column + 1 + word.size() > kWidth) {
      text += cat("\n", std::string(left, ' '));
      column = left;
    } else if (!first) {
      text += ' ';
      ++column;
    }
    text += word;
    column += word.size();
    first = false;
  }
  text += '\n';
}

void append_entry(std::string& text, std::string_view left, std::size_t width,
                  std::string_view right) {
  text += cat("  ", left);
  std::size_t gap = left.size() + 1 > width ? 1 : width - left.size();
  text += std::string(gap, ' ');
  append_wrapped(text, std::max(width, left.size() + 1) + 2, right);
}

std::vector<const Flag*> shown_flags(std::span<const std::span<const Flag>> groups) {
  std::vector<const Flag*> flags;
  for (std::span<const Flag> group : groups) {
    for (const Flag& flag : group) {
      if (!flag.hidden) flags.push_back(&flag);
    }
  }
  std::ranges::sort(flags, {}, &Flag::name);
  return flags;
}

void append_flags(std::string& text, std::span<const std::span<const Flag>> groups) {
  constexpr std::size_t kWidest = 30;
  std::vector<const Flag*> flags = shown_flags(groups);
  std::size_t width = 0;
  for (const Flag* flag : flags) {
    width = std::max(width, std::min(flag_spelling(*flag).size() + 3, kWidest));
  }
  for (const Flag* flag : flags) append_entry(text, flag_spelling(*flag), width, flag->help);
}

struct Entry {
  std::string_view name;
  std::string_view summary;
};

void append_commands(std::string& text, std::vector<Entry> entries, bool sorted) {
  if (sorted) std::ranges::sort(entries, {}, &Entry::name);
  std::size_t width = 0;
  for (const Entry& entry : entries) width = std::max(width, entry.name.size() + 3);
  for (const Entry& entry : entries) append_entry(text, entry.name, width, entry.summary);
}

// The commands whose name has one word, or that are in the group: by their first name there.
std::vector<Entry> commands_below(std::string_view group) {
  std::vector<Entry> entries;
  for (std::span<const Command> table : command_tables()) {
    for (const Command& command : table) {
      if (command.hidden) continue;
      for (std::string_view name : split(command.names, '|')) {
        std::size_t space = name.find(' ');
        bool inside = group.empty()
                          ? space == std::string_view::npos
                          : name.substr(0, space) == group && space != std::string_view::npos;
        if (!inside) continue;
        entries.push_back({group.empty() ? name : name.substr(space + 1), command.summary});
        break;
      }
    }
  }
  return entries;
}

}  // namespace

std::string flag_spelling(const Flag& flag) {
  std::string text = flag.short_name != 0 ? cat("-", flag.short_name, ", --", flag.name)
                                          : cat("    --", flag.name);
  if (!flag.value_name.empty()) text += cat(" ", flag.value_name);
  return text;
}

std::string program_help(std::string_view program) {
  std::string text = cat("Usage:  ", program,
                         " [OPTIONS] COMMAND\n\nContainers, light and fast\n\nCommon Commands:\n");
  std::vector<Entry> all = commands_below("");
  std::vector<Entry> common;
  for (std::string_view name : kCommonCommands) {
    auto found = std::ranges::find(all, name, &Entry::name);
    if (found == all.end()) continue;
    common.push_back(*found);
    all.erase(found);
  }
  append_commands(text, common, false);
  text += "\nManagement Commands:\n";
  std::vector<Entry> grouped;
  for (const Group& group : groups()) grouped.push_back({group.name, group.summary});
  append_commands(text, grouped, true);
  text += "\nCommands:\n";
  append_commands(text, all, true);
  text += "\nGlobal Options:\n";
  std::span<const Flag> flags[] = {global_flags()};
  append_flags(text, flags);
  return text + cat("\nRun '", program, " COMMAND --help' for more information on a command.\n");
}

std::string group_help(std::string_view program, const Group& group) {
  std::string text =
      cat("Usage:  ", program, " ", group.name, " COMMAND\n\n", group.summary, "\n\nCommands:\n");
  append_commands(text, commands_below(group.name), true);
  return text + cat("\nRun '", program, " ", group.name,
                    " COMMAND --help' for more information on a command.\n");
}

std::string command_help(std::string_view program, const Command& command) {
  std::string text =
      cat("Usage:  ", program, " ", main_name(command), command.usage.empty() ? "" : " ",
          command.usage, "\n\n", command.summary, "\n");
  if (!command.details.empty()) {
    text += '\n';
    append_wrapped(text, 0, command.details);
  }
  std::vector<std::string_view> names = split(command.names, '|');
  if (names.size() > 1) {
    text += "\nAliases:\n  ";
    for (std::size_t i = 0; i < names.size(); ++i)
      text += cat(i == 0 ? "" : ", ", program, " ", names[i]);
    text += '\n';
  }
  text += "\nOptions:\n";
  FlagGroups flags = flags_of(command);
  append_flags(text, flags);
  return text;
}

}  // namespace dhow::cli
