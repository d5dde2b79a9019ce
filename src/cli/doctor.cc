// SPDX-License-Identifier: Apache-2.0
// doctor: whether this host can run containers, and how to mend what is missing.
#include <fcntl.h>
#include <sched.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "cli/session.h"
#include "cli/system_verbs.h"
#include "client/http.h"
#include "client/tunnel.h"
#include "oci/json.h"
#include "sys/fd.h"
#include "sys/file_io.h"
#include "sys/subordinate_ids.h"

namespace dhow::cli {
namespace {

enum class Health { kGood, kWeak, kBad };

struct Finding {
  Health health;
  std::string what;
  std::string remedy;  // for all but kGood
};

constexpr long kCgroup2Magic = 0x63677270;

Finding check_kernel() {
  utsname name{};
  ::uname(&name);
  std::vector<std::string_view> parts = split(name.release, '.');
  int major = parse_number<int>(parts[0]).value_or(0);
  int minor = parts.size() > 1 ? parse_number<int>(parts[1]).value_or(0) : 0;
  std::string what = cat("kernel ", name.release);
  if (major < 5 || (major == 5 && minor < 10)) {
    return {Health::kBad, what, "dhow needs Linux 5.10 or later: install a newer kernel"};
  }
  if (major < 6 || (major == 6 && minor == 0)) {
    return {Health::kWeak, what, "everything works; from Linux 6.1 on containers start faster"};
  }
  return {Health::kGood, what, ""};
}

Finding check_cgroups() {
  struct statfs state{};
  if (::statfs("/sys/fs/cgroup", &state) != 0) {
    return {Health::kBad, "no cgroups at /sys/fs/cgroup",
            "mount them: mount -t cgroup2 none /sys/fs/cgroup"};
  }
  if (static_cast<long>(state.f_type) == kCgroup2Magic) {
    std::string controllers = read_file("/sys/fs/cgroup/cgroup.controllers").value_or("");
    for (std::string_view wanted : {"cpu", "memory", "pids"}) {
      if (controllers.find(wanted) == std::string::npos) {
        return {Health::kWeak, cat("cgroup v2 without the controller ", wanted),
                cat("limits of ", wanted,
                    " will be refused: take cgroup_disable= off the kernel's command line")};
      }
    }
    return {Health::kGood, cat("cgroup v2: ", trim(controllers)), ""};
  }
  std::string table = read_file("/proc/self/mountinfo").value_or("");
  std::string missing;
  for (std::string_view wanted : {"cpu", "memory", "pids", "devices", "freezer"}) {
    bool there = table.find(cat(" - cgroup ")) != std::string::npos &&
                 ::access(cat("/sys/fs/cgroup/", wanted).c_str(), F_OK) == 0;
    if (!there) missing += cat(missing.empty() ? "" : ", ", wanted);
  }
  if (!missing.empty()) {
    return {Health::kWeak, cat("cgroup v1 without ", missing),
            "mount these controllers, or boot with systemd.unified_cgroup_hierarchy=1"};
  }
  return {Health::kGood, "cgroup v1 with all controllers that are needed", ""};
}

Finding check_overlay() {
  std::string systems = read_file("/proc/filesystems").value_or("");
  if (systems.find("\toverlay\n") != std::string::npos)
    return {Health::kGood, "overlay file system", ""};
  return {Health::kBad, "no overlay file system",
          "load it: modprobe overlay (and name it in /etc/modules-load.d/)"};
}

Finding check_seccomp() {
  if (::access("/proc/sys/kernel/seccomp/actions_avail", F_OK) == 0)
    return {Health::kGood, "seccomp", ""};
  return {
      Health::kWeak, "no seccomp",
      "containers run without a filter of system calls: use a kernel with CONFIG_SECCOMP_FILTER"};
}

Finding check_user_namespaces() {
  std::string most(trim(read_file("/proc/sys/user/max_user_namespaces").value_or("0")));
  std::string allowed(trim(read_file("/proc/sys/kernel/unprivileged_userns_clone").value_or("1")));
  if (most == "0") {
    return {Health::kWeak, "no user namespaces",
            "rootless engines need them: sysctl user.max_user_namespaces=15000"};
  }
  if (allowed == "0") {
    return {Health::kWeak, "user namespaces for root alone",
            "for rootless engines: sysctl kernel.unprivileged_userns_clone=1"};
  }
  return {Health::kGood, "user namespaces", ""};
}

std::string user_name() {
  const char* name = std::getenv("USER");
  return name != nullptr ? name : "";
}

// Whether /etc/subuid or /etc/subgid has ids for the user.
bool has_ids(const char* file, const std::string& user) {
  return subordinate_ids(read_file(file).value_or(""), user, ::getuid()).has_value();
}

Finding check_ids() {
  if (::geteuid() == 0) return {Health::kGood, "runs as root: no subordinate ids are needed", ""};
  std::string user = user_name();
  if (has_ids("/etc/subuid", user) && has_ids("/etc/subgid", user))
    return {Health::kGood, cat("subordinate ids of ", user), ""};
  return {Health::kBad, cat("no subordinate ids for ", user),
          cat("as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ", user)};
}

// What connects the networks of an engine without root with the outside.
Finding check_rootless_network() {
  if (::geteuid() == 0) return {Health::kGood, "runs as root: networks need no program", ""};
  bool has_pasta = !client::find_program("pasta").empty();
  if (!has_pasta && client::find_program("slirp4netns").empty()) {
    return {
        Health::kBad, "neither pasta nor slirp4netns",
        "containers have no networks but none and host: install the package passt, or slirp4netns"};
  }
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) {
    return {Health::kBad, "no right to open /dev/net/tun",
            "containers have no networks but none and host; as root: modprobe tun; chmod 0666 "
            "/dev/net/tun"};
  }
  return {Health::kGood, cat("networks without root, by ", has_pasta ? "pasta" : "slirp4netns"),
          ""};
}

Finding check_forwarding() {
  // An engine without root has its own.
  if (::geteuid() != 0) return {Health::kGood, "runs without root: the host need not forward", ""};
  std::string value(trim(read_file("/proc/sys/net/ipv4/ip_forward").value_or("")));
  if (value == "1") return {Health::kGood, "forwarding of IPv4", ""};
  return {Health::kWeak, "no forwarding of IPv4",
          "containers on bridges do not get out: sysctl net.ipv4.ip_forward=1"};
}

Finding check_engine(const client::Endpoint& endpoint) {
  auto connection = client::HttpConnection::connect(endpoint);
  if (connection) return {Health::kGood, cat("an engine listens at ", endpoint.text), ""};
  int reason = connection.error().sys_errno();
  if (reason == EACCES) {
    return {Health::kBad, cat("no right to connect to ", endpoint.text),
            "join the group of the socket (usermod -aG docker $USER, then log in again), or run as "
            "root"};
  }
  return {Health::kWeak, cat("no engine listens at ", endpoint.text),
          "it is started on demand; systemctl enable --now dhow.socket keeps one at hand"};
}

// What the engine warns of: "WARNING: what: remedy".
void add_warnings(client::Client& client, std::vector<Finding>& findings) {
  constexpr std::string_view kMark = "WARNING: ";
  auto body = client.call({.path = "/info"});
  if (!body) return;
  auto document = oci::JsonDocument::parse(*body);
  if (!document) return;
  oci::JsonValue warnings = document->root().find("Warnings");
  for (std::size_t i = 0; i < warnings.size(); ++i) {
    std::string text(warnings.item(i).as_string().value_or(""));
    if (text.starts_with(kMark)) text.erase(0, kMark.size());
    std::size_t colon = text.find(": ");
    bool has_remedy = colon != std::string::npos;
    findings.push_back(
        {Health::kWeak, text.substr(0, colon), has_remedy ? text.substr(colon + 2) : ""});
  }
}

}  // namespace

Result<int> run_doctor(Session& session, const Arguments&) {
  TRY_ASSIGN(client::Client * client, session.client());
  std::vector<Finding> findings = {
      check_kernel(),           check_cgroups(),         check_overlay(),
      check_seccomp(),          check_user_namespaces(), check_ids(),
      check_rootless_network(), check_forwarding(),      check_engine(client->endpoint())};
  if (findings.back().health == Health::kGood) add_warnings(*client, findings);
  int bad = 0;
  int weak = 0;
  for (const Finding& finding : findings) {
    std::string_view mark = finding.health == Health::kGood   ? "ok      "
                            : finding.health == Health::kWeak ? "warning "
                                                              : "missing ";
    bad += finding.health == Health::kBad ? 1 : 0;
    weak += finding.health == Health::kWeak ? 1 : 0;
    session.print_line(cat(mark, finding.what));
    if (!finding.remedy.empty()) session.print_line(cat("        ", finding.remedy));
  }
  session.print_line(
      bad == 0 && weak == 0
          ? "Everything is there."
          : cat(bad, " missing, ", weak, bad == 0 ? " warnings: containers run." : " warnings."));
  return bad == 0 ? 0 : 1;
}

}  // namespace dhow::cli
