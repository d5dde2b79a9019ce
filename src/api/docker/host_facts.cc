// SPDX-License-Identifier: Apache-2.0
#include "api/docker/host_facts.h"

#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/strings.h"
#include "oci/platform.h"
#include "sys/file_io.h"

namespace dhow::api::docker {
namespace {

std::string file_or_nothing(std::string_view path) {
  auto text = read_file(path, std::size_t{1} << 20);
  return text ? std::string(trim(*text)) : std::string();
}

// A value of os-release(5).
std::string os_release(std::string_view text, std::string_view name) {
  for (std::string_view line : split(text, '\n')) {
    if (!line.starts_with(name) || line.substr(name.size(), 1) != "=") continue;
    std::string_view value = trim(line.substr(name.size() + 1));
    if (value.size() >= 2 && value.front() == '"') value = value.substr(1, value.size() - 2);
    return std::string(value);
  }
  return {};
}

}  // namespace

HostFacts read_host_facts() {
  HostFacts facts;
  struct utsname names{};
  if (::uname(&names) == 0) {
    facts.kernel = names.release;
    facts.machine = names.machine;
    facts.name = names.nodename;
  }
  facts.architecture = oci::host_platform().architecture;
  std::string release = file_or_nothing("/etc/os-release");
  facts.system = os_release(release, "PRETTY_NAME");
  facts.system_version = os_release(release, "VERSION_ID");
  if (facts.system.empty()) facts.system = "Linux";
  struct sysinfo info{};
  if (::sysinfo(&info) == 0) {
    facts.memory = static_cast<std::int64_t>(info.totalram) * info.mem_unit;
  }
  cpu_set_t processors;
  if (::sched_getaffinity(0, sizeof processors, &processors) == 0) {
    facts.processors = CPU_COUNT(&processors);
  }
  facts.unified_cgroup = ::access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0;
  facts.swap_limit = facts.unified_cgroup ||
                     ::access("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", F_OK) == 0;
  facts.apparmor = file_or_nothing("/sys/module/apparmor/parameters/enabled") == "Y";
  facts.ip_forwarding = file_or_nothing("/proc/sys/net/ipv4/ip_forward") == "1";
  facts.id = file_or_nothing("/etc/machine-id");
  return facts;
}

}  // namespace dhow::api::docker
