// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

// What kind of machine the tests are on, and how they look at it from outside the containers.
namespace dhow::e2e {

bool is_root();
bool unified_cgroups();  // cgroup v2 only
bool has_systemd();      // systemd is PID 1
bool in_initial_userns();
bool has_command(std::string_view name);

bool is_sanitized();  // the programs are built with a sanitizer

// How many of `count` repetitions to do here: all where the programs are as users get them, a
// quarter with sanitizers, a tenth on the emulated processor of a virtual machine of ours.
int repetitions(int count);

// How long to wait, in milliseconds, for what takes moments or else never comes: ten times as long
// in a guest, whose processors are emulated, maybe on a machine that others keep busy.
int patience_ms(int milliseconds);

std::string read_text(const std::string& path);  // "" when it can't be read
bool exists(const std::string& path);
void write_text(const std::string& path, std::string_view text, unsigned mode = 0644);

// Folders below the cgroup hierarchies whose path contains `part`.
std::vector<std::string> cgroup_folders_with(std::string_view part);
// Lines of the test's own mount table that contain `part`.
std::vector<std::string> mounts_with(std::string_view part);
// Number of processes on the host whose command line contains `part`, this one apart.
int processes_with(std::string_view part);

}  // namespace dhow::e2e

// Ends the test as skipped, with the reason, when the machine lacks what it needs.
#define DHOW_NEEDS(condition, reason)         \
  do {                                        \
    if (!(condition)) GTEST_SKIP() << reason; \
  } while (false)
