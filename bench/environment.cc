// SPDX-License-Identifier: Apache-2.0
#include "bench/environment.h"

#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <string_view>

#include "base/strings.h"
#include "sys/file_io.h"

namespace dhow::bench {
namespace {

// The value of the first line "key : value" of a procfs file, or "unknown".
std::string field(const std::string& file, std::string_view key) {
  const auto text = read_file(file);
  if (!text) return "unknown";
  for (const std::string_view line : split(*text, '\n')) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || trim(line.substr(0, colon)) != key) continue;
    return std::string(trim(line.substr(colon + 1)));
  }
  return "unknown";
}

std::string cgroup_layout() {
  std::error_code error;
  if (std::filesystem::exists("/sys/fs/cgroup/cgroup.controllers", error)) return "v2";
  return std::filesystem::exists("/sys/fs/cgroup/unified/cgroup.controllers", error)
             ? "v1 with v2 beside it (hybrid)"
             : "v1";
}

std::string utc_now() {
  const time_t now = time(nullptr);
  tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace

Environment read_environment(int argc, char** argv) {
  utsname names{};
  uname(&names);
  Environment environment;
  environment.date = utc_now();
  environment.kernel = cat(names.sysname, " ", names.release, " ", names.machine);
  environment.cpu =
      cat(field("/proc/cpuinfo", "model name"), ", ", sysconf(_SC_NPROCESSORS_ONLN), " online");
  environment.memory =
      cat(field("/proc/meminfo", "MemTotal"), ", swap ", field("/proc/meminfo", "SwapTotal"));
  environment.cgroups = cgroup_layout();
  if (const auto load = read_file("/proc/loadavg")) {
    const auto parts = split(*load, ' ');
    if (parts.size() >= 3) environment.load = cat(parts[0], " ", parts[1], " ", parts[2]);
  }
  for (int i = 0; i < argc; ++i) environment.command += cat(i == 0 ? "" : " ", argv[i]);
  return environment;
}

}  // namespace dhow::bench
