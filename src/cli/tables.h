// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "cli/command.h"

// The tables of commands, one a subject, each in a file with its flags.
namespace dhow::cli {

std::span<const Command> run_commands();        // run, create, exec, start, attach
std::span<const Command> container_commands();  // stop, kill, rm, …
std::span<const Command> output_commands();     // ps, inspect, logs, stats, …
std::span<const Command> image_commands();      // images, rmi, tag, history, …
std::span<const Command> transfer_commands();   // pull, push, save, load, cp, …
std::span<const Command> system_commands();     // info, version, events, prune, doctor, …
std::span<const Command> object_commands();     // network and volume
std::span<const Command> volume_commands();     // volume export, import, …
std::span<const Command> registry_commands();   // login, logout, search
std::span<const Command> context_commands();    // context create, use, ls, …

// Flags that run, create and update share.
std::span<const Flag> create_flags();

}  // namespace dhow::cli
