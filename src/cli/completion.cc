// SPDX-License-Identifier: Apache-2.0
// Completion scripts, from the tables of commands.
#include <algorithm>

#include "base/strings.h"
#include "cli/help.h"
#include "cli/session.h"
#include "cli/system_verbs.h"

namespace dhow::cli {
namespace {

// What completes a kind of value: a command that prints the candidates, or fixed words.
struct Completer {
  std::string_view kind;
  std::string_view command;
};

constexpr Completer kCompleters[] = {
    {"containers", "dhow ps -a --format '{{.Names}}'"},
    {"contexts", "dhow context ls -q"},
    {"running", "dhow ps --format '{{.Names}}'"},
    {"stopped", "dhow ps -a --filter status=exited --filter status=created --format '{{.Names}}'"},
    {"paused", "dhow ps --filter status=paused --format '{{.Names}}'"},
    {"images", "dhow images --format '{{.Repository}}:{{.Tag}}'"},
    {"networks", "dhow network ls --format '{{.Name}}'"},
    {"volumes", "dhow volume ls --format '{{.Name}}'"},
    {"objects",
     "dhow ps -a --format '{{.Names}}'; dhow images --format '{{.Repository}}:{{.Tag}}'"},
    {"signals", "echo HUP INT QUIT KILL USR1 USR2 TERM STOP CONT"},
    {"restart", "echo no always on-failure unless-stopped"},
    {"pull", "echo always missing never"},
    {"log-drivers", "echo json-file local journald syslog none"},
    {"capabilities",
     "echo ALL AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_ADMIN NET_BIND_SERVICE "
     "NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_CHROOT SYS_PTRACE SYS_TIME"},
    {"shells", "echo bash zsh fish"},
};

std::string_view completer(std::string_view kind) {
  const Completer* found = std::ranges::find(kCompleters, kind, &Completer::kind);
  return found != std::end(kCompleters) ? found->command : std::string_view();
}

bool takes_value(const Flag& flag) { return flag.kind != FlagKind::kBool; }

template <typename Visit>
void for_each_name(Visit visit) {
  for (std::span<const Command> table : command_tables()) {
    for (const Command& command : table) {
      if (command.hidden) continue;
      for (std::string_view name : split(command.names, '|')) visit(name, command);
    }
  }
}

template <typename Visit>
void for_each_flag(const Command& command, Visit visit) {
  for (std::span<const Flag> table : flags_of(command)) {
    for (const Flag& flag : table) {
      if (!flag.hidden) visit(flag);
    }
  }
}

std::string words_below(std::string_view group) {
  std::string words;
  for_each_name([&](std::string_view name, const Command&) {
    std::size_t space = name.find(' ');
    if (group.empty() && space == std::string_view::npos) words += cat(" ", name);
    if (!group.empty() && space != std::string_view::npos && name.substr(0, space) == group)
      words += cat(" ", name.substr(space + 1));
  });
  if (group.empty()) {
    for (const Group& one : groups()) words += cat(" ", one.name);
  }
  return words.empty() ? words : words.substr(1);
}

// The cases of a shell's `case` for each command: its flags, those that take a value with what
// completes it, and what completes its arguments.
std::string bash_cases() {
  std::string text;
  for_each_name([&](std::string_view name, const Command& command) {
    std::string flags;
    std::string values;
    for_each_flag(command, [&](const Flag& flag) {
      flags += cat(" --", flag.name);
      if (flag.short_name != 0) flags += cat(" -", flag.short_name);
      if (!takes_value(flag)) return;
      std::string pattern =
          cat("--", flag.name, flag.short_name != 0 ? cat("|-", flag.short_name) : "");
      values += cat("        ", pattern, ") _dhow_values ",
                    flag.completion == "files" || flag.completion == "folders" ? "files"
                    : flag.completion.empty()                                  ? "none"
                                                                               : flag.completion,
                    "; return ;;\n");
    });
    text += cat("    \"", name, "\")\n      case $prev in\n", values,
                "        *) ;;\n      esac\n      _dhow_flags='", flags.substr(1),
                "'\n      _dhow_kind=", command.completion.empty() ? "none" : command.completion,
                " ;;\n");
  });
  return text;
}

std::string bash_script() {
  std::string values;
  for (const Completer& one : kCompleters)
    values += cat("    ", one.kind, ") words=$(", one.command, " 2>/dev/null) ;;\n");
  std::string group_names;
  std::string group_words;
  for (const Group& group : groups()) {
    group_names += cat(group_names.empty() ? "" : "|", group.name);
    group_words += cat("      ", group.name, ") COMPREPLY=($(compgen -W '", words_below(group.name),
                       "' -- \"$cur\")) ;;\n");
  }
  return cat(
      "# bash completion for dhow\n"
      "_dhow_values() {\n  local words=\n  case $1 in\n    files) COMPREPLY=($(compgen -f -- "
      "\"$cur\")); return ;;\n",
      values,
      "    *) return ;;\n  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n  "
      "__ltrim_colon_completions \"$cur\" 2>/dev/null || true\n}\n"
      "_dhow() {\n  local cur prev name= group= i _dhow_flags= _dhow_kind=none\n  "
      "cur=${COMP_WORDS[COMP_CWORD]}\n"
      "  prev=${COMP_WORDS[COMP_CWORD-1]}\n  COMPREPLY=()\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n    case ${COMP_WORDS[i]} in\n      "
      "-H|--host|--config|-c|--context|-l|--log-level) ((i++)) ;;\n      -*) ;;\n"
      "      ",
      group_names,
      ")\n        if [[ -z $group ]]; then group=${COMP_WORDS[i]}; else name=\"$group "
      "${COMP_WORDS[i]}\"; break; fi ;;\n"
      "      *) name=${group:+$group }${COMP_WORDS[i]}; break ;;\n    esac\n  done\n"
      "  if [[ -z $name && -z $group ]]; then\n    COMPREPLY=($(compgen -W '",
      words_below(""),
      "' -- \"$cur\"))\n    return\n  fi\n"
      "  if [[ -z $name ]]; then\n    case $group in\n",
      group_words, "      *) ;;\n    esac\n    return\n  fi\n  case $name in\n", bash_cases(),
      "    *) return ;;\n  esac\n  if [[ $cur == -* ]]; then\n    COMPREPLY=($(compgen -W "
      "\"$_dhow_flags\" -- \"$cur\"))\n  else\n"
      "    _dhow_values \"$_dhow_kind\"\n  fi\n}\ncomplete -o bashdefault -o default -F _dhow "
      "dhow\n");
}

// For single quotes of zsh and fish.
std::string in_quotes(std::string_view text) {
  std::string result;
  for (char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result;
}

std::string zsh_text(std::string_view text) {
  std::string result;
  for (char c : in_quotes(text)) {
    if (c == '[' || c == ']' || c == ':') result += '\\';
    result += c;
  }
  return result;
}

std::string zsh_action(std::string_view kind) {
  if (kind == "files") return "_files";
  if (kind == "folders") return "_files -/";
  if (completer(kind).empty()) return " ";
  return cat("_dhow_values ", kind);
}

std::string zsh_script() {
  std::string values;
  for (const Completer& one : kCompleters)
    values += cat("    ", one.kind, ") words=(${(f)\"$(", one.command,
                  " 2>/dev/null | tr ' ' '\\n')\"}) ;;\n");
  std::string cases;
  for_each_name([&](std::string_view name, const Command& command) {
    cases += cat("    '", name, "') _arguments -s");
    for_each_flag(command, [&](const Flag& flag) {
      std::string help = zsh_text(flag.help);
      std::string value =
          takes_value(flag) ? cat(":", zsh_text(flag.value_name), ":", zsh_action(flag.completion))
                            : "";
      cases += cat(" \\\n      '*--", flag.name, takes_value(flag) ? "=" : "", "[", help, "]",
                   value, "'");
      if (flag.short_name != 0)
        cases += cat(" \\\n      '*-", flag.short_name, "[", help, "]", value, "'");
    });
    cases += cat(" \\\n      '*:argument:", zsh_action(command.completion), "' ;;\n");
  });
  std::string group_cases;
  for (const Group& group : groups()) {
    group_cases += cat(
        "      ", group.name, ") if (( CURRENT == 3 )); then compadd -- ", words_below(group.name),
        "; return; fi\n        name=\"$words[2] $words[3]\"; shift words; (( CURRENT-- )) ;;\n");
  }
  return cat("#compdef dhow\n_dhow_values() {\n  local -a words\n  case $1 in\n", values,
             "  esac\n  compadd -- $words\n}\n"
             "_dhow() {\n  local name=$words[2]\n  if (( CURRENT == 2 )); then\n    compadd -- ",
             words_below(""), "\n    return\n  fi\n  case $name in\n", group_cases,
             "  esac\n  shift words; (( CURRENT-- ))\n  case $name in\n", cases,
             "  esac\n}\nif [ \"$funcstack[1]\" = _dhow ]; then _dhow \"$@\"; else compdef _dhow "
             "dhow; fi\n");
}

std::string fish_script() {
  std::string text =
      "# fish completion for dhow\n"
      "function __dhow_at\n  set -l words (commandline -opc)\n  set -e words[1]\n  string match -q "
      "-- \"$argv \" \"$words[1..(count $argv)] \"\nend\n"
      "complete -c dhow -f\n";
  text += cat("complete -c dhow -n 'test (count (commandline -opc)) -eq 1' -a '", words_below(""),
              "'\n");
  for (const Group& group : groups()) {
    text += cat("complete -c dhow -n 'test (count (commandline -opc)) -eq 2; and __dhow_at ",
                group.name, "' -a '", words_below(group.name), "'\n");
  }
  for_each_name([&](std::string_view name, const Command& command) {
    std::string condition = cat("complete -c dhow -n '__dhow_at ", name, "'");
    for_each_flag(command, [&](const Flag& flag) {
      text += cat(condition, flag.short_name != 0 ? cat(" -s ", flag.short_name) : "", " -l ",
                  flag.name, " -d '", in_quotes(flag.help), "'");
      if (takes_value(flag))
        text += flag.completion == "files" || flag.completion == "folders" ? " -r -F" : " -x";
      if (std::string_view command_line = completer(flag.completion); !command_line.empty()) {
        text += cat(" -a \"(", command_line, " 2>/dev/null | string split ' ')\"");
      }
      text += '\n';
    });
    if (std::string_view command_line = completer(command.completion); !command_line.empty()) {
      text += cat(condition, " -a \"(", command_line, " 2>/dev/null | string split ' ')\"\n");
    } else if (command.completion == "files" || command.completion == "folders") {
      text += condition + " -F\n";
    }
  });
  return text;
}

}  // namespace

std::string completion_script(std::string_view shell) {
  if (shell == "bash") return bash_script();
  if (shell == "zsh") return zsh_script();
  if (shell == "fish") return fish_script();
  return {};
}

Result<int> run_completion(Session& session, const Arguments& arguments) {
  std::string script = completion_script(arguments.positional(0));
  if (script.empty()) {
    return fail(Code::kInvalidArgument, cat("no completion for ", quoted(arguments.positional(0)),
                                            ": there is bash, zsh and fish"));
  }
  session.print(script);
  return 0;
}

}  // namespace dhow::cli
