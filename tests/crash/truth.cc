// SPDX-License-Identifier: Apache-2.0
#include "crash/truth.h"

#include <algorithm>
#include <fstream>
#include <optional>

#include "base/strings.h"
#include "sys/file_io.h"
#include "sys/process.h"

namespace dhow::crash_test {
namespace fs = std::filesystem;
namespace {

Names names_in(const fs::path& folder) {
  Names names;
  std::error_code none;
  for (fs::directory_iterator it(folder, none), end; !none && it != end; it.increment(none)) {
    names.insert(it->path().filename().string());
  }
  return names;
}

// Of the folders in a folder.
Names names_below(const fs::path& folder) {
  Names names;
  for (const std::string& one : names_in(folder)) names.merge(names_in(folder / one));
  return names;
}

std::string text_of(const fs::path& path) {
  return read_file(path.string(), std::size_t{1} << 20).value_or("");  // a process may just end
}

std::string argument_after(std::string_view command, std::string_view option) {
  bool next = false;
  for (std::string_view word : split(command, '\0')) {
    if (next) return std::string(word);
    next = word == option;
  }
  return {};
}

bool is_shim(std::string_view command) {
  return command.ends_with(std::string_view("\0serve\0", 7));
}

// The container that a process is in, by its cgroups.
std::string container_of(const std::string& cgroups, const std::string& parent) {
  std::string wanted = cat(":/", parent, "/");
  std::size_t at = cgroups.find(wanted);
  if (at == std::string::npos) return {};
  at += wanted.size();
  return cgroups.substr(at, cgroups.find_first_of("/\n", at) - at);
}

// One that has ended, and whose parent, which is none of ours, has not yet asked for its end: what
// a shim that was killed leaves to the first process of the machine.
bool is_buried_by_others(const fs::path& folder, const std::string& mark) {
  std::string stat = text_of(folder / "stat");
  std::size_t at = stat.rfind(')');  // behind the name, which may be anything
  if (at == std::string::npos || !stat.substr(at).starts_with(") Z ")) return false;
  std::string_view parent = std::string_view(stat).substr(at + 4);
  parent = parent.substr(0, parent.find(' '));
  return text_of(fs::path("/proc") / parent / "cmdline").find(mark) == std::string::npos;
}

void look_at_processes(const Daemon& daemon, Truth& truth) {
  std::string mark = daemon.folder().string() + "/";
  for (const std::string& name : names_in("/proc")) {
    auto pid = parse_number<pid_t>(name);
    if (!pid || *pid == daemon.pid()) continue;
    fs::path folder = fs::path("/proc") / name;
    std::string command = text_of(folder / "cmdline");
    std::string inside = container_of(text_of(folder / "cgroup"), daemon.cgroup());
    if (!inside.empty() && !is_buried_by_others(folder, mark)) {
      truth.processes[inside].insert(*pid);
    }
    if (command.find(mark) == std::string::npos) continue;
    if (is_shim(command)) {
      truth.shims.insert(argument_after(command, "-id"));
    } else {
      std::ranges::replace(command, '\0', ' ');
      truth.helpers.insert(command);
    }
  }
}

void look_at_cgroups(const Daemon& daemon, Truth& truth) {
  for (const std::string& hierarchy : names_in("/sys/fs/cgroup")) {
    fs::path parent = fs::path("/sys/fs/cgroup") / hierarchy / daemon.cgroup();
    std::error_code none;
    for (fs::directory_iterator it(parent, none), end; !none && it != end; it.increment(none)) {
      std::error_code not_now;
      if (it->is_directory(not_now)) truth.cgroups.insert(it->path().filename().string());
    }
  }
}

}  // namespace

Truth look_at(const Daemon& daemon) {
  Truth truth;
  fs::path state = daemon.folder() / "state";
  fs::path root = daemon.folder() / "root";
  truth.bundles = names_below(state / "tasks");
  truth.files = names_in(state / "containers");
  truth.runtime = names_below(state / "runtime");
  truth.folders = names_in(root / "containers");
  truth.snapshots = names_in(root / "snapshots/snapshots");
  for (const std::string& name : names_in(root / "volumes")) {
    if (!name.starts_with('.')) truth.volumes.insert(name);
    for (const std::string& one : names_in(root / "volumes" / name)) {
      if (!name.starts_with('.') && one != "_data") truth.remains.insert(cat(name, "/", one));
    }
  }
  for (const char* name :
       {"snapshots/new", "snapshots/trash", "trash", "volumes/.trash", "volumes/.adopt"}) {
    for (const std::string& one : names_in(root / name)) {
      truth.remains.insert(cat(name, "/", one));
    }
  }
  truth.state_files = names_in(state);
  look_at_processes(daemon, truth);
  look_at_cgroups(daemon, truth);
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(daemon.folder().string()) != std::string::npos) truth.mounts.push_back(line);
  }
  return truth;
}

pid_t signal_shim(const std::string& id, int signal) {
  for (const std::string& name : names_in("/proc")) {
    auto pid = parse_number<pid_t>(name);
    auto process = pid ? PidFd::open(*pid) : fail(Code::kNotFound, "");
    if (!process) continue;
    // Read after it was opened, so that the number means no other process meanwhile.
    std::string command = text_of(fs::path("/proc") / name / "cmdline");
    if (!is_shim(command) || argument_after(command, "-id") != id) continue;
    return process->send_signal(signal) ? *pid : 0;
  }
  return 0;
}

}  // namespace dhow::crash_test
