// SPDX-License-Identifier: Apache-2.0
#include "e2e/support/host.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sys/testing/sanitized.h"

namespace dhow::e2e {

namespace fs = std::filesystem;

bool is_root() { return ::geteuid() == 0; }

bool unified_cgroups() {
  struct statfs info{};
  return ::statfs("/sys/fs/cgroup", &info) == 0 &&
         info.f_type == 0x63677270;  // CGROUP2_SUPER_MAGIC
}

bool has_systemd() { return exists("/run/systemd/system"); }

bool in_initial_userns() {
  std::istringstream map(read_text("/proc/self/uid_map"));
  unsigned long inside = 0, outside = 0, count = 0;
  map >> inside >> outside >> count;
  return inside == 0 && outside == 0 && count == 4294967295UL;
}

bool has_command(std::string_view name) {
  const char* path = ::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/bin:/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/" + std::string(name)).c_str(), X_OK) == 0) return true;
  }
  return false;
}

bool is_sanitized() { return testing_support::kSanitized; }

namespace {
bool is_guest() { return ::getenv("DHOW_VM_GUEST") != nullptr; }
}  // namespace

int repetitions(int count) { return count / (is_guest() ? 10 : is_sanitized() ? 4 : 1); }

int patience_ms(int milliseconds) { return milliseconds * (is_guest() ? 10 : 1); }

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool exists(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0;
}

void write_text(const std::string& path, std::string_view text, unsigned mode) {
  std::ofstream(path) << text;
  ::chmod(path.c_str(), mode);
}

std::vector<std::string> cgroup_folders_with(std::string_view part) {
  std::vector<std::string> found;
  std::error_code error;
  auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator at("/sys/fs/cgroup", options, error), end; at != end;
       at.increment(error)) {
    if (error) break;
    if (at->is_directory(error) && !at->is_symlink(error) &&
        at->path().filename().string().find(part) != std::string::npos) {
      found.push_back(at->path().string());
    }
  }
  return found;
}

std::vector<std::string> mounts_with(std::string_view part) {
  std::vector<std::string> found;
  std::ifstream table("/proc/self/mountinfo");
  for (std::string line; std::getline(table, line);) {
    if (line.find(part) != std::string::npos) found.push_back(line);
  }
  return found;
}

int processes_with(std::string_view part) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (name == std::to_string(::getpid())) continue;
    std::string line = read_text(entry.path().string() + "/cmdline");
    for (char& c : line) {
      if (c == '\0') c = ' ';
    }
    if (line.find(part) != std::string::npos) ++count;
  }
  return count;
}

}  // namespace dhow::e2e
