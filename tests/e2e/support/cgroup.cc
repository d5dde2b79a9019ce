// SPDX-License-Identifier: Apache-2.0
#include "e2e/support/cgroup.h"

#include <sstream>
#include <vector>

#include "e2e/support/host.h"

namespace dhow::e2e {
namespace {

std::vector<std::string> parts(const std::string& text, char separator) {
  std::vector<std::string> result;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) result.push_back(part);
  return result;
}

std::string v1_mount(std::string_view controller) {
  return "/sys/fs/cgroup/" + std::string(controller);
}

}  // namespace

bool has_controller(std::string_view controller) {
  if (!unified_cgroups()) return exists(v1_mount(controller) + "/cgroup.procs");
  std::istringstream in(read_text("/sys/fs/cgroup/cgroup.controllers"));
  for (std::string word; in >> word;) {
    if (word == controller) return true;
  }
  return false;
}

std::string cgroup_folder(int pid, std::string_view controller) {
  bool unified = unified_cgroups();
  std::string file = "/proc/" + std::to_string(pid) + "/cgroup";
  for (const std::string& line : parts(read_text(file), '\n')) {
    std::size_t first = line.find(':');
    std::size_t second = line.find(':', first + 1);
    std::string names = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (unified || controller.empty()) {
      if (names.empty()) return (unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified") + path;
      continue;
    }
    for (const std::string& name : parts(names, ',')) {
      if (name == controller) return v1_mount(controller) + path;
    }
  }
  return "";
}

std::string cgroup_value(int pid, std::string_view controller, std::string_view v1,
                         std::string_view v2) {
  std::string folder = cgroup_folder(pid, controller);
  std::string path = folder + "/" + std::string(unified_cgroups() ? v2 : v1);
  if (folder.empty() || !exists(path)) return "(none)";
  std::string text = read_text(path);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace dhow::e2e
