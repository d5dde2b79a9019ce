// SPDX-License-Identifier: Apache-2.0
// Man pages, from the tables of commands.
#include <fcntl.h>

#include <algorithm>

#include "base/strings.h"
#include "cli/help.h"
#include "cli/session.h"
#include "cli/system_verbs.h"
#include "sys/file_io.h"

namespace dhow::cli {
namespace {

// Text for man(7): backslashes, and dots and quotes at the beginning of a line.
std::string roff(std::string_view text) {
  std::string result;
  for (char c : text) {
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else {
      result += c;
    }
  }
  if (result.starts_with('.') || result.starts_with('\'')) result.insert(0, "\\&");
  return result;
}

std::string head(std::string_view name, std::string_view summary) {
  std::string upper(name);
  std::ranges::transform(upper, upper.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  });
  return cat(".TH ", upper, " 1 \"\" \"dhow " DHOW_VERSION "\" \"dhow\"\n.SH NAME\n", roff(name),
             " \\- ", roff(summary), "\n");
}

void append_flag_list(std::string& page, std::span<const std::span<const Flag>> tables) {
  std::vector<const Flag*> flags;
  for (std::span<const Flag> table : tables) {
    for (const Flag& flag : table) {
      if (!flag.hidden) flags.push_back(&flag);
    }
  }
  std::ranges::sort(flags, {}, &Flag::name);
  for (const Flag* flag : flags) {
    std::string spelling = flag_spelling(*flag);
    page += cat(".TP\n.B ", roff(trim(spelling)), "\n", roff(flag->help), "\n");
  }
}

Status write_page(FdRef folder, const std::string& name, const std::string& page) {
  return replace_file(folder, name + ".1", page, 0644);
}

}  // namespace

std::string page_name(const Command& command) {
  std::string name = cat("dhow-", main_name(command));
  std::ranges::replace(name, ' ', '-');
  return name;
}

std::string command_page(const Command& command) {
  std::string page = head(page_name(command), command.summary);
  page += ".SH SYNOPSIS\n";
  for (std::string_view usage : split(command.usage, '\n')) {
    page += cat(".B dhow ", main_name(command), "\n", roff(trim(usage)), "\n.br\n");
  }
  page += cat(".SH DESCRIPTION\n", roff(command.summary), ".\n");
  if (!command.details.empty()) page += cat(".PP\n", roff(command.details), "\n");
  auto names = split(command.names, '|');
  if (names.size() > 1) {
    page += ".PP\nOther names:";
    for (std::size_t i = 1; i < names.size(); ++i)
      page += cat(i == 1 ? " " : ", ", "\\fBdhow ", names[i], "\\fR");
    page += ".\n";
  }
  page += ".SH OPTIONS\n";
  append_flag_list(page, flags_of(command));
  return page + ".SH SEE ALSO\n.BR dhow (1)\n";
}

std::string program_page() {
  std::string page = head("dhow", "containers, light and fast");
  page +=
      ".SH SYNOPSIS\n.B dhow\n[OPTIONS] COMMAND [ARG...]\n.SH DESCRIPTION\n"
      "Talks to the engine of containers, dhowd, which is started on demand. Commands, flags and "
      "output are "
      "those of docker.\n.SH OPTIONS\n";
  std::span<const Flag> tables[] = {global_flags()};
  append_flag_list(page, tables);
  page += ".SH COMMANDS\n";
  for (std::span<const Command> table : command_tables()) {
    for (const Command& command : table) {
      if (!command.hidden)
        page += cat(".TP\n.B ", main_name(command), "\n", roff(command.summary), ". See ",
                    roff(page_name(command)), "(1).\n");
    }
  }
  page += ".SH ENVIRONMENT\n";
  for (auto [name, meaning] :
       {std::pair("DHOW_HOST, DOCKER_HOST", "the engine to talk to, as with --host"),
        std::pair("DOCKER_CONFIG", "folder of config.json"),
        std::pair("DOCKER_API_VERSION", "version of the API to ask for, as in 1.41"),
        std::pair("DOCKER_DEFAULT_PLATFORM", "platform of images when none is given"),
        std::pair("NO_COLOR", "no colours")}) {
    page += cat(".TP\n.B ", name, "\n", roff(meaning), "\n");
  }
  page +=
      ".SH FILES\n.TP\n.I /run/dhow/docker.sock\nsocket of root's engine\n.TP\n.I "
      "$XDG_RUNTIME_DIR/dhow/docker.sock\n"
      "socket of a user's engine\n.TP\n.I ~/.docker/config.json\ncredentials and settings\n";
  page +=
      ".SH EXIT STATUS\n0: done. 1: failed. 125: flags that can't be read, or a container that "
      "can't be made; "
      "126 and 127: its command can't be run or is not there; else that of the command.\n";
  return page + ".SH SEE ALSO\n.BR dhowd (8)\n";
}

// Writes all pages to a folder: for packages.
Result<int> run_man(Session&, const Arguments& arguments) {
  TRY(make_dirs(arguments.positional(0), 0755));
  TRY_ASSIGN(Fd folder, open_at(kCwd, arguments.positional(0), O_RDONLY | O_DIRECTORY));
  TRY(write_page(folder, "dhow", program_page()));
  for (std::span<const Command> table : command_tables()) {
    for (const Command& command : table) {
      if (!command.hidden) TRY(write_page(folder, page_name(command), command_page(command)));
    }
  }
  return 0;
}

}  // namespace dhow::cli
