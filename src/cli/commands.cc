// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/tables.h"

namespace dhow::cli {
namespace {

using enum FlagKind;

constexpr Flag kGlobalFlags[] = {
    {"config", kString, 0, "DIR", "folder of config.json (default: ~/.docker)", "folders"},
    {"context", kString, 'c', "NAME", "context to use instead of the current one", "contexts"},
    {"debug", kBool, 'D', "", "tell more"},
    {"host", kString, 'H', "HOST",
     "engine to talk to, as unix:///path, tcp://host:port or ssh://host"},
    {"log-level", kString, 'l', "LEVEL", "debug, info, warn, error or fatal"},
    {"tls", kBool, 0, "", "use TLS"},
    {"tlscacert", kString, 0, "FILE", "certificate authority to trust (default: ~/.docker/ca.pem)",
     "files"},
    {"tlscert", kString, 0, "FILE", "certificate of the client (default: ~/.docker/cert.pem)",
     "files"},
    {"tlskey", kString, 0, "FILE", "key of the client (default: ~/.docker/key.pem)", "files"},
    {"tlsverify", kBool, 0, "", "use TLS and check the engine's certificate"},
    {"version", kBool, 'v', "", "print the version"},
};

constexpr Flag kHelpFlags[] = {
    {"help", kBool, 0, "", "show help"},
};
// -h is help too where no command takes it for something else.
constexpr Flag kShortHelpFlags[] = {
    {"help", kBool, 'h', "", "show help"},
};

constexpr Group kGroups[] = {
    {"builder", "Manage builds"},   {"container", "Manage containers"},
    {"context", "Manage contexts"}, {"image", "Manage images"},
    {"network", "Manage networks"}, {"system", "Manage the engine"},
    {"volume", "Manage volumes"},
};

// How many of the words the name is made of, when they begin with it.
std::size_t matching_words(std::string_view name, std::span<const std::string_view> words) {
  std::vector<std::string_view> parts = split(name, ' ');
  if (parts.size() > words.size()) return 0;
  return std::ranges::equal(parts, words.first(parts.size())) ? parts.size() : 0;
}

}  // namespace

std::span<const std::span<const Command>> command_tables() {
  static const std::span<const Command> kTables[] = {
      run_commands(),      container_commands(), output_commands(), image_commands(),
      transfer_commands(), object_commands(),    volume_commands(), system_commands(),
      registry_commands(), context_commands(),
  };
  return kTables;
}

std::span<const Group> groups() { return kGroups; }
std::span<const Flag> global_flags() { return kGlobalFlags; }
std::span<const Flag> help_flags() { return kHelpFlags; }

FlagGroups flags_of(const Command& command) {
  auto uses_h = [](std::span<const Flag> flags) {
    return std::ranges::any_of(flags, [](const Flag& flag) { return flag.short_name == 'h'; });
  };
  bool taken = uses_h(command.flags) || uses_h(command.more_flags);
  return {command.flags, command.more_flags,
          taken ? std::span<const Flag>(kHelpFlags) : std::span<const Flag>(kShortHelpFlags)};
}

std::string_view main_name(const Command& command) {
  return command.names.substr(0, command.names.find('|'));
}

FoundCommand find_command(std::span<const std::string_view> words) {
  FoundCommand found;
  for (std::span<const Command> table : command_tables()) {
    for (const Command& command : table) {
      for (std::string_view name : split(command.names, '|')) {
        std::size_t count = matching_words(name, words);
        if (count > found.words) found = {&command, count};
      }
    }
  }
  return found;
}

const Group* find_group(std::string_view name) {
  const Group* group = std::ranges::find(kGroups, name, &Group::name);
  return group != std::end(kGroups) ? group : nullptr;
}

}  // namespace dhow::cli
